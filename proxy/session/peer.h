// peer: the client at the other end of a session, as the exchanges on it see it: who it is, and what right it has. An
// exchange knows no session.
#pragma once

#include "proxy/http/head.h"
#include "proxy/session/context.h"
#include "proxy/tls/tls_stream.h"

struct upstream_pool;
struct ocsp_hold;
struct ocsp_why;

// It is one struct because all of it belongs to the client of one connection, and every exchange needs most of it.
struct peer {
    char id[17];                            // of the connection: what its records share
    struct session_context *context;        // borrowed
    struct snapshot *snapshot;              // ref; what the client was last judged under
    const struct listener_config *listener; // borrowed from the snapshot
    const struct trust *trust; // borrowed from the snapshot; of the server name asked for
    struct tls_stream *tls;    // owned
    struct ip_addr address;    // canonical; the client's, as far as it is known
    struct ip_addr
        via; // canonical; of the balancer whose PROXY header came first; IP_NONE: none did
    bool
        is_unannounced; // that header did not say whose connection it is: `address` is the balancer's
    bool is_resumed;    // by the handshake
    bool is_counted;    // among its client's sessions
    uint16_t port;
    const struct client *client; // borrowed from the snapshot's policy; NULL: none fits
    // ref; in the ledger; of a client without an account of its own the one that has the name of the entry; NULL before it
    // is judged
    struct account *account;
    enum reason account_refusal; // REASON_NONE, or why it has no account: no request is served
    struct identity *identity;   // owned; NULL: no certificate, or none that was verified
    struct peer *
        edge; // borrowed; the proxy that is connected, and passes its certificates on; NULL: it is itself
    STACK_OF(CRYPTO_BUFFER) *passed_on; // owned; with `edge`: these certificates, its own first
    struct ocsp_hold *ocsp;             // owned; NULL: nobody is asked about it
    const struct ocsp_why *
        unanswered; // why OCSP had no answer about it when it was judged last; NULL: it had, or nobody asks
    int64_t not_after_s; // Unix seconds; when the certificate's right ends
    int64_t expires_ms;  // the same, monotonic, unless the clock is set
    char *json;          // owned; the audit's `client` object
    size_t json_len;     // bytes
    // owned; connections that the next request may use; NULL: none yet
    struct upstream_pool *upstreams;
};

// peer_connected gives who is at the other end of the connection.
static inline const struct peer *peer_connected(const struct peer *peer)
{
    return peer->edge == NULL ? peer : peer->edge;
}

// peer_ends_s gives when, in Unix seconds, the right ends of its certificate, or of that of its edge.
int64_t peer_ends_s(const struct peer *peer);

// peer_is_current tells whether the client was judged under today's snapshot.
bool peer_is_current(const struct peer *peer);

// peer_source gives the address that `sources` are about: family IP_NONE, which is in none, where a balancer did not say
// whose connection it is.
const struct ip_addr *peer_source(const struct peer *peer);

// peer_chain gives the certificates that the client has shown, its own first; NULL: none. Borrowed.
const STACK_OF(CRYPTO_BUFFER) *peer_chain(const struct peer *peer);

// peer_limit_detail gives a sentence about the limit that has no room for a connection; static memory.
const char *peer_limit_detail(enum reason reason);

// peer_client_name gives the name that the client is counted and recorded by; NULL: no entry fits.
const char *peer_client_name(const struct peer *peer);

// peer_record_refusal writes a `handshake_refused` record, or counts it in a flood. `refusal` says why; listener, address
// and time are filled in.
void peer_record_refusal(const struct peer *peer, struct audit_refusal *refusal);

// peer_leave no longer counts the session as the client's. Idempotent.
void peer_leave(struct peer *peer);

// peer_head_max_len gives how many bytes the head of a plain request may have; the head and the inbox of its channel
// together have no more. A client that is not served (without the audit's object) has what a CONNECT has.
size_t peer_head_max_len(const struct peer *peer);

// peer_deinit frees what the peer owns and lets go of the snapshot.
void peer_deinit(struct peer *peer);
