// ocsp_answer: what an OCSP responder says, and why there is no answer, as values. Private to auth and those who ask.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "auth/cert_id.h"

enum {
    OCSP_RESPONSE_MAX = 64 * 1024, // bytes
    OCSP_SKEW_S = 300,             // that the responder's clock may be ahead of ours
    OCSP_UNDATED_LIFE_S = 600,     // of an answer without nextUpdate
    OCSP_MAX_SINGLES = 1024,       // certificates that one answer may speak of
    OCSP_MAX_DELEGATES = 8,        // certificates in one answer
};

// What an answer says.
#define OCSP_STATUS_TABLE(X)                                                                       \
    X(OCSP_GOOD, "good")                                                                           \
    X(OCSP_UNKNOWN, "unknown") /* the responder does not know the certificate */                   \
    X(OCSP_REVOKED, "revoked")

enum ocsp_status {
#define X(symbol, name) symbol,
    OCSP_STATUS_TABLE(X)
#undef X
};

// ocsp_status_name gives its word; static memory.
const char *ocsp_status_name(enum ocsp_status status);

// Why there is no answer, in words that stay, of metrics; those of the way to the responder too.
#define OCSP_FAULT_TABLE(X)                                                                                        \
    X(OCSP_FAULT_NONE, "none", "")                                                                                 \
    X(OCSP_FAULT_MALFORMED, "malformed", "it is no OCSP answer, or a damaged one")                                 \
    X(OCSP_FAULT_TOO_LARGE, "too_large",                                                                           \
      "it is larger than 64 KiB, or speaks of too many certificates")                                              \
    X(OCSP_FAULT_MALFORMED_REQUEST, "malformed_request", "the responder says malformedRequest")                    \
    X(OCSP_FAULT_INTERNAL_ERROR, "internal_error", "the responder says internalError")                             \
    X(OCSP_FAULT_TRY_LATER, "try_later", "the responder says tryLater")                                            \
    X(OCSP_FAULT_SIG_REQUIRED, "sig_required",                                                                     \
      "the responder says sigRequired: it answers signed questions only")                                          \
    X(OCSP_FAULT_UNAUTHORIZED, "unauthorized",                                                                     \
      "the responder says unauthorized: it is not responsible for this CA, or not for us")                         \
    X(OCSP_FAULT_OTHER_TYPE, "other_type", "it is not a basic answer (id-pkix-ocsp-basic)")                        \
    X(OCSP_FAULT_CRITICAL, "critical_extension",                                                                   \
      "it has a critical extension that is not understood")                                                        \
    X(OCSP_FAULT_OTHER_CERTIFICATE, "other_certificate", "it speaks of other certificates only")                   \
    X(OCSP_FAULT_SIGNER, "wrong_signer",                                                                           \
      "neither the issuer has signed it nor somebody to whom the issuer has given a certificate with OCSPSigning") \
    X(OCSP_FAULT_SIGNATURE, "bad_signature", "its signature is wrong")                                             \
    X(OCSP_FAULT_WEAK, "weak",                                                                                     \
      "its signature, or its signer's certificate, is below the floor: SHA-256, RSA 2048")                         \
    X(OCSP_FAULT_SIGNER_EXPIRED, "signer_expired", "its signer's certificate is not valid today")                  \
    X(OCSP_FAULT_FUTURE, "from_the_future", "it begins in the future: is a clock wrong?")                          \
    X(OCSP_FAULT_EXPIRED, "expired",                                                                               \
      "its nextUpdate is over, or it has none and is older than ten minutes")                                      \
    X(OCSP_FAULT_NONCE, "nonce", "it has not the nonce of the question")                                           \
    X(OCSP_FAULT_UNREACHABLE, "unreachable", "the responder cannot be reached")                                    \
    X(OCSP_FAULT_TIMEOUT, "timeout", "there was no whole answer within `timeout`")                                 \
    X(OCSP_FAULT_HTTP_STATUS, "http_status", "the responder's HTTP status is not 200")                             \
    X(OCSP_FAULT_NO_MEMORY, "no_memory", "there was no memory to read it")                                         \
    X(OCSP_FAULT_DENIED, "denied_signer",                                                                          \
      "it is signed with a certificate that is denied, or on a list") /* known to a profile alone */

enum ocsp_fault {
#define X(symbol, name, sentence) symbol,
    OCSP_FAULT_TABLE(X)
#undef X
        OCSP_FAULT_COUNT
};

// ocsp_fault_name gives its word, ocsp_fault_sentence a sentence for a person; static memory.
const char *ocsp_fault_name(enum ocsp_fault fault);
const char *ocsp_fault_sentence(enum ocsp_fault fault);

// ocsp_delegate is the certificate with which the issuer let somebody else sign an answer: what lists and denials know it by.
struct ocsp_delegate {
    bool is_there; // else the issuer itself has signed
    uint8_t serial_len;
    uint8_t serial[CERT_SERIAL_MAX]; // big-endian, no leading zeros
    uint8_t sha256[CERT_DIGEST_LEN]; // of the certificate
};

// ocsp_answer is what a good answer says. Times are Unix seconds.
struct ocsp_answer {
    enum ocsp_status status;
    int64_t this_update_s;
    int64_t next_update_s; // when it ends, whether it says so itself or not
    int64_t produced_s;
    bool is_dated; // it has a nextUpdate
    struct ocsp_delegate delegate;
};
