// What the files of tls_stream share and nobody else sees: the stream itself, and how one is made for
// either role.
#pragma once

#include <openssl/ssl.h>

#include "proxy/tls/tls_client.h"
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
    bool has_alert; // in the client's role: the server has sent a fatal alert
    uint8_t alert;  // which one

    // In the server's role.
    struct tls_context *context;  // ref; what the stream was made with; NULL in the other role
    struct tls_context *selected; // ref; NULL, or what the client's server name has led to
    tls_select_fn select;         // NULL: the stream's own, whatever the name
    tls_resume_fn resume;         // NULL: no tickets
    struct ticket_keys *keys;     // borrowed

    // In the client's role.
    struct tls_client *client;     // ref; NULL in the other role
    struct tls_sessions *sessions; // borrowed; NULL: nothing is resumed
    tls_request_fn on_request;     // NULL: nobody wants to know
};

// tls_stream_make makes a stream that has no role yet. NULL when there is no memory.
struct tls_stream *tls_stream_make(SSL_CTX *ctx, const BIO_METHOD *method, struct stream *below,
                                   struct buffer_pool *pool, tls_verify_fn verify,
                                   void *verify_arg) MUST_USE;
