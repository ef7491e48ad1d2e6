// fields: the facts of a certificate or a CRL, one after the other: a line for each, for people, or members of a JSON object.
#pragma once

#include "auth/identity.h"

// san_names are the kinds of subject alternative names, in the order of output, each with its key: `san_dns`.
enum { SAN_NAME_COUNT = 4 };
extern const struct san_name {
    const char *key;
    enum san_kind kind;
} SAN_NAMES[SAN_NAME_COUNT];

// san_kind_parse reads `dns`, `uri`, `email` or `ip`.
bool san_kind_parse(struct slice name, enum san_kind *out) MUST_USE;

// fields is where they go.
struct fields {
    struct text *text; // borrowed
    size_t value_max;  // bytes taken of a value
    bool is_json;      // inside an object that the caller has begun
};

// fields_add adds `"key":"value"` or, for people, `key value` and a line end. Values are escaped alike.
void fields_add(struct fields *out, const char *key, struct slice value);

// fields_add_hex adds at most IDENTITY_SERIAL_MAX bytes in lower-case hexadecimal digits; fields_add_dn a name as RFC 4514
// writes it.
void fields_add_hex(struct fields *out, const char *key, struct slice bytes);
void fields_add_dn(struct fields *out, const char *key, const struct dn *dn);

// fields_add_sans adds the subject alternative names, ordered by kind: in JSON an array for each kind.
void fields_add_sans(struct fields *out, const struct identity *identity);
