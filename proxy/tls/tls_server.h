// tls_server: the server's side of a TLS connection. It chooses the certificate by the client's server name, and gives and
// accepts tickets.
//
// A session is resumed only after the stream's owner has judged the client's chain again. Knows no policy.
#pragma once

#include "proxy/tls/context.h"
#include "proxy/tls/ticket_keys.h"
#include "proxy/tls/tls_stream.h"

// tls_context_create parses chain and key; the caller owns one reference. ERR_INPUT with a sentence in `info` when one
// cannot be read, they do not belong together, TLS cannot use the key, or a handshake tried in memory fails. The
// sentence does not name the file: the caller does. ERR_MEMORY.
enum err tls_context_create(const struct tls_context_options *options, struct tls_context **out,
                            struct errinfo *info) MUST_USE;

// tls_stream_create makes a server's stream with a reference to `context` over `below`, which stays the caller's and
// must outlive it. `pool` is the worker's. Owned by the caller. NULL without memory.
struct tls_stream *tls_stream_create(struct tls_context *context, struct stream *below,
                                     struct buffer_pool *pool, tls_verify_fn verify,
                                     void *verify_arg) MUST_USE;

// tls_stream_allow_resumption has the stream give tickets, and accept those that `resume` agrees with. `keys` is borrowed
// and must outlive the stream. Before the handshake.
void tls_stream_allow_resumption(struct tls_stream *tls, struct ticket_keys *keys,
                                 tls_resume_fn resume);

// tls_stream_limit_tickets bounds the life of this session's tickets to `max_s` seconds, also on later connections that
// resume the session. From within tls_verify_fn.
void tls_stream_limit_tickets(struct tls_stream *tls, int64_t max_s);
