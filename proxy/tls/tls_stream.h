// tls_stream: one end of a TLS connection over another stream. tls_server.h makes the server's end, tls_client.h the
// client's.
//
// tls_stream_handshake drives the handshake; afterwards it is a stream like any other. Bytes in flight are in buffers
// borrowed from the worker's pool: ciphertext is read in large pieces, and several records are written at once. Knows
// no policy: a callback judges the peer's chain. Of its role it knows only what the handshake needs.
#pragma once

#include <openssl/pool.h>
#include <openssl/stack.h>

#include "proxy/net/buffer.h"
#include "proxy/net/stream.h"
#include "proxy/tls/alert.h"

// tls_verify_fn judges the peer's chain (leaf first, never empty; borrowed for the call). ERR_OK lets the handshake go on.
// Anything else refuses it, and the peer is told `*out_alert`. Called once, from within tls_stream_handshake.
typedef enum err (*tls_verify_fn)(void *arg, const STACK_OF(CRYPTO_BUFFER) *chain,
                                  enum tls_alert *out_alert);

// tls_failure tells why a handshake did not finish.
enum tls_failure {
    TLS_FAILURE_NONE,
    TLS_FAILURE_REFUSED,        // by the verify callback
    TLS_FAILURE_NO_CERTIFICATE, // the client sent none
    TLS_FAILURE_KEY_USAGE,  // TLS 1.3: its key usage forbids signing; BoringSSL refuses it unasked
    TLS_FAILURE_ABORTED,    // the peer closed, reset or sent an alert
    TLS_FAILURE_PLAIN_HTTP, // the first bytes are an HTTP request, or a server's HTTP answer
    TLS_FAILURE_TOO_LONG, // a message of the handshake is longer than the context's max_chain allows
    TLS_FAILURE_PROTOCOL, // anything else: no TLS, too old, no common ground, bad proofs
};

struct tls_stream;

// tls_stream_is_resumed tells whether the finished handshake has resumed a session.
bool tls_stream_is_resumed(const struct tls_stream *tls);

// tls_stream_is_peer_unanswered tells whether a server's finished handshake has ended with a message of the client that
// needs no answer of ours: in TLS 1.3 (RFC 8446 2), and with a session resumed in TLS 1.2 (RFC 5246 7.3).
bool tls_stream_is_peer_unanswered(const struct tls_stream *tls);

// tls_stream_destroy frees it; `below` is left as it is. NULL is allowed.
void tls_stream_destroy(struct tls_stream *tls);

// tls_stream_stream gives the stream to read from and write to once the handshake is done.
struct stream *tls_stream_stream(struct tls_stream *tls);

// tls_stream_handshake continues the handshake: ERR_OK when done, ERR_AGAIN, or an error. After an error
// tls_stream_failure says why, and an alert for the peer may wait for stream_flush.
enum err tls_stream_handshake(struct tls_stream *tls) MUST_USE;

// tls_stream_failure tells why the handshake failed; valid once it has.
enum tls_failure tls_stream_failure(const struct tls_stream *tls);

// tls_stream_failure_detail gives BoringSSL's word for the failure, or one of ours, such as `not_tls`; see failure_text.h.
// Static memory.
const char *tls_stream_failure_detail(const struct tls_stream *tls);

// tls_stream_has_begun tells whether the peer has sent any byte.
bool tls_stream_has_begun(const struct tls_stream *tls);

// tls_stream_peer_chain gives the certificates that the peer has shown, leaf first; NULL when there are none. Borrowed
// until destroy.
const STACK_OF(CRYPTO_BUFFER) *tls_stream_peer_chain(const struct tls_stream *tls);

// tls_stream_version_name gives `1.2`, `1.3`, or NULL while nothing is agreed. Static memory.
const char *tls_stream_version_name(const struct tls_stream *tls);

// tls_stream_cipher_name gives the suite's standard (IANA) name, or NULL. Static memory.
const char *tls_stream_cipher_name(const struct tls_stream *tls);

// tls_stream_server_name gives the SNI that the client asked for, or NULL; borrowed until destroy.
const char *tls_stream_server_name(const struct tls_stream *tls);
