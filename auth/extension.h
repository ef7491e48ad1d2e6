// extension: an X.509 extension that the proxy gives no meaning of its own, read as text. Pure.
//
// A value is text if it is one DER element with nothing after it: a UTF8String, IA5String or PrintableString, an OCTET
// STRING that holds UTF-8, or a SEQUENCE of these. Text is 1 byte or more of valid UTF-8 without control characters and
// without `*`. Anything else is no text, all of it.
//
// A set of OIDs is bytes: of each its length in one byte, then its DER contents.
#pragma once

#include "auth/base/slice.h"

enum {
    EXTENSIONS_MAX = 32,          // of a leaf; one with more is refused
    EXTENSION_VALUE_MAX = 4096,   // bytes; a longer value fits nothing
    EXTENSION_TEXTS_MAX = 64,     // of a SEQUENCE; one with more is no text
    EXTENSION_OID_MAX = 64,       // bytes of DER contents
    EXTENSIONS_NAMED_MAX = 8,     // different OIDs that a config can name
    EXTENSION_NAMED_OID_MAX = 40, // bytes of each
};

// extension is one of a certificate.
struct extension {
    struct slice oid;   // DER contents
    struct slice value; // what is in the extnValue; `data` NULL where it was too long to be kept
};

// extension_texts is a walk over the texts of a value. Its field is private to extension.c.
struct extension_texts {
    struct slice rest;
};

// extension_texts_of starts a walk; false where the value is no text. extension_texts_next gives the next text, borrowed
// from the value; false at the end.
bool extension_texts_of(struct slice value, struct extension_texts *out);
bool extension_texts_next(struct extension_texts *texts, struct slice *out);

// extension_only_text gives the text of a value that is exactly one; `data` NULL otherwise.
struct slice extension_only_text(struct slice value);

// extension_is_own tells whether the proxy, or the library, reads extensions with this OID itself (RFC 5280: all of
// 2.5.29 and 1.3.6.1.5.5.7.1), so that `match` cannot name it.
bool extension_is_own(struct slice oid);

// oid_set_put appends an OID to the set of `*len` bytes at `bytes`, which has room for `cap`. False, and nothing is written,
// where it does not fit. Whether it is there already is not looked at.
bool oid_set_put(uint8_t *bytes, size_t cap, size_t *len, struct slice oid);

// oid_set_next takes the first OID off `*rest`; false at the end. oid_set_has tells whether a set has it.
bool oid_set_next(struct slice *rest, struct slice *out);
bool oid_set_has(struct slice set, struct slice oid);
