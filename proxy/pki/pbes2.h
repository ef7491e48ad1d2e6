// pbes2: secrets under a passphrase, as OpenSSL 3, NSS and BoringSSL all read them: PBES2 with
// PBKDF2-HMAC-SHA-256 and AES-256-CBC (RFC 8018). BoringSSL's own writer knows SHA-1 only.
//
// Knows no files and no PEM.
#pragma once

#include <openssl/bytestring.h>
#include <stdbool.h>

#include "auth/base/err.h"
#include "auth/base/slice.h"

// What each guess of a passphrase costs (OWASP 2023 for PBKDF2-HMAC-SHA-256).
enum { PBES2_ITERATIONS = 600000, PBES2_SALT_LEN = 16 };

// pbes2_seal appends an EncryptedPrivateKeyInfo (RFC 5958 section 3) that holds `plain` to `out`,
// and tells whether there was memory.
bool pbes2_seal(CBB *out, struct slice passphrase, struct slice plain) MUST_USE;
