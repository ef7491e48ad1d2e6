// pkcs12: a key and its chain in one file (RFC 7292), for programs that need that form. The key is encrypted with PBES2
// and AES-256, and an HMAC-SHA-256 covers all of it. Certificates are public and stay readable. BoringSSL's own writer
// can do neither.
//
// Knows no files.
#pragma once

#include <openssl/x509.h>

#include "proxy/pki/keypair.h"

// pkcs12_format writes `key` and the chain, leaf first, under `passphrase` (ASCII); `name` is shown
// by programs that hold several. `*out` is DER and the caller's. ERR_MEMORY.
enum err pkcs12_format(EVP_PKEY *key, X509 *const *chain, size_t chain_count, const char *name,
                       struct slice passphrase, struct pem *out) MUST_USE;
