// json_members: the members that a JSON object must have, read strictly: each is there, with its type, and no other. Pure.
#pragma once

#include "auth/json_text.h"

// json_member is one that an object must have.
struct json_member {
    const char *name;
    json_type type;
    const char *wanted; // what it is, for a person: "a string"
};

// json_members_read finds the members of `object`; `out` has one for each of the `count` rows, borrowed from the object.
// ERR_INPUT with a sentence in `info`.
enum err json_members_read(json_t *object, const struct json_member *members, size_t count,
                           json_t **out, struct errinfo *info) MUST_USE;

// json_members_slice gives the bytes of a string, borrowed from it.
struct slice json_members_slice(const json_t *string);
