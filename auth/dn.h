// dn: distinguished names, compared by attribute type and value in order, never as strings.
//
// The canonical form is a run of bytes, made from a certificate's DER or from RFC 4514 text, such
// that two names are equal exactly when the bytes are: for each RDN in certificate order its
// attributes sorted, each as its type's OID and its value as UTF-8, with lengths in front. Case and
// blanks count: a name is what its issuer wrote.
#pragma once

#include "auth/base/err.h"
#include "auth/base/slice.h"
#include "auth/base/text.h"

// A session keeps two names for as long as it lives, so the limit is what real names need, several
// times over. The text of any canonical name fits in DN_TEXT_CAP.
enum { DN_CANONICAL_MAX = 1024, DN_TEXT_CAP = 4096 };

struct dn {
    size_t len; // bytes
    uint8_t bytes[DN_CANONICAL_MAX];
};

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

// dn_equal tells whether both are the same name.
bool dn_equal(const struct dn *a, const struct dn *b);

// dn_equal_but_common_name tells whether both have at least one attribute that is no CN, and are
// the same once every CN is left out: two names of one organisation.
bool dn_equal_but_common_name(const struct dn *a, const struct dn *b);

// dn_common_name gives the value of the CN when the name has exactly one attribute of that type, as
// a slice borrowed from `dn`; an empty slice otherwise.
struct slice dn_common_name(const struct dn *dn);
