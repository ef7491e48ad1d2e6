// tls_stream_internal: the part of a stream that both roles share, and how a role makes its streams. Private to
// proxy/tls.
#pragma once

#include <openssl/ssl.h>

#include "proxy/tls/context_internal.h"
#include "proxy/tls/tls_stream.h"

struct tls_stream {
    struct stream stream; // first
    uint32_t magic;
    enum tls_failure failure;
    const char *failure_detail;  // static memory
    SSL *ssl;                    // owned
    struct tls_context *context; // ref; what the stream was made with
    // ref; of a server: what the client's server name has led to; else NULL
    struct tls_context *selected;
    struct stream *below;     // borrowed from the owner
    struct buffer_pool *pool; // borrowed from the worker
    struct buffer *in;        // borrowed from the pool; ciphertext not yet taken by BoringSSL
    struct buffer *out;       // borrowed from the pool; ciphertext not yet taken by the socket
    tls_verify_fn verify;
    void *verify_arg;       // of verify and of the callbacks of either role
    enum err read_error;    // what ended reading below; ERR_OK while it goes on
    enum err write_error;   // likewise for writing
    uint16_t seal_overhead; // bytes a record can grow by
    bool has_begun;
    bool is_shut; // close_notify is written or on its way
    bool saw_close_notify;
};

// tls_stream_make makes a stream of `size` bytes with a reference to `context`. Its first member is a struct tls_stream;
// what the role adds after it is zeroed. The caller sets the role on its SSL. NULL without memory.
struct tls_stream *tls_stream_make(size_t size, struct tls_context *context, struct stream *below,
                                   struct buffer_pool *pool, tls_verify_fn verify,
                                   void *verify_arg) MUST_USE;

// tls_stream_on_verify is BoringSSL's custom verify callback.
enum ssl_verify_result_t tls_stream_on_verify(SSL *ssl, uint8_t *out_alert);
