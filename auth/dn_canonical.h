// dn_canonical: a distinguished name as a value, and its bytes written and read. Others use dn.h.
//
// Two names are equal exactly when their bytes are. The bytes are a run of RDNs in certificate order, each
//     u16 length, then its attributes sorted bytewise, each
//         u8 length of the type, the type's OID (DER contents)
//         u8 kind: 0 = the value is UTF-8 text, 1 = the value is the DER of something else
//         u16 length of the value, the value
// with all numbers big-endian.
#pragma once

#include <stdint.h>

#include "auth/base/err.h"
#include "auth/base/slice.h"

// A session keeps two names for as long as it lives, so the limit is what real names need, several times over.
enum { DN_CANONICAL_MAX = 1024 };

struct dn {
    size_t len; // bytes
    uint8_t bytes[DN_CANONICAL_MAX];
};

enum dn_value_kind { DN_VALUE_TEXT = 0, DN_VALUE_DER = 1 };

enum {
    DN_OID_MAX_LEN = 64, // bytes
    DN_MAX_RDN_ATTRIBUTES = 16,
    DN_RDN_MIN_LEN = 2 + 1 + 1 + 1 + 2, // bytes: one attribute of a one-byte type, without value
    DN_MAX_RDNS = DN_CANONICAL_MAX / DN_RDN_MIN_LEN,
};

// dn_put_type writes length and bytes of an OID's DER contents; ERR_INPUT when it is none.
enum err dn_put_type(struct dn *dn, struct slice oid) MUST_USE;

// dn_put_text writes kind, length and value of UTF-8 text; ERR_INPUT when it is none.
enum err dn_put_text(struct dn *dn, struct slice utf8) MUST_USE;

// dn_put_element writes kind, length and value of one DER element: strings become text.
enum err dn_put_element(struct dn *dn, struct slice element) MUST_USE;

// dn_put writes bytes that are canonical already.
enum err dn_put(struct dn *dn, struct slice bytes) MUST_USE;

// dn_rdn is one RDN under construction at the end of a dn.
struct dn_rdn {
    size_t start;                              // of its length, in the dn
    size_t count;                              // of attributes
    size_t offsets[DN_MAX_RDN_ATTRIBUTES + 1]; // of each, and the end
};

// dn_rdn_begin starts an RDN at the end of `dn`.
enum err dn_rdn_begin(struct dn_rdn *rdn, struct dn *dn) MUST_USE;

// dn_rdn_begin_attribute is called before the type of each attribute is written.
enum err dn_rdn_begin_attribute(struct dn_rdn *rdn, const struct dn *dn) MUST_USE;

// dn_rdn_end writes the length and sorts the attributes, since a SET has no order of its own.
void dn_rdn_end(struct dn_rdn *rdn, struct dn *dn);

// dn_attribute is a view of one attribute inside canonical bytes.
struct dn_attribute {
    struct slice type;
    enum dn_value_kind kind;
    struct slice value;
};

// dn_slice gives the canonical bytes, borrowed from `dn`.
struct slice dn_slice(const struct dn *dn);

// dn_take_rdn takes the first RDN off `*rest`, without its length.
struct slice dn_take_rdn(struct slice *rest);

// dn_take_attribute takes the first attribute off `*rdn`.
struct dn_attribute dn_take_attribute(struct slice *rdn);

// oid_next takes one number off the front of an OID's contents; false when it is not minimal, cut
// short or too large to be written.
bool oid_next(struct slice *oid, uint64_t *out);

// utf8_next takes one well-formed character off the front of `s`, which is not empty.
bool utf8_next(struct slice *s, uint32_t *out);
