// keypair: the key pairs of the built-in CA and of what it issues: ECDSA on P-256, always.
//
// Blocking only on the system's random numbers. Knows no files and no certificates.
#pragma once

#include <openssl/evp.h>

#include "auth/base/err.h"
#include "auth/base/slice.h"

// pem is a PEM text on the heap.
struct pem {
    uint8_t *data; // owned
    size_t len;    // bytes
};

// pem_slice gives the text, borrowed from `pem`.
struct slice pem_slice(const struct pem *pem);

// pem_deinit wipes and frees it. A zeroed pem is allowed.
void pem_deinit(struct pem *pem);

// keypair_generate makes a new key pair; the caller owns it (EVP_PKEY_free). ERR_MEMORY.
enum err keypair_generate(EVP_PKEY **out) MUST_USE;

// keypair_format writes the private key as PKCS#8 PEM without a passphrase; `*out` is the caller's.
enum err keypair_format(EVP_PKEY *key, struct pem *out) MUST_USE;

// keypair_format_sealed writes it as PKCS#8 PEM under `passphrase` (see pbes2.h); `*out` is the
// caller's. ERR_MEMORY.
enum err keypair_format_sealed(EVP_PKEY *key, struct slice passphrase, struct pem *out) MUST_USE;

// keypair_is_sealed tells whether a PEM text needs a passphrase.
bool keypair_is_sealed(struct slice pem);

// keypair_parse_sealed reads one private key in PEM under `passphrase`; also one without any.
// ERR_INPUT when the passphrase is not the right one, or it is no key.
enum err keypair_parse_sealed(struct slice pem, struct slice passphrase, EVP_PKEY **out) MUST_USE;

// keypair_parse reads one private key in PEM: PKCS#8 or SEC 1, without a passphrase. ERR_INPUT for
// everything else. `*out` is the caller's.
enum err keypair_parse(struct slice pem, EVP_PKEY **out) MUST_USE;
