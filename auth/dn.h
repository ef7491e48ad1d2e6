// dn: distinguished names, compared by attribute type and value in order, never as strings.
//
// A name is read from a certificate's DER or from RFC 4514 text into canonical bytes (see dn_canonical.h). Case and
// blanks count: a name is what its issuer wrote.
#pragma once

#include "auth/base/text.h"
#include "auth/dn_canonical.h"

enum { DN_TEXT_CAP = 4096 }; // bytes; the text of any canonical name fits

// dn_from_der reads a DER `Name` (RFC 5280 4.1.2.4). String values of every DirectoryString kind,
// IA5String, NumericString and VisibleString too, become UTF-8 (TeletexString as Latin-1); a value
// of another type is kept as its DER. The empty name is a name. ERR_INPUT when malformed (also a
// string that is not what its type says), ERR_LIMIT when larger than a dn.
enum err dn_from_der(struct slice der, struct dn *out) MUST_USE;

// dn_parse reads RFC 4514 text (`CN=a,O=b+OU=c`, escapes, `#hex` values, known short names and
// dotted OIDs). The text is in reverse order of the certificate, as RFC 4514 says. Blanks round
// `,`, `+` and `=` are allowed; quotes, `;` as separator (RFC 2253) and an empty text are not.
// ERR_INPUT or ERR_LIMIT with the sentence in `info`.
enum err dn_parse(struct slice text, struct dn *out, struct errinfo *info) MUST_USE;

// dn_format appends the RFC 4514 text of a canonical name: UTF-8, specials and controls escaped,
// OIDs without a short name dotted with a `#hex` value.
void dn_format(const struct dn *dn, struct text *out);

// oid_parse reads a dotted OID into DER contents; false when it is none, or too long. oid_format writes the dots again.
bool oid_parse(struct slice text, uint8_t out[DN_OID_MAX_LEN], size_t *out_len);
void oid_format(struct slice oid, struct text *out);

// dn_equal tells whether both are the same name.
bool dn_equal(const struct dn *a, const struct dn *b);

// dn_equal_but_common_name tells whether both have at least one attribute that is no CN, and are
// the same once every CN is left out: two names of one organisation.
bool dn_equal_but_common_name(const struct dn *a, const struct dn *b);

// The types of attributes that a `match` entry or a name can ask for.
enum dn_type { DN_COMMON_NAME, DN_ORGANIZATION, DN_ORGANIZATIONAL_UNIT };

// dn_values is a walk over the values of one type. Its fields are private to dn.c.
struct dn_values {
    enum dn_type type;
    struct slice rest;
    struct slice rdn;
};

// dn_values_of starts a walk in the order of the certificate; `dn` is borrowed for all of it. dn_values_next gives the
// next value, borrowed from `dn`; it is empty for a value that is no text. False at the end.
struct dn_values dn_values_of(const struct dn *dn, enum dn_type type);
bool dn_values_next(struct dn_values *values, struct slice *out);

// dn_only_value gives the value of a type of which the name has exactly one, as a slice borrowed from `dn`; an empty slice
// otherwise, and for a value that is no text. dn_common_name gives that of the CN.
struct slice dn_only_value(const struct dn *dn, enum dn_type type);
struct slice dn_bytes_only_value(struct slice bytes, enum dn_type type); // of the bytes of a dn
struct slice dn_common_name(const struct dn *dn);
