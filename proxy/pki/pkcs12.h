// pkcs12: a key and its chain in one file (RFC 7292), for programs that need this format. The key is encrypted with
// PBES2 and AES-256, and an HMAC-SHA-256 covers the whole file. Certificates are public and are not encrypted.
// BoringSSL's own writer supports neither algorithm.
//
// Knows no files.
#pragma once

#include <openssl/x509.h>

#include "proxy/pki/keypair.h"

// pkcs12_format writes `key` and the chain, leaf first, encrypted with `passphrase` (ASCII). Programs that hold several
// certificates show `name`. `*out` is DER; the caller owns it. ERR_MEMORY.
enum err pkcs12_format(EVP_PKEY *key, X509 *const *chain, size_t chain_count, const char *name,
                       struct slice passphrase, struct pem *out) MUST_USE;
