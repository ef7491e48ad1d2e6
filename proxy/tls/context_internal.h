// context_internal: the inside of a context, and how either role makes one. Private to proxy/tls.
#pragma once

#include <openssl/ssl.h>
#include <stdatomic.h>

#include "proxy/tls/certificate.h"
#include "proxy/tls/context.h"
#include "proxy/tls/ticket_keys.h"

enum { TLS_TICKET_LIFE_S = 2 * 60 * 60 }; // and never longer than the certificate lives

struct tls_context {
    atomic_size_t refs;
    SSL_CTX *ssl_ctx;                 // owned; shows the first certificate
    struct certificate *certificates; // owned; a client has one at most
    size_t certificate_count;
    uint16_t min; // BoringSSL's numbers of versions
    uint16_t max;
    struct tls_groups groups; // never empty
    // Of a server:
    bool offers_http2;
    int verify_mode;          // BoringSSL's flags; its own getter is for X.509 contexts only
    CRYPTO_BUFFER_POOL *pool; // owned; certificates seen often are kept once
    uint8_t binding[TICKET_BINDING_LEN]; // what its sessions are bound to
};

// tls_context_begin makes a context for these versions and groups, with the rules of both roles and no certificate. The
// caller owns it, and gives it to tls_context_finish. NULL without memory.
struct tls_context *tls_context_begin(enum tls_version min, enum tls_version max,
                                      const struct tls_groups *groups) MUST_USE;

// tls_context_finish gives the context to `*out` when `error` is ERR_OK. Otherwise it frees the context, which may be
// NULL, and writes the sentence for ERR_MEMORY. Gives `error`.
enum err tls_context_finish(struct tls_context *context, enum err error, struct tls_context **out,
                            struct errinfo *info) MUST_USE;

// tls_context_apply makes an SSL that may have been made for another context this one's: the certificate that
// suits the client, CA names, session id context, versions and groups. The caller sets the verification. Only while the
// ClientHello is handled. `*out_key` is the key of that certificate, borrowed, where it is apart, or NULL. False without memory.
bool tls_context_apply(const struct tls_context *context, const SSL_CLIENT_HELLO *hello,
                       struct private_key **out_key);
