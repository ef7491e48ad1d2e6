// keypair: the key pairs of the built-in CA and of the certificates that it issues (always ECDSA on P-256), and PEM text.
//
// Blocking only on the system's random numbers. Knows no files and no certificates.
#pragma once

#include <openssl/bio.h>
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

// pem_deinit wipes the text and frees it. A zeroed pem is allowed.
void pem_deinit(struct pem *pem);

// pem_take copies the contents of the memory BIO `bio`, unless it is NULL or `is_written` is false, and frees the BIO.
// The caller owns `*out`. ERR_MEMORY.
enum err pem_take(BIO *bio, bool is_written, struct pem *out) MUST_USE;

// keypair_generate makes a new key pair. The caller owns it (EVP_PKEY_free). ERR_MEMORY.
enum err keypair_generate(EVP_PKEY **out) MUST_USE;

// keypair_format writes the private key as PKCS#8 in PEM. If `passphrase` is not empty, the key is encrypted with it
// (see pbes2.h). The caller owns `*out`. ERR_MEMORY.
enum err keypair_format(EVP_PKEY *key, struct slice passphrase, struct pem *out) MUST_USE;

// keypair_is_encrypted tells whether a PEM text needs a passphrase.
bool keypair_is_encrypted(struct slice pem);

// keypair_parse reads one private key in PEM (PKCS#8 or SEC 1). `passphrase` is used if the key is encrypted. The caller
// owns `*out`. ERR_INPUT when the text is not a key or the passphrase is wrong; ERR_MEMORY.
enum err keypair_parse(struct slice pem, struct slice passphrase, EVP_PKEY **out) MUST_USE;
