// credentials: what is needed to connect to a proxy: our certificate and key, and the CAs that the proxy's certificate is
// checked against. They are made as a whole, do not change, and are counted. A renewed file makes new credentials.
//
// Knows no files: their content comes in, and their names for messages.
#pragma once

#include <stdatomic.h>

#include "auth/trust.h"
#include "proxy/uplink/cause.h"
#include "proxy/tls/tls_client.h"

// credential_text is the content of a PEM file.
struct credential_text {
    const char *path; // for messages
    struct slice pem;
};

// credential_texts is what credentials are made of; all borrowed.
struct credential_texts {
    struct credential_text
        cert;             // the certificate, then its intermediates; path NULL: none is shown
    const char *key_path; // of its key, which may be the same file
    struct tls_key key;
    const struct credential_text *cas;
    size_t ca_count;
};

enum { CREDENTIALS_DIGEST_LEN = 32 };

struct credentials {
    atomic_size_t refs;             // private to credentials.c
    struct tls_context *tls;        // ref
    struct trust *trust;            // owned; for servers
    STACK_OF(CRYPTO_BUFFER) *chain; // owned; what is shown, leaf first; empty without one
    struct identity *identity;      // owned; what the own leaf says; NULL without one
    struct own_certificate own;
    bool may_sign;                          // the own leaf, by its key usage
    uint8_t digest[CREDENTIALS_DIGEST_LEN]; // of the files
};

// credentials_create makes them at `now_s` (Unix seconds). The caller owns one reference. ERR_INPUT, ERR_LIMIT or
// ERR_MEMORY, with the kind in `*out_cause` and the sentence in `info`.
enum err credentials_create(const struct credential_texts *texts, int64_t now_s,
                            struct credentials **out, enum cause *out_cause,
                            struct errinfo *info) MUST_USE;

// credentials_own gives what is known of the certificate that is shown; NULL: none is. Borrowed.
const struct tls_context_info *credentials_own(const struct credentials *credentials);

// credentials_ref takes another reference and returns its argument, credentials_unref gives one back; the last one frees.
// NULL is allowed for both. Any thread.
struct credentials *credentials_ref(struct credentials *credentials);
void credentials_unref(struct credentials *credentials);
