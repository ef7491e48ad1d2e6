// The life of a connection. The only function that writes the state is enter.
#include "proxy/session/session.h"

#include <stdlib.h>

#include "proxy/http/answer.h"
#include "proxy/http/head.h"
#include "proxy/net/tcp_stream.h"
#include "proxy/session/exchange.h"
#include "proxy/session/peer.h"
#include "proxy/tls/tls_stream.h"

static const int64_t NEVER_S = INT64_MAX; // the right of a client without certificate

enum {
    SESSION_MAGIC = 0x5E5510A7,
    CLIENT_JSON_CAP = 8192,      // bytes
    LINGER_MAX_LEN = 256 * 1024, // bytes of a refused client that are read and dropped
    SWEEP_TURN_US = 4000,        // microseconds of a pass of the loop spent on judging again
    LINGER_MAX_SESSIONS = 1024,  // of a worker; more are closed without lingering
};

struct session {
    uint32_t magic;
    enum session_state state;
    TAILQ_ENTRY(session) link;       // in the list of its state
    TAILQ_ENTRY(session) ready_link; // in the list of the ready ones
    TAILQ_ENTRY(session) sweep_link; // in the list of those to be judged again
    bool is_in_sweep;
    bool is_ready;
    bool is_first;      // no exchange has been yet
    bool has_said_end;  // our direction is finished
    bool is_plain;      // the client speaks plain HTTP
    size_t dropped_len; // bytes read while closing
    int64_t since_ms;   // monotonic; when this state, or waiting for a request, began
    struct tcp_stream tcp;
    struct tls_stream *tls; // owned
    ev_timer timer;         // one for all deadlines; armed at or before the next one
    int64_t timer_due_ms;   // monotonic
    int64_t expires_ms;     // monotonic; when the certificate's right ends, unless the clock is set
    struct peer peer;
    const struct trust *trust;    // borrowed from the peer's snapshot; of the server name asked for
    struct exchange *exchange;    // owned; NULL between requests
    struct identity *identity;    // owned; NULL before the handshake is done
    struct trust_verdict offered; // of the session that the client wants to resume, when accepted
    enum reason refused_as;       // with a finished handshake; REASON_NONE: not
    char refusal_id[17];          // of the record about it
    struct trust_verdict refusal; // when the certificate was refused; its `presented` is owned
};

static void drive(struct session *session);

static void on_ready(void *owner)
{
    struct session *session = owner;
    ASSERT(session->magic == SESSION_MAGIC);
    drive(session);
}

static bool is_legal(enum session_state from, enum session_state to)
{
    static const uint8_t legal[SESSION_STATE_COUNT] = {
        [SESSION_HANDSHAKE] =
            1 << SESSION_REFUSING | 1 << SESSION_SERVING | 1 << SESSION_CLOSING | 1 << SESSION_DEAD,
        [SESSION_SERVING] = 1 << SESSION_CLOSING | 1 << SESSION_DEAD,
        [SESSION_REFUSING] = 1 << SESSION_CLOSING | 1 << SESSION_DEAD,
        [SESSION_CLOSING] = 1 << SESSION_DEAD,
    };
    return (legal[from] & 1 << to) != 0;
}

// enter is the only place that writes the state of a session.
static void enter(struct session *session, enum session_state state)
{
    ASSERT(is_legal(session->state, state));
    struct session_context *context = session->peer.context;
    TAILQ_REMOVE(&context->by_state[session->state], session, link);
    context->state_counts[session->state]--;
    session->state = state;
    TAILQ_INSERT_TAIL(&context->by_state[state], session, link);
    context->state_counts[state]++;
    session->since_ms = context->now_ms;
}

// kill closes the socket and leaves the session for the reaper.
static void kill_session(struct session *session, bool is_reset)
{
    if (session->state == SESSION_DEAD)
        return;
    stream_close(tls_stream_stream(session->tls), is_reset);
    ev_timer_stop(session->peer.context->loop, &session->timer);
    enter(session, SESSION_DEAD);
}

// begin_closing says goodbye: our last bytes go out, the client's are read and dropped for a while, so
// that no reset destroys what we said.
static void begin_closing(struct session *session)
{
    if (session->peer.context->state_counts[SESSION_CLOSING] >= LINGER_MAX_SESSIONS) {
        struct stream *stream = tls_stream_stream(session->tls);
        if (stream_finish(stream) != ERR_OK) {
            // What does not go out at once is not waited for.
        }
        kill_session(session, false);
        return;
    }
    enter(session, SESSION_CLOSING);
}

static enum tls_alert alert_for(enum reason reason)
{
    if (reason == REASON_EXPIRED || reason == REASON_NOT_YET_VALID)
        return TLS_ALERT_CERTIFICATE_EXPIRED;
    if (reason == REASON_UNKNOWN_CA || reason == REASON_MISSING_INTERMEDIATE)
        return TLS_ALERT_UNKNOWN_CA;
    if (reason == REASON_BAD_PURPOSE || reason == REASON_WEAK_KEY ||
        reason == REASON_TOO_LONG_LIVED)
        return TLS_ALERT_UNSUPPORTED_CERTIFICATE;
    if (reason == REASON_REVOKED)
        return TLS_ALERT_CERTIFICATE_REVOKED;
    if (reason == REASON_NO_MEMORY)
        return TLS_ALERT_INTERNAL_ERROR;
    return TLS_ALERT_BAD_CERTIFICATE;
}

// on_select finds out which certificates and trust belong to the server name that the client asks for.
static struct tls_context *on_select(void *arg, const char *server_name)
{
    struct session *session = arg;
    ASSERT(session->magic == SESSION_MAGIC);
    const struct site site = listener_config_find_site(session->peer.listener, server_name);
    session->trust = site.trust;
    return site.tls;
}

// on_verify judges the client's chain, from within the handshake.
static enum err on_verify(void *arg, const STACK_OF(CRYPTO_BUFFER) *chain,
                          enum tls_alert *out_alert)
{
    struct session *session = arg;
    ASSERT(session->magic == SESSION_MAGIC);
    struct trust_verdict verdict;
    const enum err error = trust_verify(session->trust, chain, wall_clock_ms() / 1000, &verdict);
    if (error == ERR_OK) {
        session->identity = verdict.identity;
        session->peer.not_after_s = verdict.not_after_s;
        tls_stream_limit_tickets(session->tls, verdict.not_after_s - wall_clock_ms() / 1000);
        return ERR_OK;
    }
    session->refusal = verdict;
    if (session->peer.listener->refuses_in_http && error != ERR_MEMORY) {
        tls_stream_limit_tickets(session->tls, 0);
        return ERR_OK; // finish_handshake looks at the refusal
    }
    *out_alert = alert_for(verdict.reason);
    return error;
}

// offer_anonymous is for a ticket of a client that has shown no certificate.
static enum err offer_anonymous(struct session *session)
{
    if (!session->peer.listener->is_certificate_optional)
        return ERR_DENIED;
    identity_destroy(session->offered.identity);
    session->offered = (struct trust_verdict){.not_after_s = NEVER_S};
    return ERR_OK;
}

// on_resume judges the chain of a session that the client would like to resume, as if it were shown now.
// What is found counts only when the session is resumed indeed.
static enum err on_resume(void *arg, const STACK_OF(CRYPTO_BUFFER) *chain)
{
    struct session *session = arg;
    ASSERT(session->magic == SESSION_MAGIC);
    struct trust_verdict verdict;
    if (chain == NULL)
        return offer_anonymous(session);
    const enum err error = trust_verify(session->trust, chain, wall_clock_ms() / 1000, &verdict);
    identity_destroy(verdict.presented);
    if (error != ERR_OK)
        return error;
    identity_destroy(session->offered.identity);
    session->offered = verdict;
    return ERR_OK;
}

// take_resumed makes the identity of the resumed session's chain the session's.
static void take_resumed(struct session *session)
{
    session->peer.is_resumed = tls_stream_is_resumed(session->tls);
    if (!session->peer.is_resumed)
        return;
    identity_destroy(session->identity);
    session->identity = session->offered.identity;
    session->offered.identity = NULL;
    session->peer.not_after_s = session->offered.not_after_s;
}

static enum reason refused_reason(const struct session *session)
{
    switch (tls_stream_failure(session->tls)) {
    case TLS_FAILURE_NONE:
        return REASON_TIMEOUT;
    case TLS_FAILURE_REFUSED:
        return session->refusal.reason;
    case TLS_FAILURE_NO_CERTIFICATE:
        return REASON_NO_CERTIFICATE;
    case TLS_FAILURE_KEY_USAGE:
        return REASON_BAD_PURPOSE;
    case TLS_FAILURE_ABORTED:
        return REASON_CLIENT_ABORTED;
    case TLS_FAILURE_PLAIN_HTTP:
        return REASON_PLAIN_HTTP;
    case TLS_FAILURE_PROTOCOL:
        return REASON_PROTOCOL;
    }
    return REASON_PROTOCOL;
}

// refusal_detail gives a sentence where there is one, else BoringSSL's word for it.
static const char *refusal_detail(const struct session *session, enum reason reason)
{
    const char *word = tls_stream_failure_detail(session->tls);
    if (session->refusal.reason == reason)
        return session->refusal.detail;
    if (reason == REASON_NO_CERTIFICATE)
        return "the client sent no certificate (with curl: --proxy-cert, not --cert)";
    if (reason == REASON_TIMEOUT)
        return "the handshake took longer than timeouts.handshake";
    if (reason == REASON_CLIENT_ABORTED && word[0] == '\0')
        return "the client ended the connection during the handshake";
    return word;
}

// record_refusal writes, or counts, why the handshake came to nothing.
static void record_refusal(struct session *session, enum reason reason)
{
    struct peer *peer = &session->peer;
    struct session_context *context = peer->context;
    if (!tls_stream_has_begun(session->tls)) {
        context->counters.silent++;
        return;
    }
    context->counters.handshakes_refused++;
    session_context_make_id(context, session->refusal_id);
    if (!refusals_note(&context->refusals, &peer->address, peer->port, reason, peer->listener->name,
                       context->now_ms))
        return;
    const struct audit_refusal refusal = {
        .now_ms = wall_clock_ms(),
        .id = session->refusal_id,
        .listener = peer->listener->name,
        .address = peer->address,
        .port = peer->port,
        .tls_version = tls_stream_version_name(session->tls),
        .reason = reason,
        .detail = refusal_detail(session, reason),
        .count = 1,
        .presented = session->refusal.presented,
    };
    audit_log_submit_refusal(context->audit, audit_refusal_create(&refusal));
}

// say_https answers a client that speaks plain HTTP, in plain HTTP.
static void say_https(struct session *session)
{
    char data[ANSWER_CAP];
    struct text text;
    text_init(&text, data, sizeof data);
    answer_plain_http(&text);
    size_t len = 0;
    if (stream_write(&session->tcp.stream, text_slice(&text), &len) != ERR_OK) {
        // The socket is new and empty: if it does not take these bytes, nobody waits for them.
    }
    session->is_plain = true;
}

static void refuse_handshake(struct session *session)
{
    const enum reason reason = refused_reason(session);
    record_refusal(session, reason);
    if (reason == REASON_PLAIN_HTTP)
        say_https(session);
    if (reason == REASON_CLIENT_ABORTED)
        kill_session(session, false);
    else
        begin_closing(session);
}

// note_expiry works out when, on the monotonic clock, the certificate's right ends.
static void note_expiry(struct session *session)
{
    const struct peer *peer = &session->peer;
    session->expires_ms = INT64_MAX;
    if (peer->not_after_s != NEVER_S)
        session->expires_ms =
            peer->context->now_ms + (peer->not_after_s + 1) * 1000 - wall_clock_ms();
}

// take_identity finds out which client of the config a verified certificate is. Nothing is refused
// here: one that fits no client gets its answer in HTTP, where people can read it.
static bool take_identity(struct session *session)
{
    struct peer *peer = &session->peer;
    peer->client = policy_find_client(peer->snapshot->policy, session->identity);
    const struct audit_client client = {
        .address = peer->address,
        .port = peer->port,
        .name = peer->client == NULL ? NULL : peer->client->name,
        .trust = session->identity == NULL ? NULL : identity_trust_name(session->identity),
        .identity = session->identity,
    };
    char data[CLIENT_JSON_CAP];
    struct text text;
    text_init(&text, data, sizeof data);
    audit_client_format(&client, &text);
    ASSERT(!text.is_cut);
    free(peer->json);
    peer->json_len = text.len;
    peer->json = malloc(text.len);
    note_expiry(session);
    return peer->json != NULL && bytes_copy(peer->json, text.len, text_slice(&text));
}

// is_let_in tells whether the handshake has made the client somebody: a verified certificate, or none at
// all where that will do.
static bool is_let_in(const struct session *session)
{
    return session->identity != NULL || (session->peer.listener->is_certificate_optional &&
                                         tls_stream_peer_chain(session->tls) == NULL);
}

static bool begin_serving(struct session *session)
{
    session->peer.tls_version = tls_stream_version_name(session->tls);
    session->peer.tls_cipher = tls_stream_cipher_name(session->tls);
    take_resumed(session);
    if (!is_let_in(session) || !take_identity(session))
        return false;
    enter(session, SESSION_SERVING);
    return true;
}

// recheck_chain judges the shown certificates by `trust` as it is now. What was verified once needs no
// second verification, unless its anchor is not found again: it may have been issued anew.
static enum reason recheck_chain(struct session *session, const struct trust *trust,
                                 const STACK_OF(CRYPTO_BUFFER) *chain)
{
    const char *detail = NULL;
    const int64_t now_s = wall_clock_ms() / 1000;
    struct trust_verdict verdict;
    if (session->identity == NULL)
        return REASON_NONE;
    const enum reason reason =
        trust_recheck(trust, identity_record(session->identity), now_s, &detail);
    if (reason != REASON_UNKNOWN_CA || chain == NULL)
        return reason;
    if (trust_verify(trust, chain, now_s, &verdict) != ERR_OK) {
        identity_destroy(verdict.presented);
        return verdict.reason;
    }
    identity_destroy(session->identity);
    session->identity = verdict.identity;
    session->peer.not_after_s = verdict.not_after_s;
    return REASON_NONE;
}

// judge_session judges the client as if it came today. For a live tunnel only what takes trust away counts.
static enum reason judge_session(struct session *session, bool is_live)
{
    ASSERT(session->magic == SESSION_MAGIC);
    struct peer *peer = &session->peer;
    struct snapshot *today = peer->context->snapshot;
    const struct listener_config *listener = snapshot_find_listener(today, peer->listener);
    const STACK_OF(CRYPTO_BUFFER) *chain = tls_stream_peer_chain(session->tls);
    if (listener == NULL)
        return REASON_POLICY_CHANGED;
    if (chain == NULL && !listener->is_certificate_optional)
        return REASON_NO_CERTIFICATE;
    const struct site site =
        listener_config_find_site(listener, tls_stream_server_name(session->tls));
    enum reason reason = recheck_chain(session, site.trust, chain);
    if (is_live && (reason == REASON_CRL_MISSING || reason == REASON_CRL_EXPIRED))
        reason = REASON_NONE; // nobody knows: that takes no tunnel away
    if (reason != REASON_NONE || peer_is_current(peer))
        return reason;
    snapshot_unref(peer->snapshot);
    peer->snapshot = snapshot_ref(today);
    peer->listener = listener;
    session->trust = site.trust;
    return take_identity(session) ? REASON_NONE : REASON_NO_MEMORY;
}

static enum reason judge_again(void *owner)
{
    return judge_session(owner, false);
}

// answer_refused tells a refused client why, in HTTP: the same 403 for whatever it asks.
static void answer_refused(struct session *session)
{
    char data[ANSWER_CAP];
    struct text text;
    text_init(&text, data, sizeof data);
    const struct answer answer = {
        .status = 403, .reason = session->refused_as, .id = session->refusal_id};
    answer_format(&answer, &text);
    size_t len = 0;
    if (stream_write(tls_stream_stream(session->tls), text_slice(&text), &len) != ERR_OK) {
        // Nothing was written before it: there is room, or the client has gone.
    }
}

// step_refusing waits for one head, however bad, and reads nothing else of the client.
static bool step_refusing(struct session *session)
{
    struct peer *peer = &session->peer;
    struct request_head head;
    const char *why = "";
    const enum err error = peer_fill_inbox(peer);
    if (request_head_parse(peer_unread(peer), &head, &why) != HEAD_MORE) {
        answer_refused(session);
        peer_empty_inbox(peer);
        begin_closing(session);
        return true;
    }
    if (error == ERR_OK || error == ERR_AGAIN)
        return error == ERR_OK;
    if (error == ERR_EOF)
        begin_closing(session);
    else
        kill_session(session, true);
    return true;
}

// finish_handshake goes on where TLS is done: to serve the client, or to tell it why not.
static void finish_handshake(struct session *session)
{
    session->refused_as = session->refusal.reason;
    if (session->refused_as == REASON_NONE && tls_stream_peer_chain(session->tls) == NULL &&
        !session->peer.listener->is_certificate_optional)
        session->refused_as = REASON_NO_CERTIFICATE;
    if (session->refused_as == REASON_NONE) {
        if (!begin_serving(session))
            kill_session(session, true);
    } else {
        record_refusal(session, session->refused_as);
        enter(session, SESSION_REFUSING);
    }
}

static bool step_handshake(struct session *session)
{
    switch (tls_stream_handshake(session->tls)) {
    case ERR_OK:
        finish_handshake(session);
        return true;
    case ERR_AGAIN:
        return false;
    case ERR_EOF:
    case ERR_INPUT:
    case ERR_LIMIT:
    case ERR_DENIED:
    case ERR_SYSTEM:
    case ERR_TIMEOUT:
    case ERR_MEMORY:
        refuse_handshake(session);
        return true;
    }
    return false;
}

// await_request waits for the first byte of the next request.
static bool await_request(struct session *session)
{
    struct peer *peer = &session->peer;
    if (peer->inbox_len == 0) {
        const enum err error = peer_fill_inbox(peer);
        if (error == ERR_AGAIN) {
            if (!peer->context->is_draining || session->is_first)
                return false;
            begin_closing(session);
            return true;
        }
        if (error != ERR_OK) {
            if (error == ERR_EOF)
                begin_closing(session);
            else
                kill_session(session, true);
            return true;
        }
    }
    session->exchange = exchange_create(peer);
    if (session->exchange == NULL)
        kill_session(session, true);
    session->is_first = false;
    return true;
}

// take_outcome goes on after an exchange.
static void take_outcome(struct session *session)
{
    const enum exchange_outcome outcome = exchange_outcome(session->exchange);
    exchange_destroy(session->exchange);
    session->exchange = NULL;
    session->since_ms = session->peer.context->now_ms;
    switch (outcome) {
    case EXCHANGE_KEEP:
        return;
    case EXCHANGE_CLOSE:
        begin_closing(session);
        return;
    case EXCHANGE_RESET:
        kill_session(session, true);
        return;
    }
}

static void queue_ready(struct session *session)
{
    struct session_context *context = session->peer.context;
    if (session->is_ready)
        return;
    session->is_ready = true;
    TAILQ_INSERT_TAIL(&context->ready, session, ready_link);
    if (!ev_is_active(&context->kick)) {
        ev_timer_set(&context->kick, 0., 0.);
        ev_timer_start(context->loop, &context->kick);
    }
}

static bool step_serving(struct session *session)
{
    if (session->exchange == NULL)
        return await_request(session);
    switch (exchange_step(session->exchange)) {
    case EXCHANGE_STEP_AGAIN:
        return true;
    case EXCHANGE_STEP_WAIT:
        return false;
    case EXCHANGE_STEP_MORE:
        queue_ready(session);
        return false;
    case EXCHANGE_STEP_DONE:
        take_outcome(session);
        return true;
    }
    return false;
}

// say_end sends what is left, close_notify and FIN.
static enum err say_end(struct session *session)
{
    if (session->has_said_end)
        return ERR_OK;
    const enum err error = session->is_plain ? stream_finish(&session->tcp.stream)
                                             : stream_finish(tls_stream_stream(session->tls));
    session->has_said_end = error == ERR_OK;
    return error;
}

// drop_input reads and forgets what the client still sends; ERR_AGAIN when there is no more for now.
static enum err drop_input(struct session *session)
{
    struct buffer_pool *pool = &session->peer.context->buffers;
    struct buffer *scratch = buffer_pool_take(pool);
    if (scratch == NULL)
        return ERR_MEMORY;
    enum err error = ERR_OK;
    while (error == ERR_OK) {
        size_t len = 0;
        error = stream_read(&session->tcp.stream, scratch->data, BUFFER_CAP, &len);
        session->dropped_len += len;
        if (session->dropped_len > LINGER_MAX_LEN)
            error = ERR_LIMIT;
    }
    buffer_pool_give(pool, &scratch);
    return error;
}

static bool step_closing(struct session *session)
{
    const enum err said = say_end(session);
    if (said != ERR_OK && said != ERR_AGAIN) {
        kill_session(session, false);
        return true;
    }
    if (session->peer.has_end && said == ERR_OK) {
        kill_session(session, false);
        return true;
    }
    const enum err dropped = session->peer.has_end ? ERR_AGAIN : drop_input(session);
    if (dropped == ERR_EOF)
        session->peer.has_end = true;
    else if (dropped != ERR_AGAIN)
        kill_session(session, false);
    return dropped != ERR_AGAIN;
}

// step does one thing; true when there may be another.
static bool step(struct session *session)
{
    switch (session->state) {
    case SESSION_HANDSHAKE:
        return step_handshake(session);
    case SESSION_SERVING:
        return step_serving(session);
    case SESSION_REFUSING:
        return step_refusing(session);
    case SESSION_CLOSING:
        return step_closing(session);
    case SESSION_DEAD:
    case SESSION_STATE_COUNT:
        break;
    }
    return false;
}

static int64_t sooner(int64_t a_ms, int64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

static int64_t deadline_ms(const struct session *session)
{
    const struct timeouts *timeouts = &session->peer.snapshot->timeouts;
    switch (session->state) {
    case SESSION_HANDSHAKE:
        return session->since_ms + timeouts->handshake_ms;
    case SESSION_SERVING:
        if (session->exchange != NULL && exchange_is_tunnel(session->exchange))
            return sooner(exchange_deadline_ms(session->exchange), session->expires_ms);
        if (session->exchange != NULL)
            return exchange_deadline_ms(session->exchange);
        return session->since_ms +
               (session->is_first ? timeouts->request_ms : timeouts->keepalive_ms);
    case SESSION_REFUSING:
        return session->since_ms + timeouts->request_ms;
    case SESSION_CLOSING:
        return session->since_ms + timeouts->linger_ms;
    case SESSION_DEAD:
    case SESSION_STATE_COUNT:
        break;
    }
    return INT64_MAX;
}

// update_interest works out, from the state alone, what to wait for and until when. The timer is only
// moved when the deadline comes nearer: one that has moved away is found out when it fires.
static void update_interest(struct session *session)
{
    struct stream *stream = tls_stream_stream(session->tls);
    switch (session->state) {
    case SESSION_HANDSHAKE:
    case SESSION_REFUSING:
        stream_want(stream, true, false);
        break;
    case SESSION_SERVING:
        if (session->exchange != NULL)
            exchange_update_interest(session->exchange);
        else
            stream_want(stream, true, false);
        break;
    case SESSION_CLOSING:
        stream_want(&session->tcp.stream, !session->peer.has_end, !session->has_said_end);
        break;
    case SESSION_DEAD:
    case SESSION_STATE_COUNT:
        return;
    }
    const int64_t due_ms = deadline_ms(session);
    if (ev_is_active(&session->timer) && due_ms >= session->timer_due_ms)
        return;
    struct session_context *context = session->peer.context;
    const int64_t wait_ms = due_ms > context->now_ms ? due_ms - context->now_ms : 0;
    ev_timer_stop(context->loop, &session->timer);
    ev_timer_set(&session->timer, (ev_tstamp)wait_ms / 1000., 0.);
    ev_timer_start(context->loop, &session->timer);
    session->timer_due_ms = due_ms;
}

static void drive(struct session *session)
{
    while (step(session)) {
    }
    update_interest(session);
}

// is_expired tells whether the certificate has run out; where the clock was set it looks again later.
static bool is_expired(struct session *session)
{
    if (wall_clock_ms() / 1000 > session->peer.not_after_s)
        return true;
    note_expiry(session);
    return false;
}

// act_on_exchange_deadline ends a tunnel with its certificate; before that, requests look for themselves.
static void act_on_exchange_deadline(struct session *session)
{
    struct exchange *exchange = session->exchange;
    if (exchange_deadline_ms(exchange) <= session->peer.context->now_ms)
        exchange_on_deadline(exchange);
    else if (is_expired(session))
        exchange_end(exchange, REASON_EXPIRED);
}

// act_on_deadline ends a wait that took too long.
static void act_on_deadline(struct session *session)
{
    switch (session->state) {
    case SESSION_HANDSHAKE:
        record_refusal(session, REASON_TIMEOUT);
        kill_session(session, false);
        return;
    case SESSION_SERVING:
        if (session->exchange != NULL)
            act_on_exchange_deadline(session);
        else
            begin_closing(session);
        return;
    case SESSION_REFUSING:
        begin_closing(session);
        return;
    case SESSION_CLOSING:
        kill_session(session, false);
        return;
    case SESSION_DEAD:
    case SESSION_STATE_COUNT:
        return;
    }
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct session *session = timer->data;
    ASSERT(session->magic == SESSION_MAGIC);
    if (deadline_ms(session) <= session->peer.context->now_ms)
        act_on_deadline(session);
    drive(session);
}

void session_accept(struct session_context *context, const struct listener_config *listener, int fd,
                    const struct ip_addr *peer, uint16_t peer_port)
{
    struct session *session = calloc(1, sizeof *session);
    struct tcp_stream unowned;
    struct tcp_stream *tcp = session == NULL ? &unowned : &session->tcp;
    tcp_stream_init(tcp, context->loop, fd);
    if (session == NULL) {
        stream_close(&tcp->stream, true);
        return;
    }
    session->magic = SESSION_MAGIC;
    session->tls =
        tls_stream_create(listener->tls, &tcp->stream, &context->buffers, on_verify, session);
    if (session->tls == NULL) {
        stream_close(&tcp->stream, true);
        free(session);
        return;
    }
    tls_stream_select_by_name(session->tls, on_select);
    tls_stream_allow_resumption(session->tls, context->tickets, on_resume);
    session->trust = listener->trust;
    tcp->stream.on_ready = on_ready;
    tcp->stream.owner = session;
    session->peer = (struct peer){
        .context = context,
        .snapshot = snapshot_ref(context->snapshot),
        .listener = listener,
        .stream = tls_stream_stream(session->tls),
        .address = *peer,
        .port = peer_port,
        .not_after_s = NEVER_S, // until a certificate is verified
        .wake = on_ready,
        .judge_again = judge_again,
        .owner = session,
    };
    session->is_first = true;
    session->since_ms = context->now_ms;
    ev_timer_init(&session->timer, on_timer, 0., 0.);
    session->timer.data = session;
    TAILQ_INSERT_TAIL(&context->by_state[SESSION_HANDSHAKE], session, link);
    context->state_counts[SESSION_HANDSHAKE]++;
    context->counters.accepted++;
    drive(session);
}

size_t sessions_live(const struct session_context *context)
{
    return (size_t)(context->counters.accepted - context->counters.closed) -
           context->state_counts[SESSION_DEAD];
}

void sessions_begin_drain(struct session_context *context)
{
    context->is_draining = true;
    struct session *session = TAILQ_FIRST(&context->by_state[SESSION_SERVING]);
    while (session != NULL) {
        struct session *next = TAILQ_NEXT(session, link);
        if (session->exchange == NULL) {
            begin_closing(session);
            drive(session);
        }
        session = next;
    }
}

void sessions_end_all(struct session_context *context, enum reason reason)
{
    for (size_t state = 0; state < SESSION_DEAD; state++) {
        struct session *session = TAILQ_FIRST(&context->by_state[state]);
        while (session != NULL) {
            struct session *next = TAILQ_NEXT(session, link);
            if (session->exchange != NULL)
                exchange_end(session->exchange, reason);
            kill_session(session, true);
            session = next;
        }
    }
}

void sessions_adopt(struct session_context *context, struct snapshot *snapshot)
{
    context->snapshot = snapshot;
    struct session *session = NULL;
    TAILQ_FOREACH(session, &context->by_state[SESSION_SERVING], link)
    {
        if (session->exchange == NULL || session->is_in_sweep)
            continue;
        session->is_in_sweep = true;
        TAILQ_INSERT_TAIL(&context->sweep, session, sweep_link);
    }
    ev_timer_stop(context->loop, &context->sweep_turn);
    ev_timer_set(&context->sweep_turn, 0., 0.);
    ev_timer_start(context->loop, &context->sweep_turn);
}

// close_reason_of gives the word for a tunnel that ends because its session has lost its right.
static enum reason close_reason_of(enum reason reason)
{
    if (reason == REASON_REVOKED || reason == REASON_DENIED_CERTIFICATE)
        return REASON_REVOKED;
    return reason == REASON_EXPIRED ? reason : REASON_POLICY_CHANGED;
}

// sweep_session judges one again, and its tunnel.
static void sweep_session(struct session *session)
{
    if (session->state != SESSION_SERVING || session->exchange == NULL)
        return;
    const enum reason reason = judge_session(session, exchange_is_tunnel(session->exchange));
    if (reason == REASON_NONE)
        exchange_judge_again(session->exchange);
    else if (exchange_is_tunnel(session->exchange))
        exchange_end(session->exchange, close_reason_of(reason));
    drive(session);
}

void sessions_sweep(struct session_context *context)
{
    const ev_tstamp until_s = ev_time() + SWEEP_TURN_US / 1e6;
    while (!TAILQ_EMPTY(&context->sweep) && ev_time() < until_s) {
        struct session *session = TAILQ_FIRST(&context->sweep);
        TAILQ_REMOVE(&context->sweep, session, sweep_link);
        session->is_in_sweep = false;
        sweep_session(session);
    }
    if (!TAILQ_EMPTY(&context->sweep))
        ev_timer_start(context->loop, &context->sweep_turn);
}

static void free_session(struct session *session)
{
    struct session_context *context = session->peer.context;
    if (session->is_in_sweep)
        TAILQ_REMOVE(&context->sweep, session, sweep_link);
    if (session->is_ready)
        TAILQ_REMOVE(&context->ready, session, ready_link);
    if (session->exchange != NULL) {
        exchange_end(session->exchange, REASON_KILLED);
        exchange_destroy(session->exchange);
    }
    tls_stream_destroy(session->tls);
    identity_destroy(session->identity);
    identity_destroy(session->offered.identity);
    identity_destroy(session->refusal.presented);
    peer_deinit(&session->peer);
    session->magic = 0;
    free(session);
    context->counters.closed++;
}

void sessions_reap(struct session_context *context)
{
    struct session_list *dead = &context->by_state[SESSION_DEAD];
    while (!TAILQ_EMPTY(dead)) {
        struct session *session = TAILQ_FIRST(dead);
        TAILQ_REMOVE(dead, session, link);
        context->state_counts[SESSION_DEAD]--;
        free_session(session);
    }
}

void sessions_drive_ready(struct session_context *context)
{
    struct session_list ready = TAILQ_HEAD_INITIALIZER(ready);
    TAILQ_CONCAT(&ready, &context->ready, ready_link);
    while (!TAILQ_EMPTY(&ready)) {
        struct session *session = TAILQ_FIRST(&ready);
        TAILQ_REMOVE(&ready, session, ready_link);
        session->is_ready = false;
        drive(session);
    }
}
