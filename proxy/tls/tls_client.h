// tls_client: the client's side of a TLS connection over another stream, for the sidecar and the doctor.
//
// A tls_client holds what all connections share: own certificate and key, versions, suites. It is immutable, counted
// and shared by all threads. Its streams are used as tls_stream.h says. Knows no policy: a callback judges the
// server's chain and name, in resumed sessions too.
#pragma once

#include "auth/base/slice.h"
#include "proxy/tls/tls_stream.h"

struct tls_client;

struct tls_client_options {
    struct slice chain_pem; // leaf first, then its intermediates; empty: no certificate is shown
    struct slice key_pem;   // unencrypted private key
};

// tls_client_create parses chain and key; the caller owns one reference. Errors as those of
// tls_context_create, with a sentence that does not name the file.
enum err tls_client_create(const struct tls_client_options *options, struct tls_client **out,
                           struct errinfo *info) MUST_USE;

// tls_client_ref takes another reference, tls_client_unref gives one back; the last one frees. NULL is
// allowed. Any thread.
struct tls_client *tls_client_ref(struct tls_client *client);
void tls_client_unref(struct tls_client *client);

// tls_sessions keeps sessions to be resumed, those of one tls_client at a time, so that none outlives the
// certificate it was made with. One a thread.
struct tls_sessions;
struct tls_sessions *tls_sessions_create(void) MUST_USE;  // NULL without memory
void tls_sessions_destroy(struct tls_sessions *sessions); // NULL is allowed

// tls_client_stream_create makes a stream that will be a client over `below`, which stays the caller's and
// must outlive it. `server_name` is the host name for SNI, NULL for an address. `sessions` may be NULL,
// and must outlive the stream. `verify` judges the server's chain and name. NULL without memory.
struct tls_stream *tls_client_stream_create(struct tls_client *client,
                                            struct tls_sessions *sessions, const char *server_name,
                                            struct stream *below, struct buffer_pool *pool,
                                            tls_verify_fn verify, void *verify_arg) MUST_USE;

// tls_request_fn is told that the server asks for a certificate, and of which CAs: DER Names, borrowed for
// the call; NULL or empty: it does not say. `arg` is that of the verify callback.
typedef void (*tls_request_fn)(void *arg, const STACK_OF(CRYPTO_BUFFER) *ca_names);

// tls_client_stream_on_request sets the callback for such a request. Before the handshake.
void tls_client_stream_on_request(struct tls_stream *tls, tls_request_fn on_request);

// tls_stream_alert tells whether the peer of a client stream has sent a fatal alert, and which (RFC 8446
// 6.2). In TLS 1.3 a server refuses the client's certificate after the client's handshake is done: the
// alert comes with the first read.
bool tls_stream_alert(const struct tls_stream *tls, uint8_t *out);

// tls_alert_name gives an alert's name in the RFCs, such as `certificate_expired`; static memory.
const char *tls_alert_name(uint8_t alert);
