// ocsp_request: the question to an OCSP responder about one certificate (RFC 6960 4.1, RFC 5019 2.1), as bytes. Private to
// auth and those who send it.
//
// The issuer is named by SHA-1, as RFC 5019 asks for: responders that have made their answers beforehand know
// certificates by nothing else. Nothing hangs on that digest: an answer counts by its signature.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "auth/base/err.h"
#include "auth/base/slice.h"

enum {
    OCSP_REQUEST_CAP = 512,   // bytes of any question
    OCSP_NONCE_MIN_LEN = 1,   // bytes; RFC 8954 2.1
    OCSP_NONCE_MAX_LEN = 32,  // bytes; likewise
    OCSP_KEY_HASH_LEN = 20,   // SHA-1
    OCSP_SERIAL_MAX_LEN = 32, // bytes
};

// ocsp_subject is the certificate that is asked about. Borrowed.
struct ocsp_subject {
    struct slice issuer_name; // DER of the issuer's Name, as the certificate has it
    struct slice issuer_key;  // DER of the issuer's SubjectPublicKeyInfo
    struct slice serial;      // big-endian, no leading zeros; 0 is empty
};

// ocsp_key_bits gives what is in the BIT STRING of a SubjectPublicKeyInfo, borrowed from it: what a hash of a key is made
// over (RFC 6960 4.1.1). False when it is none.
bool ocsp_key_bits(struct slice key, struct slice *out);

// ocsp_request_format writes the question in DER to `out` of OCSP_REQUEST_CAP bytes. `nonce` of OCSP_NONCE_MIN_LEN to
// OCSP_NONCE_MAX_LEN bytes stands in it; empty: none. ERR_INPUT when the issuer's key cannot be read, ERR_LIMIT for a serial
// or nonce that is too long, ERR_MEMORY.
enum err ocsp_request_format(const struct ocsp_subject *subject, struct slice nonce,
                             uint8_t out[OCSP_REQUEST_CAP], size_t *out_len) MUST_USE;
