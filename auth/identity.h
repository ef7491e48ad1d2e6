// identity: who a certificate says its holder is, as plain values taken from the leaf.
//
// Only auth/trust makes identities from certificates that it has verified; what an unverified
// certificate claims is read with the same code and kept apart by its callers ("presented").
#pragma once

#include <openssl/x509.h>

#include "auth/base/text.h"
#include "auth/cert_policies.h"
#include "auth/dn.h"
#include "auth/extension.h"

enum san_kind { SAN_DNS, SAN_URI, SAN_EMAIL, SAN_IP };

// san is one subject alternative name. DNS and the domain of an e-mail address keep their case;
// comparing ignores it where interface says so. SAN_IP holds 4 or 16 bytes in network order.
struct san {
    enum san_kind kind;
    bool is_usable;     // false: holds a wildcard, NUL or non-IA5 byte, is malformed, or is one of
                        // the URIs of a leaf with two spiffe:// URIs; fits nothing
    struct slice value; // borrowed from the identity
};

// san_is_strict tells whether a value of this kind is one that a rule could name, as `is_usable`
// does: a host name, a URI of visible ASCII, a plain address of e-mail, 4 or 16 bytes; no
// wildcards.
bool san_is_strict(enum san_kind kind, struct slice value);

// san_is_mailbox tells whether an e-mail address can be read in one way only, so that a name constraint can be
// compared with it: as san_is_strict, and its local part may have an asterisk, which is a letter like another.
bool san_is_mailbox(struct slice value);

enum {
    IDENTITY_MAX_SANS = 1024, // a leaf with more is refused: never an answer from half of it
    IDENTITY_SERIAL_MAX = 32, // bytes; RFC 5280 allows 20
    IDENTITY_DIGEST_LEN = 32,
    IDENTITY_EXTENSIONS_JSON_CAP = 8192, // bytes
};

struct chain_record;

// identity is immutable once made. Only auth makes one; all may read it.
struct identity {
    size_t other_owners; // beside the first one; see identity_share
    char *trust_name;    // owned; the profile that verified it, "" when only presented
    // owned; of the verified chain, for trust_recheck; NULL when only presented
    struct chain_record *record;
    struct dn subject;
    struct dn issuer;
    struct san *sans;   // owned
    uint8_t *san_bytes; // owned; what the values of `sans` point into
    size_t san_count;
    // owned, in one piece with what they point into; those that extension_is_own leaves, whether a rule names them or not
    struct extension *extensions;
    size_t extension_count;
    struct cert_policies policies; // owned; of the verified chain; empty when only presented
    // of serial_bytes; big-endian, no leading zeros; serial 0 is empty, data non-NULL
    struct slice serial;
    uint8_t serial_bytes[IDENTITY_SERIAL_MAX];
    uint8_t sha256[IDENTITY_DIGEST_LEN];      // of the certificate
    uint8_t spki_sha256[IDENTITY_DIGEST_LEN]; // of its public key
    int64_t not_before_s;                     // Unix seconds
    int64_t not_after_s;                      // Unix seconds, of the leaf
};

// san_is_spiffe tells whether it is a SPIFFE id; a leaf with two of them is nobody by URI.
bool san_is_spiffe(const struct san *san);

// identity_create reads `leaf`. It copies what it needs; `leaf` stays the caller's. ERR_INPUT when
// a name or the SAN extension is malformed or stands twice, or the serial is negative; ERR_LIMIT
// when one is beyond every reason, or there are more than IDENTITY_MAX_SANS or EXTENSIONS_MAX; ERR_MEMORY.
// `trust_name` is the profile that verified it, or NULL for one that is only presented; copied.
enum err identity_create(X509 *leaf, const char *trust_name, struct identity **out) MUST_USE;

// identity_keep_extensions copies what is claimed, or read from a leaf, into a new identity. ERR_LIMIT for more than
// EXTENSIONS_MAX, or an OID beyond EXTENSION_OID_MAX; ERR_MEMORY. For identity.c and claim.c.
enum err identity_keep_extensions(struct identity *identity, const struct extension *extensions,
                                  size_t count) MUST_USE;

// identity_find_extension gives the extension with this OID where the certificate has exactly one; NULL otherwise.
const struct extension *identity_find_extension(const struct identity *identity, struct slice oid);

// identity_share gives the identity another owner, who lets go of it by identity_destroy too. All owners
// are on one thread.
struct identity *identity_share(struct identity *identity);

// identity_destroy ends one ownership; with the last one the identity is freed. NULL is allowed.
void identity_destroy(struct identity *identity);

// identity_append_json appends the members of the audit's `client` object that come from the
// certificate, without braces: "subject", "cn", "san_uri", (and "san_dns", "san_email", "san_ip"
// when there are any), "serial", "issuer", "sha256", "spki_sha256", "not_after" (RFC 3339). Strings
// are escaped and capped, and SANs left out at the end of their list, so that the whole stays below
// 6 KiB; where that took something away that a rule could name, `"cut":true` stands at the end.
void identity_append_json(const struct identity *identity, struct text *out);

// identity_append_extensions appends the member "extensions" for the OIDs of the set `named`: for each that the certificate
// has an object with "oid", "der" (hex) and, if it is one text, "text"; for each that it lacks, with "oid" alone. For the
// OIDs of cert_policies.h it appends the members "policies" and "qc" instead, lists of OIDs, or null where they are too
// long. Where there are no OIDs it appends nothing. At most IDENTITY_EXTENSIONS_JSON_CAP bytes: what is too long has `"cut":true` in place of its value.
void identity_append_extensions(const struct identity *identity, struct slice named,
                                struct text *out);
