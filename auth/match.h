// match: how the patterns of `match` read a name. Internal to auth; the rest of auth/match.c is
// declared in policy.h.
#pragma once

#include "auth/base/slice.h"

// match_is_uri_pattern tells whether the final `*` of a `uri` stands for something: behind a `/`
// after a non-empty authority.
bool match_is_uri_pattern(struct slice wanted);

// match_is_dns_pattern tells whether a `dns` begins with `*.`.
bool match_is_dns_pattern(struct slice wanted);
