// pbes2: encrypts a private key with a passphrase: PBES2 with PBKDF2-HMAC-SHA-256 and AES-256-CBC (RFC 8018), which
// OpenSSL 3, NSS and BoringSSL all read. BoringSSL's own writer supports only SHA-1 here.
//
// Knows no files and no PEM.
#pragma once

#include <openssl/bytestring.h>
#include <stdbool.h>

#include "auth/base/err.h"
#include "auth/base/slice.h"

// What each guess of a passphrase costs (OWASP 2023 for PBKDF2-HMAC-SHA-256).
enum { PBES2_ITERATIONS = 600000, PBES2_SALT_LEN = 16 };

// pbes2_encrypt appends an EncryptedPrivateKeyInfo (RFC 5958 section 3) that holds `plain` to `out`.
// False: no memory.
bool pbes2_encrypt(CBB *out, struct slice passphrase, struct slice plain) MUST_USE;
