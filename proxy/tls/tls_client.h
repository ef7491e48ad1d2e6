// tls_client: the client's side of a TLS connection over another stream, for the sidecar, the doctor, and those
// that receive audit records.
//
// A client's context holds what all its connections share. Its streams are used as tls_stream.h says. Knows no policy: a
// callback judges the server's chain and name, in resumed sessions too.
#pragma once

#include "proxy/tls/context.h"
#include "proxy/tls/tls_stream.h"

// tls_client_create makes a client's context; the caller owns one reference. `chain_pem` is its certificate, then the
// intermediates, and `key` its private key; an empty chain: the client shows no certificate. Errors as of
// tls_context_create; the sentence does not name the file.
enum err tls_client_create(struct slice chain_pem, const struct tls_key *key,
                           struct tls_context **out, struct errinfo *info) MUST_USE;

enum { TLS_SESSIONS_MAX = 32 };

// tls_sessions keeps sessions that can be resumed. They all belong to one client's context: with another context they are
// dropped, so that no session outlives the certificate that it was made with. For one thread. Zeroed is empty; the fields
// are private to tls_client.c.
struct tls_sessions {
    struct tls_context *client;          // ref; that the sessions were made with
    SSL_SESSION *kept[TLS_SESSIONS_MAX]; // owned; the newest last
    size_t count;
};

// tls_sessions_drop frees all sessions.
void tls_sessions_drop(struct tls_sessions *sessions);

// tls_client_stream_create makes a client's stream with a reference to `client` over `below`, which stays the caller's and
// must outlive the stream. `server_name` is the host name for SNI, NULL for an address. `sessions` must outlive the
// stream; NULL: nothing is resumed. `verify` judges the server's chain and name. Owned by the caller. NULL without memory.
struct tls_stream *tls_client_stream_create(struct tls_context *client,
                                            struct tls_sessions *sessions, const char *server_name,
                                            struct stream *below, struct buffer_pool *pool,
                                            tls_verify_fn verify, void *verify_arg) MUST_USE;

// tls_client_stream_offer_http2 has the stream offer `h2` beside `http/1.1` (RFC 7301). Call it before the handshake;
// tls_stream_is_http2 then tells what the server has chosen. Without memory it offers `http/1.1` alone.
void tls_client_stream_offer_http2(struct tls_stream *tls);

// tls_client_stream_offer_no_protocol has the stream offer nothing by ALPN, for servers that speak no HTTP. Call it before the
// handshake.
void tls_client_stream_offer_no_protocol(struct tls_stream *tls);
