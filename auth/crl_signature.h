// crl_signature: the signature of a revocation list, held by a digest, so that the key may come later and
// nobody hashes the list again. Private to auth.
//
// The algorithms are those of strength.h, with the parameters that the library takes for certificates.
// Ed25519 has no digest to sign: there the signed bytes themselves are needed, and kept only up to a size.
#pragma once

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdbool.h>

#include "auth/base/err.h"
#include "auth/base/slice.h"

enum {
    CRL_SIGNATURE_MAX_LEN = 2048,         // bytes of a signature
    CRL_SIGNATURE_MAX_KEPT = 1024 * 1024, // signed bytes that are kept for Ed25519
    CRL_SIGNATURE_MAX_DIGEST = EVP_MAX_MD_SIZE,
};

enum crl_signature_kind {
    CRL_SIGNATURE_RSA,
    CRL_SIGNATURE_RSA_PSS,
    CRL_SIGNATURE_ECDSA,
    CRL_SIGNATURE_ED25519,
};

struct crl_signature {
    enum crl_signature_kind kind;
    const EVP_MD *hash;                       // static memory; NULL with Ed25519
    uint8_t digest[CRL_SIGNATURE_MAX_DIGEST]; // of the signed bytes
    struct slice signed_bytes;                // with Ed25519; borrowed until kept
    struct slice bytes;                       // the signature; borrowed until kept
    uint8_t *kept;                            // owned; NULL until kept
};

// crl_signature_read takes an AlgorithmIdentifier and a BIT STRING, both as DER elements, and hashes
// `signed_bytes`, which stay the caller's. ERR_INPUT when the algorithm is weak or unknown, or the
// signature malformed; ERR_MEMORY.
enum err crl_signature_read(struct slice signed_bytes, struct slice algorithm, struct slice bits,
                            struct crl_signature *out) MUST_USE;

// crl_signature_is_by tells whether `key` made it. Costs one verification, and a hash with Ed25519 only. False without
// memory too, and then the library's error queue says so: see verification.h.
bool crl_signature_is_by(const struct crl_signature *signature, EVP_PKEY *key);

// crl_signature_digest gives a SHA-256 of the signed bytes, or of their digest, and of the signature: two lists with the same
// one are the same list.
void crl_signature_digest(const struct crl_signature *signature, uint8_t out[SHA256_DIGEST_LENGTH]);

// crl_signature_keep copies what is borrowed. ERR_LIMIT with Ed25519 and more than CRL_SIGNATURE_MAX_KEPT
// signed bytes, ERR_MEMORY.
enum err crl_signature_keep(struct crl_signature *signature) MUST_USE;

// crl_signature_deinit frees what was kept. A zeroed one is allowed.
void crl_signature_deinit(struct crl_signature *signature);
