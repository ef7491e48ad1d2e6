// context_internal: what the server's streams need of a context: BoringSSL's objects. Private to proxy/tls.
#pragma once

#include <openssl/bio.h>
#include <openssl/ssl.h>

#include "proxy/tls/context.h"

enum { TLS_TICKET_LIFE_S = 2 * 60 * 60 }; // and never longer than the certificate lives

// tls_context_make makes a context without the callbacks of its streams, which tls_context_create adds. Takes
// `bio_method` over, on failure too; NULL counts as no memory. Errors as of tls_context_create.
enum err tls_context_make(const struct tls_context_options *options, BIO_METHOD *bio_method,
                          struct tls_context **out, struct errinfo *info) MUST_USE;

// tls_context_ssl_ctx gives the context's SSL_CTX, borrowed.
SSL_CTX *tls_context_ssl_ctx(const struct tls_context *context);

// tls_context_binding gives the TICKET_BINDING_LEN bytes that its sessions are bound to, borrowed.
const uint8_t *tls_context_binding(const struct tls_context *context);

// tls_context_bio_method gives the method of the BIOs under its streams, borrowed.
const BIO_METHOD *tls_context_bio_method(const struct tls_context *context);

// tls_context_verify_mode gives BoringSSL's flags for the client's certificate: asked for, or needed.
int tls_context_verify_mode(const struct tls_context *context);

// tls_context_apply makes the SSL, which may have been made for another context, this one's: the certificate that
// suits the client, CA names, session id context and versions. The caller sets the verification. Only while the
// ClientHello is handled. False without memory.
bool tls_context_apply(const struct tls_context *context, const SSL_CLIENT_HELLO *hello);
