// fleet_text: what all JSON texts that proxies of a fleet write into the store have in common: a bound, exactly the members
// that they must have, and the format in the first of them. Pure.
#pragma once

#include "auth/json_members.h"

enum { FLEET_TEXT_FORMAT = 1 };

// FLEET_TEXT_V is the row of the first member of each, `v`.
#define FLEET_TEXT_V                                                                               \
    {                                                                                              \
        "v", JSON_INTEGER, "a whole number"                                                        \
    }

// fleet_text_read reads a text of at most `max` bytes. `found` has one for each of the `count` rows, borrowed from `*out_root`,
// which the caller owns (json_decref); NULL with an error. ERR_LIMIT, ERR_INPUT, ERR_MEMORY, with a sentence in `info`.
enum err fleet_text_read(struct slice bytes, size_t max, const struct json_member *rows,
                         size_t count, json_t **found, json_t **out_root,
                         struct errinfo *info) MUST_USE;

// fleet_text_choose finds which of `count` names a string is. ERR_INPUT: none of them; `name` is the member's.
enum err fleet_text_choose(const json_t *string, const char *name, const char *const *names,
                           size_t count, size_t *out, struct errinfo *info) MUST_USE;
