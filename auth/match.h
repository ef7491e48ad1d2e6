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
    X(ENTRY_IP, "ip")

enum entry_part {
#define X(symbol, name) symbol,
    ENTRY_PART_TABLE(X)
#undef X
};

// entry_part_name gives the stable name of the part, the key in `match` where it is one.
const char *entry_part_name(enum entry_part part);

// match_entry_misfit gives the first part of this one entry that does not fit `identity` (NULL: no
// certificate), or ENTRY_FITS. match_entry_fits tells whether it is that.
enum entry_part match_entry_misfit(const struct match_entry *entry,
                                   const struct identity *identity);
bool match_entry_fits(const struct match_entry *entry, const struct identity *identity);

// match_parts is what an entry asks for, or what a certificate has, by enum entry_part from ENTRY_TRUST on: borrowed
// bytes; `data` NULL: it asks for nothing there, or has nothing.
struct match_parts {
    struct slice of[ENTRY_IP + 1];
};

// match_parts_of gives what an entry asks for. match_parts_of_identity gives what a certificate has, without its SANs,
// which can be many of one kind. match_part_of_san gives the part that asks for SANs of `kind`.
struct match_parts match_parts_of(const struct match_entry *entry);
struct match_parts match_parts_of_identity(const struct identity *identity);
enum entry_part match_part_of_san(enum san_kind kind);

// match_is_uri_pattern tells whether the final `*` of a `uri` is a wildcard: after a `/` that comes after a non-empty
// authority. match_is_dns_pattern tells whether a `dns` begins with `*.`.
bool match_is_uri_pattern(struct slice wanted);
bool match_is_dns_pattern(struct slice wanted);

// match_part_fits compares what an entry asks for in `part`, a pattern or not, with a value.
bool match_part_fits(enum entry_part part, struct slice wanted, struct slice value);
