// flat_json: a JSON object of texts, as some issuers put it into an extension: {"Name":"crawler","Purpose":"tunnel"}.
//
// Pure, without memory of its own. Strict, so that no two readers read two things: one object and nothing after it, each
// member once, each value a text, no escapes (RFC 8259 7), visible ASCII and blanks only. Anything else is no such object,
// all of it.
#pragma once

#include "auth/base/slice.h"

enum { FLAT_JSON_MAX_MEMBERS = 16 };

// flat_json_find gives the value of the member `name`, borrowed from `json`. False: `json` is no such object, or has no such
// member.
bool flat_json_find(struct slice json, struct slice name, struct slice *out);

// flat_json_at gives name and value of the member at `index`, from 0 on in the order of the text, borrowed from `json`. False:
// `json` is no such object, or has no such member.
bool flat_json_at(struct slice json, size_t index, struct slice *out_name, struct slice *out_value);
