// certificate: one X.509 certificate of a CA, a client or a server, made from a plan and signed.
//
// Every certificate has: version 3, a random serial of 128 bits, a signature with SHA-256, critical basicConstraints and
// key usage, and key identifiers of itself and its issuer. Does not check names: the caller that makes the plan does.
// Knows no files.
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
    const char *
        crl_url; // where its revocation list is published (RFC 5280 4.2.1.13); NULL: it does not say
    const char *ocsp_url; // whom OCSP asks about it (4.2.2.1); likewise
    const X509 *like; // says both as this certificate does, in their place; borrowed; NULL: none
};

enum { CERTIFICATE_BACKDATE_S = 5 * 60 }; // for clocks that are a little slow

// validity says from when until when a certificate is valid, in Unix seconds.
struct validity {
    int64_t not_before_s;
    int64_t not_after_s;
    bool is_cut; // it ends at the limit, before the requested lifetime is over
};

// certificate_validity gives a validity of `ttl_s` seconds that includes `now_s` and ends at `limit_s` at the latest. It
// begins CERTIFICATE_BACKDATE_S before `now_s`, but at most a tenth of the lifetime before. The back-dating is part of the
// lifetime, so that a ttl of 90d passes a max_lifetime of 90d.
struct validity certificate_validity(int64_t now_s, int64_t ttl_s, int64_t limit_s);

// certificate_make makes a certificate for the public key of `key`, signed by `issuer_key` in the name of `issuer`. With
// `issuer` NULL the certificate is self-signed, and `issuer_key` is `key`. Only a self-signed certificate needs the private
// half of `key`. The caller owns `*out` (X509_free). ERR_MEMORY, also when a value does not fit into a certificate.
enum err certificate_make(const struct certificate_plan *plan, EVP_PKEY *key, X509 *issuer,
                          EVP_PKEY *issuer_key, X509 **out) MUST_USE;

// certificate_format writes certificates as PEM, one after the other. The caller owns `*out`. ERR_MEMORY.
enum err certificate_format(X509 *const *certs, size_t count, struct pem *out) MUST_USE;

// certificate_parse reads the first certificate of a PEM text. The caller owns `*out`. ERR_INPUT when there is none;
// ERR_MEMORY.
enum err certificate_parse(struct slice pem, X509 **out) MUST_USE;

// certificate_not_after_s gives the end of the validity in Unix seconds; INT64_MIN when it cannot be read.
int64_t certificate_not_after_s(const X509 *cert);

// certificate_make_authority_key_id makes the authority key identifier of what `issuer` signs. The caller owns it
// (AUTHORITY_KEYID_free). NULL without memory.
AUTHORITY_KEYID *certificate_make_authority_key_id(X509 *issuer);
