// tls_stream: one end of a TLS connection over another stream. tls_server.h makes the server's end, tls_client.h the
// client's.
//
// tls_stream_handshake drives the handshake; afterwards it is a stream like any other. Bytes in flight are in buffers
// borrowed from the worker's pool: ciphertext is read in large pieces, and several records are written at once. Knows
// no policy: a callback judges the peer's chain. Of its role it knows only what the handshake needs.
#pragma once

#include <openssl/pool.h>
#include <openssl/ssl.h>
#include <openssl/stack.h>

#include "proxy/net/buffer.h"
#include "proxy/net/stream.h"
#include "proxy/tls/alert.h"
#include "proxy/tls/groups.h"
#include "proxy/tls/signature.h"

// tls_verify_fn judges the peer's chain (leaf first, never empty; borrowed for the call). ERR_OK lets the handshake go on.
// ERR_AGAIN has the handshake wait: it is called again with the next tls_stream_handshake, which may be any number of times.
// Anything else refuses it, and the peer is told `*out_alert`. Called from within tls_stream_handshake.
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

struct tls_context;
struct tls_sessions;
struct ticket_keys;

// tls_select_fn gives the context for the server name that the client asks for (NULL: none), borrowed. `arg` is that of
// the verify callback. Called from within tls_stream_handshake, before the other callbacks.
typedef struct tls_context *(*tls_select_fn)(void *arg, const char *server_name);

// tls_resume_fn judges the session of a ticket before it is resumed, by the chain that the client had shown; NULL: none.
// ERR_OK lets it be resumed, if TLS finds no fault either. Anything else leads to a full handshake. Called at most once,
// before tls_verify_fn.
typedef enum err (*tls_resume_fn)(void *arg, const STACK_OF(CRYPTO_BUFFER) *chain);

// tls_request_fn is called when the server asks for a certificate. `ca_names` are DER Names of the CAs that it accepts,
// borrowed for the call; NULL or empty: it does not say. `arg` is that of the verify callback.
typedef void (*tls_request_fn)(void *arg, const STACK_OF(CRYPTO_BUFFER) *ca_names);

// Made by tls_stream_create or tls_client_stream_create. It is large because it has what either
// role needs.
struct tls_stream {
    // For the owner to read:
    struct stream stream;     // first; to read from and write to once the handshake is done
    enum tls_failure failure; // why the handshake has failed
    // BoringSSL's word for it, or ours: see failure_text.h; static memory
    const char *failure_detail;
    bool has_begun; // the peer has sent a byte
    // The server has sent a client's stream a fatal alert, and which (RFC 8446 6.2). In TLS 1.3 the server refuses the
    // client's certificate after the client has finished its handshake: the alert comes with the first read.
    bool has_alert;
    uint8_t alert;

    // For the owner to set, before the handshake:
    tls_select_fn select;      // of a server; NULL: its own context, whatever the name
    tls_request_fn on_request; // of a client; NULL: not called

    // Private to proxy/tls:
    uint32_t magic;
    tls_resume_fn resume;          // of a server; NULL: no tickets
    struct ticket_keys *keys;      // borrowed; of a server
    struct tls_sessions *sessions; // borrowed; of a client; NULL: nothing is resumed
    SSL *ssl;                      // owned
    struct tls_context *context;   // ref; what the stream was made with
    struct tls_context *selected;  // ref; what the client's server name has led to; NULL: none yet
    struct signature signature;    // of our own key
    struct stream *below;          // borrowed from the owner
    struct buffer_pool *pool;      // borrowed from the worker
    struct buffer *in;             // borrowed from the pool; ciphertext for BoringSSL
    struct buffer *out;            // borrowed from the pool; ciphertext for the socket
    tls_verify_fn verify;
    void *verify_arg;     // of all callbacks
    enum err read_error;  // what ended reading below; ERR_OK while it goes on
    enum err write_error; // likewise for writing
    bool is_shut;         // close_notify is written or on its way
    bool saw_close_notify;
};

// tls_stream_is_resumed tells whether the finished handshake has resumed a session.
bool tls_stream_is_resumed(const struct tls_stream *tls);

// tls_stream_is_peer_unanswered tells whether a server's finished handshake has ended with a message of the client that
// needs no answer of ours: in TLS 1.3 (RFC 8446 2), and with a session resumed in TLS 1.2 (RFC 5246 7.3).
bool tls_stream_is_peer_unanswered(const struct tls_stream *tls);

// tls_stream_destroy frees it; `below` is left as it is. NULL is allowed.
void tls_stream_destroy(struct tls_stream *tls);

// tls_stream_handshake continues the handshake: ERR_OK when done, ERR_AGAIN, or an error. After an error
// `failure` says why, and an alert for the peer may wait for stream_flush.
enum err tls_stream_handshake(struct tls_stream *tls) MUST_USE;

// tls_stream_is_waiting tells whether the handshake waits for what the verify callback wants to know, and not for the peer.
bool tls_stream_is_waiting(const struct tls_stream *tls);

// tls_stream_is_signing tells whether the handshake waits for a signature of our own key, which is apart. The peer does
// nothing about it, and what it sends is read as below.
bool tls_stream_is_signing(const struct tls_stream *tls);

// tls_stream_look reads what a peer sends to a handshake that waits, as far as there is room for it, and tells whether the
// peer is still there: an end of the connection is one only where nothing that it has sent is left to be read.
bool tls_stream_look(struct tls_stream *tls);

// tls_stream_may_look tells whether it would read anything.
bool tls_stream_may_look(const struct tls_stream *tls);

// tls_stream_peer_chain gives the certificates that the peer has shown, leaf first; NULL when there are none. Borrowed
// until destroy.
const STACK_OF(CRYPTO_BUFFER) *tls_stream_peer_chain(const struct tls_stream *tls);

// tls_stream_version_name gives `1.2`, `1.3`, or NULL while nothing is agreed. Static memory.
const char *tls_stream_version_name(const struct tls_stream *tls);

// tls_stream_cipher_name gives the suite's standard (IANA) name, or NULL. Static memory.
const char *tls_stream_cipher_name(const struct tls_stream *tls);

// tls_stream_group gives the group of the key exchange, as tls_group_of does; TLS_GROUP_COUNT while nothing is agreed.
enum tls_group tls_stream_group(const struct tls_stream *tls);

// tls_stream_group_name gives its name, or NULL. Static memory.
const char *tls_stream_group_name(const struct tls_stream *tls);

// tls_stream_is_http2 tells whether `h2` was agreed by ALPN (RFC 7301, RFC 9113 3.2).
bool tls_stream_is_http2(const struct tls_stream *tls);

// tls_stream_server_name gives the SNI that the client asked for, or NULL; borrowed until destroy.
const char *tls_stream_server_name(const struct tls_stream *tls);

// tls_stream_make makes a stream with a reference to `context`. The caller sets the role on its SSL. NULL without memory.
// Private to proxy/tls.
struct tls_stream *tls_stream_make(struct tls_context *context, struct stream *below,
                                   struct buffer_pool *pool, tls_verify_fn verify,
                                   void *verify_arg) MUST_USE;

// tls_stream_of gives the stream of an SSL; NULL: it has none, it is a trial's. Private to proxy/tls.
struct tls_stream *tls_stream_of(const SSL *ssl);

// tls_stream_on_verify is BoringSSL's custom verify callback. Private to proxy/tls.
enum ssl_verify_result_t tls_stream_on_verify(SSL *ssl, uint8_t *out_alert);
