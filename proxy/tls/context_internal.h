// What contexts and streams of proxy/tls share and nobody else sees: BoringSSL's objects.
#pragma once

#include <openssl/bio.h>
#include <openssl/ssl.h>

#include "proxy/tls/context.h"

// tls_context_ssl_ctx gives the context's SSL_CTX, borrowed.
SSL_CTX *tls_context_ssl_ctx(const struct tls_context *context);

enum { TLS_TICKET_LIFE_S = 2 * 60 * 60 }; // and never longer than the certificate lives

// tls_context_binding gives the TICKET_BINDING_LEN bytes that its sessions are bound to, borrowed.
const uint8_t *tls_context_binding(const struct tls_context *context);

// tls_stream_ticket_method gives the callbacks that seal and open tickets; static.
const SSL_TICKET_AEAD_METHOD *tls_stream_ticket_method(void);

// tls_context_bio_method gives the method of the BIOs under its streams, borrowed.
const BIO_METHOD *tls_context_bio_method(const struct tls_context *context);

// tls_set_common_rules sets what holds in both roles: suites, and what proofs may be signed with.
bool tls_set_common_rules(SSL_CTX *ctx);

// tls_bio_method_create makes the method; owned by the caller. NULL without memory.
BIO_METHOD *tls_bio_method_create(void);

// tls_stream_on_verify is BoringSSL's custom verify callback for the streams of a context.
enum ssl_verify_result_t tls_stream_on_verify(SSL *ssl, uint8_t *out_alert);

// tls_stream_on_client_hello is called for every ClientHello, before anything is agreed.
enum ssl_select_cert_result_t tls_stream_on_client_hello(const SSL_CLIENT_HELLO *hello);

// tls_context_apply makes the SSL, which may have been made for another context, this one's: the
// certificate that suits the client, CA names, session id context, versions and verification. Only from
// within tls_stream_on_client_hello. False without memory.
bool tls_context_apply(const struct tls_context *context, const SSL_CLIENT_HELLO *hello);
