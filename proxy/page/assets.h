// assets: the style and the few lines of script of the page, and the policy that lets a browser use these and nothing else.
//
// Pure. Both are in the page itself: it loads nothing from anywhere.
#pragma once

#include "auth/base/text.h"

enum { ASSETS_POLICY_CAP = 512 }; // bytes, with the NUL

// assets_append_style adds the style element, assets_append_script the script element.
void assets_append_style(struct text *out);
void assets_append_script(struct text *out);

// assets_policy writes the value of Content-Security-Policy: nothing but this style and this script, by their digests, and
// the page itself again. Returns `out`.
const char *assets_policy(char out[ASSETS_POLICY_CAP]);
