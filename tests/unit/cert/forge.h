// forge: certificates for tests, good ones and every kind of bad one.
//
// A plan with nothing but names makes a sound client certificate or, with `is_ca`, a sound CA; each
// further field breaks or bends one thing. Everything made belongs to the workshop.
#pragma once

#include <openssl/x509.h>

#include "auth/base/slice.h"
#include "auth/trust.h"

// The moment at which forged certificates are valid by default, a day either way.
#define FORGE_NOW_S INT64_C(1800000000)
#define FORGE_DAY_S INT64_C(86400)

enum forge_key {
    FORGE_P256,
    FORGE_P224,
    FORGE_P521,
    FORGE_ED25519,
    FORGE_RSA_1024,
    FORGE_RSA_2048
};

struct forged {
    X509 *cert;
    EVP_PKEY *key;
};

enum { FORGE_MAX_NAMES = 8 };

struct forge_plan {
    const char *cn; // NULL: no CN
    const char *second_cn;
    const char *o;
    struct slice subject_der;    // in place of cn and o
    const struct forged *issuer; // NULL: signs itself
    enum forge_key key;
    const struct forged *key_of; // use this one's key
    bool is_sha1;
    bool is_ca; // basicConstraints CA:TRUE, keyCertSign, cRLSign
    bool has_no_basic_constraints;
    bool has_soft_basic_constraints; // not critical
    bool has_pathlen;
    int pathlen;
    int key_usage; // bits as in RFC 5280 4.2.1.3, 1 << number; 0: the default
    bool has_no_key_usage;
    int purpose_nid; // of the one extended key usage; 0: clientAuth for leaves
    bool has_no_purpose;
    int64_t not_before_s;              // 0: a day before
    int64_t not_after_s;               // 0: a day after
    int64_t serial;                    // 0: 1000 and rising
    const char *sans[FORGE_MAX_NAMES]; // `dns:` `uri:` `email:` `ip4:` followed by the value
    struct slice san_der;              // the extension's value, in place of `sans`
    bool has_san_twice;
    const char *permitted[FORGE_MAX_NAMES]; // name constraints, likewise
    const char *excluded[FORGE_MAX_NAMES];
    const char *crl_points[FORGE_MAX_NAMES]; // URIs of one distribution point
    struct slice crl_points_der;             // the extension's value, in place of `crl_points`
    bool has_no_key_ids;
    bool has_issuer_in_key_id; // authorityCertIssuer and serial too
    bool has_unknown_critical;
    bool has_broken_signature;
    bool has_explicit_curve; // the key's curve written out instead of named
};

struct workshop;

// workshop_create and workshop_destroy fit cmocka's setup and teardown.
int workshop_create(void **state);
int workshop_destroy(void **state);

// forge makes one certificate; the test fails when it cannot.
const struct forged *forge(struct workshop *workshop, const struct forge_plan *plan);

// forge_pem gives certificates as PEM, NULL at the end of `certs`.
struct slice forge_pem(struct workshop *workshop, const struct forged *const *certs);

// forge_keep gives a copy of `bytes` that lives as long as the workshop.
struct slice forge_keep(struct workshop *workshop, struct slice bytes);

// forge_chain gives certificates as a TLS peer sends them, NULL at the end.
STACK_OF(CRYPTO_BUFFER) *forge_chain(struct workshop *workshop, const struct forged *const *certs);

// forge_trust gives a finished profile; the test fails when there is none. Lists may be NULL.
struct trust *forge_trust(struct workshop *workshop, const struct trust_options *options,
                          const struct forged *const *cas, const struct forged *const *helpers);
