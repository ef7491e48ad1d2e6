// certificate: one X.509 certificate, made from a plan and signed: a CA's, a client's or a
// server's.
//
// What every certificate has: version 3, a random serial of 128 bits, SHA-256, critical
// basicConstraints and key usage, key identifiers of both sides. Checks no names: that is for
// the caller that makes the plan. Knows no files.
#pragma once

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "auth/identity.h"
#include "proxy/pki/keypair.h"

enum certificate_kind {
    CERTIFICATE_CA,     // CA:TRUE, pathlen, keyCertSign and cRLSign
    CERTIFICATE_CLIENT, // clientAuth only, digitalSignature
    CERTIFICATE_SERVER, // serverAuth only, digitalSignature
};

struct certificate_plan {
    enum certificate_kind kind;
    const char *common_name; // the subject is this CN and nothing else
    const struct san *sans;  // in this order; `is_usable` is not looked at
    size_t san_count;        // 0: no SAN extension
    int64_t not_before_s;    // Unix seconds
    int64_t not_after_s;
    unsigned path_len; // of a CA: how many CAs may stand below it before the leaf
};

// certificate_make makes a certificate for the public key of `key` (its private half is not needed
// when there is an issuer), signed by `issuer_key` in the
// name of `issuer`; with `issuer` NULL it signs itself. `*out` is the caller's (X509_free).
// ERR_MEMORY, also when a value does not fit into a certificate.
enum err certificate_make(const struct certificate_plan *plan, EVP_PKEY *key, X509 *issuer,
                          EVP_PKEY *issuer_key, X509 **out) MUST_USE;

// certificate_format writes it as PEM; `*out` is the caller's.
enum err certificate_format(X509 *cert, struct pem *out) MUST_USE;

// certificate_parse reads the first certificate of a PEM text; `*out` is the caller's. ERR_INPUT
// when there is none.
enum err certificate_parse(struct slice pem, X509 **out) MUST_USE;

// certificate_not_after_s gives the end of its validity in Unix seconds; INT64_MIN when unreadable.
int64_t certificate_not_after_s(const X509 *cert);

// certificate_make_authority_key_id gives the identifier of the key in `issuer`, as what it signs
// carries it; the caller's (AUTHORITY_KEYID_free). NULL without memory.
AUTHORITY_KEYID *certificate_make_authority_key_id(X509 *issuer);
