// peer: the client at the other end of a session, as the exchanges on it see it: who it is, the stream to it, and what
// has been read from it. An exchange knows no session.
#pragma once

#include "proxy/http/head.h"
#include "proxy/session/context.h"
#include "proxy/tls/tls_stream.h"

enum { INBOX_FIRST_CAP = 2048 };

struct upstream_pool;

// It is one struct because all of it belongs to the client of one connection, and every exchange needs most of it.
struct peer {
    struct session_context *context;        // borrowed
    struct snapshot *snapshot;              // ref; what the client was last judged under
    const struct listener_config *listener; // borrowed from the snapshot
    const struct trust *trust; // borrowed from the snapshot; of the server name asked for
    struct tls_stream *tls;    // owned
    struct stream *stream;     // of `tls`
    struct ip_addr address;    // canonical
    bool is_resumed;           // by the handshake
    bool has_end;              // the client has ended its direction
    bool is_counted;           // among its client's sessions
    uint16_t port;
    const struct client *client; // borrowed from the snapshot's policy; NULL: none fits
    // ref; in the ledger; of a client without an account of its own the one that has the name of the entry; NULL before it
    // is judged
    struct account *account;
    enum reason account_refusal; // REASON_NONE, or why it has no account: no request is served
    struct identity *identity;   // owned; NULL: no certificate, or none that was verified
    int64_t not_after_s;         // Unix seconds; when the certificate's right ends
    int64_t expires_ms;          // the same, monotonic, unless the clock is set
    char *json;                  // owned; the audit's `client` object
    size_t json_len;             // bytes
    uint8_t *head;               // owned; of the request under way; NULL once it needs no repeating
    size_t head_len;             // bytes
    uint8_t *inbox;              // owned; what has been read and belongs to no flow yet
    size_t inbox_len;            // bytes
    size_t inbox_cap;            // bytes
    bool awaits_hello; // the inbox is for the first flight inside a tunnel, and no longer for heads
    // owned; connections that the next request may use; NULL: none yet
    struct upstream_pool *upstreams;
};

// peer_is_current tells whether the client was judged under today's snapshot.
bool peer_is_current(const struct peer *peer);

// peer_client_name gives the name that the client is counted and recorded by; NULL: no entry fits.
const char *peer_client_name(const struct peer *peer);

// peer_record_refusal writes a `handshake_refused` record, or counts it in a flood. `refusal` says why; listener, address
// and time are filled in.
void peer_record_refusal(const struct peer *peer, struct audit_refusal *refusal);

// peer_leave no longer counts the session as the client's. Idempotent.
void peer_leave(struct peer *peer);

// peer_head_max_len gives how many bytes the head of a plain request may have; the head and the inbox together have no
// more. A client that is not served (without the audit's object) has what a CONNECT has.
size_t peer_head_max_len(const struct peer *peer);

// peer_fill_inbox reads what is there into the inbox. ERR_OK when at least a byte came, ERR_AGAIN,
// ERR_LIMIT when the inbox is full, ERR_EOF, or the stream's error.
enum err peer_fill_inbox(struct peer *peer) MUST_USE;

// peer_unread gives the bytes of the inbox, valid until it changes.
struct slice peer_unread(const struct peer *peer);

// peer_empty_inbox drops what is in the inbox, which somebody has taken, and gives its memory back.
void peer_empty_inbox(struct peer *peer);

// peer_take_head moves the head at the front of the inbox into the peer's `head`, where its slices point to from then
// on. It stays until peer_drop_head. ERR_MEMORY: nothing changes.
enum err peer_take_head(struct peer *peer, struct message_head *head) MUST_USE;

// peer_drop_head frees the head when it will not be sent again. Idempotent.
void peer_drop_head(struct peer *peer);

// peer_consume_inbox drops the first `len` bytes, and gives the memory back that is no longer needed.
void peer_consume_inbox(struct peer *peer, size_t len);

// peer_put_back puts bytes that were read too far in front of the inbox's own. At most HEAD_MAX_LEN bytes in all;
// ERR_LIMIT, ERR_MEMORY.
enum err peer_put_back(struct peer *peer, struct slice bytes) MUST_USE;

// peer_end_reason tells how the client has ended its direction.
enum reason peer_end_reason(const struct peer *peer);

// peer_inbox_has_room tells whether reading on makes sense.
bool peer_inbox_has_room(const struct peer *peer);

// peer_deinit frees what the peer owns and lets go of the snapshot.
void peer_deinit(struct peer *peer);
