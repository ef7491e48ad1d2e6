// cert_policies: the certificate policies that a verified path gives its leaf, and the leaf's QC statements.
//
// A policy counts if the leaf has it and each intermediate has it or anyPolicy. That is stricter than RFC 5280 6.1: with a
// policyMappings anywhere in the path no policy counts, and with an inhibitAnyPolicy anywhere anyPolicy is nothing. The
// anchor's own policies do not matter, as in RFC 5280. anyPolicy of the leaf is no policy.
//
// What is malformed, or there twice, gives nothing at all.
#pragma once

#include <openssl/x509.h>

#include "auth/base/err.h"
#include "auth/extension.h"

enum {
    CERT_POLICIES_MAX = 32, // of a certificate, and statements likewise; of more none counts
    OID_LIST_MAX = CERT_POLICIES_MAX * (1 + EXTENSION_NAMED_OID_MAX), // bytes
};

// The OIDs of the two extensions, as DER contents.
#define CERT_POLICIES_OID SLICE_LITERAL("\x55\x1D\x20")
#define QC_STATEMENTS_OID SLICE_LITERAL("\x2B\x06\x01\x05\x05\x07\x01\x03")

// oid_list is a set of OIDs (extension.h) with its memory. Start with {0}.
struct oid_list {
    uint8_t bytes[OID_LIST_MAX];
    size_t len;
};

struct slice oid_list_slice(const struct oid_list *list);

// oid_list_add adds an OID that is not yet there; false where it is, or where there is no room.
bool oid_list_add(struct oid_list *list, struct slice oid);

// oid_is_any_policy tells whether it is 2.5.29.32.0.
bool oid_is_any_policy(struct slice oid);

// cert_policies_read reads the value of a certificatePolicies (RFC 5280 4.2.1.4): `*out` gets the OIDs without anyPolicy,
// and `*out_has_any` tells about that. OIDs longer than EXTENSION_NAMED_OID_MAX are left out: no config names them. False,
// and nothing in `*out`, for a malformed one, a policy that is there twice, or more than CERT_POLICIES_MAX.
bool cert_policies_read(struct slice value, struct oid_list *out, bool *out_has_any);

// qc_statements_read reads the value of a qcStatements (RFC 3739 3.2.6) in the same way: `*out` gets the statementIds.
bool qc_statements_read(struct slice value, struct oid_list *out);

// cert_policies is both sets, kept as long as needed.
struct cert_policies {
    uint8_t *bytes;        // owned; what the sets point into
    struct slice policies; // OIDs, a set (extension.h)
    struct slice qc;       // likewise, of the statements
};

// cert_policies_keep copies two sets; free `bytes` when done. ERR_MEMORY.
enum err cert_policies_keep(struct slice policies, struct slice qc,
                            struct cert_policies *out) MUST_USE;

// cert_policies_of_path gives the policies that count for a path, `count` >= 1 certificates, the leaf first, the anchor
// last. qc_statements_of gives the statements of the leaf.
void cert_policies_of_path(X509 *const *certs, size_t count, struct oid_list *out);
void qc_statements_of(const X509 *leaf, struct oid_list *out);
