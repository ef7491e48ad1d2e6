// What the files of a session share and nobody else sees: its parts, and the steps of its life.
// session.c owns the state, handshake.c the way to a judged client, standing.c what its right is today.
#pragma once

#include "proxy/net/tcp_stream.h"
#include "proxy/session/exchange.h"
#include "proxy/session/peer.h"
#include "proxy/session/session.h"
#include "proxy/tls/tls_server.h"

enum { SESSION_MAGIC = 0x5E5510A7 };

#define NEVER_S INT64_MAX // when the right of a client without certificate ends

// What is known of a handshake that is not to be served.
struct session_refusal {
    enum reason reason;         // REASON_NONE: not refused
    char id[17];                // of the record about it
    const char *detail;         // static memory; NULL: what TLS says about it
    struct identity *presented; // owned; of a certificate that could be read
};

// What a ticket's certificate is worth, should the handshake be resumed with it.
struct session_offer {
    struct identity *identity; // owned; NULL: none was shown
    int64_t not_after_s;       // Unix seconds
};

// A client that says hello and nothing else costs one of these: what is used later is made later.
struct session {
    uint32_t magic;
    enum session_state state;
    TAILQ_ENTRY(session) link;       // in the list of its state
    TAILQ_ENTRY(session) queue_link; // in the list of `queue`
    TAILQ_ENTRY(session) sweep_link; // in the list of those to be judged again
    TAILQ_ENTRY(session) idle_link;  // in the list of those that wait for a request
    TAILQ_ENTRY(session) deaf_link;  // in the list of those that hear nothing of their client
    struct session_list *queue; // borrowed from the context; that it waits in for its turn, or NULL
    size_t dropped_len;         // bytes read while closing
    int64_t since_ms;           // monotonic; when this state, or waiting for a request, began
    struct tcp_stream tcp;
    struct tls_stream *tls; // owned
    ev_timer timer;         // one for all deadlines; armed at or before the next one
    int64_t timer_due_ms;   // monotonic
    int64_t expires_ms;     // monotonic; when the certificate's right ends, unless the clock is set
    struct peer peer;
    const struct trust *trust;  // borrowed from the peer's snapshot; of the server name asked for
    struct exchange *exchange;  // owned; NULL between requests
    struct identity *identity;  // owned; NULL before the handshake is done
    struct session_offer offer; // of the session that the client wants to resume, when accepted
    struct session_refusal refusal;
    bool is_in_sweep;
    bool is_idle;      // waits for a request, in the list of those
    bool is_deaf;      // hears nothing of its client, in the list of those
    bool is_put_off;   // to be judged when all that cost no signatures have been
    bool is_half_open; // counts among its source's handshakes
    bool is_first;     // no exchange has been yet
    bool has_said_end; // our direction is finished
    bool is_plain;     // the client speaks plain HTTP
};

// session_enter is the only place that writes the state of a session.
void session_enter(struct session *session, enum session_state state);

// session_kill closes the socket and leaves the session for the reaper. May be repeated.
void session_kill(struct session *session, bool is_reset);

// session_hang_up says goodbye as far as that goes out at once, and closes the socket: room is needed.
void session_hang_up(struct session *session);

// session_begin_closing says goodbye: our last bytes go out, the client's are read and dropped for a
// while, so that no reset destroys what we said.
void session_begin_closing(struct session *session);

// session_drive does what can be done now, and works out what to wait for.
void session_drive(struct session *session);

// The questions of a TLS stream, answered from within the handshake; see tls_stream.h.
struct tls_context *session_on_select(void *arg, const char *server_name);
enum err session_on_verify(void *arg, const STACK_OF(CRYPTO_BUFFER) *chain,
                           enum tls_alert *out_alert);
enum err session_on_resume(void *arg, const STACK_OF(CRYPTO_BUFFER) *chain);

// session_step_handshake and session_step_refusing do one thing in their state; true when there may be
// another.
bool session_step_handshake(struct session *session);
bool session_step_refusing(struct session *session);

// session_record_refusal writes, or counts, why the handshake came to nothing.
void session_record_refusal(struct session *session, enum reason reason);

// session_take_identity finds out which client of `snapshot` a judged certificate is, and makes the audit's object of
// it. False without memory: nothing changes.
bool session_take_identity(struct session *session, const struct snapshot *snapshot) MUST_USE;

// session_judge judges the client as if it came today, and makes today's snapshot the peer's. REASON_NONE, or
// why it has no right any more. For a live tunnel only what takes trust away counts.
enum reason session_judge(struct session *session, bool is_live);

// session_is_blocked tells whether an operator has blocked the client with this verified identity, as of today.
bool session_is_blocked(const struct session *session, const struct identity *identity);

// session_judge_again is the peer's judge_again.
enum reason session_judge_again(void *owner);

// session_is_expired tells whether the certificate has run out; where the clock was set it looks again
// later.
bool session_is_expired(struct session *session);
