// chain_record: what stays of a verified chain, so that it can be judged again without it.
//
// A plain value on the heap, made once by auth/chain for a path that was found good, owned by the
// identity of its leaf, never changed. About 250 bytes a certificate, 32 for each of its distribution
// points, its OCSP responders' URLs, its issuer's name, and the public key of each CA. It holds what revocation, denied certificates and time need, also
// of lists that come later, and its usages; signatures and names do not change and are not here.
#pragma once

#include <openssl/x509.h>
#include <stdbool.h>

#include "auth/base/err.h"
#include "auth/base/slice.h"
#include "auth/cert_id.h"
#include "auth/cert_policies.h"
#include "auth/crl_points.h"

// chain_link is one certificate of the path.
struct chain_link {
    uint8_t sha256[CERT_DIGEST_LEN];        // of the certificate
    uint8_t issuer_serial[CERT_DIGEST_LEN]; // see cert_id_of_serial
    uint8_t authority[CERT_DIGEST_LEN]; // cert_id_of_authority of its issuer; zeros for the anchor
    uint8_t serial[CERT_SERIAL_MAX];    // big-endian, no leading zeros
    uint8_t serial_len;
    bool has_serial; // false: negative or too long, so that no list could name it
    bool is_ca;
    uint8_t *extra;                 // owned; points, names, URLs and key
    uint32_t usages;                // of enum usage
    bool names_points;              // it has distribution points, whether they are listed or not
    const struct crl_point *points; // in `extra`; those that a list may have, sorted
    size_t point_count;
    struct slice
        issuer_name;        // in `extra`; DER of the issuer's Name as it stands in the certificate
    struct slice ocsp_urls; // in `extra`; those of ocsp_urls.h
    // As an issuer of lists; nothing of it for the leaf, unless that is the anchor too.
    uint8_t name[CERT_DIGEST_LEN]; // cert_id_of_name of its subject
    struct slice key;              // its SubjectPublicKeyInfo, in `extra`
    bool signs_lists;              // its key usage allows it
};

struct chain_record {
    int64_t not_before_s;          // the latest of the path, Unix seconds
    int64_t not_after_s;           // the earliest of the path, Unix seconds
    int64_t lifetime_s;            // of the leaf
    uint32_t depth;                // intermediates between leaf and anchor
    uint8_t *critical;             // owned; the OIDs of critical.h, of the leaf
    size_t critical_len;           // bytes
    struct cert_policies policies; // owned, until the identity takes it
    bool is_strict;                // nothing in it is against the letter of RFC 5280
    size_t count;                  // of `links`
    struct chain_link links[];     // the leaf first, the anchor last; one alone is both
};

// chain_record_create makes the record of a path, `count` >= 1 certificates, the leaf first, the
// anchor last. ERR_INPUT when a date cannot be read, ERR_MEMORY.
enum err chain_record_create(X509 *const *certs, size_t count, struct chain_record **out) MUST_USE;

// chain_record_destroy frees it. NULL is allowed.
void chain_record_destroy(struct chain_record *record);
