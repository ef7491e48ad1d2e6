// match: does one entry of `match` fit an identity? Each part is compared with the name of its own type and no other.
#pragma once

#include "auth/identity.h"
#include "auth/rules.h"

// The parts of an entry, in the order in which they are compared.
#define ENTRY_PART_TABLE(X)                                                                        \
    X(ENTRY_FITS, "fits")                                                                          \
    X(ENTRY_EMPTY, "empty")             /* an entry that says nothing fits nobody */               \
    X(ENTRY_ANONYMOUS, "anonymous")     /* it is for clients without certificate */                \
    X(ENTRY_CERTIFICATE, "certificate") /* there is no certificate */                              \
    X(ENTRY_UNVERIFIED, "unverified")   /* the certificate was verified by nobody */               \
    X(ENTRY_LATER, "later") /* it fits, and an entry of another file that was first, too */        \
    X(ENTRY_TRUST, "trust")                                                                        \
    X(ENTRY_CN, "cn")                                                                              \
    X(ENTRY_SUBJECT, "subject")                                                                    \
    X(ENTRY_ISSUER, "issuer")                                                                      \
    X(ENTRY_SERIAL, "serial")                                                                      \
    X(ENTRY_SHA256, "sha256")                                                                      \
    X(ENTRY_SPKI_SHA256, "spki_sha256")                                                            \
    X(ENTRY_URI, "uri")                                                                            \
    X(ENTRY_DNS, "dns")                                                                            \
    X(ENTRY_EMAIL, "email")                                                                        \
    X(ENTRY_IP, "ip")                                                                              \
    X(ENTRY_OU, "ou")                                                                              \
    X(ENTRY_O, "o")                                                                                \
    X(ENTRY_EXTENSION, "extension")                                                                \
    X(ENTRY_POLICIES, "policies")                                                                  \
    X(ENTRY_QC, "qc")

enum entry_part {
#define X(symbol, name) symbol,
    ENTRY_PART_TABLE(X)
#undef X
        ENTRY_PART_COUNT
};

// entry_part_name gives the stable name of the part, the key in `match` where it is one.
const char *entry_part_name(enum entry_part part);

// match_entry_misfit gives the first part of this one entry that does not fit `identity` (NULL: no
// certificate), or ENTRY_FITS. match_entry_fits tells whether it is that.
enum entry_part match_entry_misfit(const struct match_entry *entry,
                                   const struct identity *identity);
bool match_entry_fits(const struct match_entry *entry, const struct identity *identity);

// match_wanted gives what an entry asks for in `part`, one from ENTRY_TRUST on: borrowed bytes; `data` NULL: nothing.
struct slice match_wanted(const struct match_entry *entry, enum entry_part part);

// match_implied gives that, or what the `subject` that it asks for has in `part`: a CN or an O of which it has exactly one.
struct slice match_implied(const struct match_entry *entry, enum entry_part part);

// match_values is a walk over what a certificate has in one part. Its fields are private to match.c.
struct match_values {
    const struct identity *identity; // borrowed
    enum entry_part part;
    size_t next; // the SAN or the byte of a set to look at, or how many values were given
    struct dn_values names; // of ENTRY_OU
};

// A policy or a QC statement is a set of one OID.
//
// match_values_of starts a walk; match_values_next gives the next value, borrowed from the identity. What is not usable,
// not decodable or empty is left out, and so are a CN and an O of a subject that has several. False at the end.
struct match_values match_values_of(const struct identity *identity, enum entry_part part);
bool match_values_next(struct match_values *values, struct slice *out);

// match_is_text_pattern tells whether the final `*` of an extension's `text` is a wildcard: after a `/` that follows
// something, in a URI as in `uri`.
bool match_is_text_pattern(struct slice wanted);

// match_is_uri_pattern tells whether the final `*` of a `uri` is a wildcard: after a `/` that comes after a non-empty
// authority. match_is_dns_pattern tells whether a `dns` begins with `*.`.
bool match_is_uri_pattern(struct slice wanted);
bool match_is_dns_pattern(struct slice wanted);

// match_part_fits compares what an entry asks for in `part`, a pattern or not, with a value.
bool match_part_fits(enum entry_part part, struct slice wanted, struct slice value);

// match_part_names tells whether what an entry asks for in `part` names somebody, and not what many have in common: not the
// profile, the issuer, OU, O, policies and QC statements. A subject names somebody where it has a CN, which match_entry_names
// looks at.
bool match_part_names(enum entry_part part);

// match_entry_names tells whether an entry has a part that names somebody.
bool match_entry_names(const struct match_entry *entry);

// match_entry_names_few tells whether that is more than a pattern for everybody of a domain: `spiffe://example.org/*`, also as the
// text of an extension, or `*.org`; and more than one for all namespaces or accounts of it: `spiffe://example.org/ns/*`.
bool match_entry_names_few(const struct match_entry *entry);

// match_member_names tells whether what a member must be is written, and not completed from the certificate or any.
bool match_member_names(const struct extension_member *member);

// match_entry_covers tells whether `wide` fits every client that `narrow` fits.
bool match_entry_covers(const struct match_entry *wide, const struct match_entry *narrow);

// match_entry_meets tells whether one of two entries covers the other, or both have a part in common that names somebody, in
// which they agree, and nothing in which they differ for every certificate: `{cn: a, o: b}` meets `{cn: a, ou: c}`. Values of
// which a certificate may have both (`uri`, `dns`, `email`, `ip`, `ou`, `policies`, `qc`, the `text` of an extension; not two
// SPIFFE ids) tell nobody apart: `{cn: a, ou: b}` meets `{cn: a, ou: c}`, and `{dns: a}` does not meet `{dns: b}`, which have no
// name in common. Extensions with two OIDs are two parts. What two entries ask of one extension differs where no value can be
// both; it has something in common where a value that is written in one is one that the other asks for, or both write a
// member alike.
bool match_entry_meets(const struct match_entry *a, const struct match_entry *b);
