// credentials: what the client's side needs to connect to the proxy: its certificate and key, and the CAs that the proxy's
// certificate is checked against. They are read from files as a whole, do not change, and are counted. A renewed file
// makes new credentials.
#pragma once

#include <stdatomic.h>

#include "auth/trust.h"
#include "proxy/sidecar/cause.h"
#include "proxy/tls/tls_client.h"

struct credential_paths {
    const char *cert; // NULL: no certificate is shown
    const char *key;  // may be the same file
    const char *ca;
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

// credentials_load reads the files at `now_s` (Unix seconds). The caller owns one reference. ERR_INPUT, ERR_SYSTEM,
// ERR_LIMIT or ERR_MEMORY, with the kind in `*out_cause` and the sentence in `info`. Blocking.
enum err credentials_load(const struct credential_paths *paths, int64_t now_s,
                          struct credentials **out, enum cause *out_cause,
                          struct errinfo *info) MUST_USE;

// credentials_ref takes another reference, credentials_unref gives one back; the last one frees. NULL is allowed for
// credentials_unref. Any thread.
struct credentials *credentials_ref(struct credentials *credentials);
void credentials_unref(struct credentials *credentials);
