// tls_stream_internal: the part of a stream that both roles share, and how a role makes its streams. Private to
// proxy/tls.
#pragma once

#include <openssl/bio.h>
#include <openssl/ssl.h>

#include "proxy/tls/tls_stream.h"

struct tls_stream {
    struct stream stream; // first
    uint32_t magic;
    enum tls_failure failure;
    const char *failure_detail; // static memory
    SSL *ssl;                   // owned
    struct stream *below;       // borrowed from the owner
    struct buffer_pool *pool;   // borrowed from the worker
    struct buffer *in;          // borrowed from the pool; ciphertext not yet taken by BoringSSL
    struct buffer *out;         // borrowed from the pool; ciphertext not yet taken by the socket
    tls_verify_fn verify;
    void *verify_arg;       // of verify and of the callbacks of either role
    enum err read_error;    // what ended reading below; ERR_OK while it goes on
    enum err write_error;   // likewise for writing
    uint16_t seal_overhead; // bytes a record can grow by
    bool has_begun;
    bool is_shut; // close_notify is written or on its way
    bool saw_close_notify;
    void (*release)(struct tls_stream *tls); // frees what the role has; after `ssl`
};

// tls_stream_make makes a stream of `size` bytes, of which a struct tls_stream is the first member and what the role
// adds is zeroed. The role is still to be set on its SSL. `release` is called by tls_stream_destroy, on failure here
// too. NULL when there is no memory.
struct tls_stream *tls_stream_make(size_t size, void (*release)(struct tls_stream *tls),
                                   SSL_CTX *ctx, const BIO_METHOD *method, struct stream *below,
                                   struct buffer_pool *pool, tls_verify_fn verify,
                                   void *verify_arg) MUST_USE;

// tls_bio_method_create makes the method of the BIOs under all streams of an SSL_CTX; owned by the caller. NULL without
// memory.
BIO_METHOD *tls_bio_method_create(void) MUST_USE;

// tls_stream_on_verify is BoringSSL's custom verify callback.
enum ssl_verify_result_t tls_stream_on_verify(SSL *ssl, uint8_t *out_alert);
