// What contexts and streams of proxy/tls share and nobody else sees: BoringSSL's objects.
#pragma once

#include <openssl/bio.h>
#include <openssl/ssl.h>

#include "proxy/tls/context.h"

// tls_context_ssl_ctx gives the context's SSL_CTX, borrowed.
SSL_CTX *tls_context_ssl_ctx(const struct tls_context *context);

// tls_context_bio_method gives the method of the BIOs under its streams, borrowed.
const BIO_METHOD *tls_context_bio_method(const struct tls_context *context);

// tls_bio_method_create makes the method; owned by the caller. NULL without memory.
BIO_METHOD *tls_bio_method_create(void);

// tls_stream_on_verify is BoringSSL's custom verify callback for the streams of a context.
enum ssl_verify_result_t tls_stream_on_verify(SSL *ssl, uint8_t *out_alert);
