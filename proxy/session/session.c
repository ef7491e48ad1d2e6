// The life of a connection: its requests one after the other, its deadlines, its end. `states` is the table of its states;
// `enter` is the only function that writes the state.
#include "proxy/session/session.h"

#include <stddef.h>
#include <stdlib.h>

#include "proxy/limits/ledger.h"
#include "proxy/limits/sources.h"
#include "proxy/net/linger.h"
#include "proxy/session/arrival.h"
#include "proxy/session/handshake.h"
#include "proxy/session/refusing.h"
#include "proxy/session/upstream_pool.h"

enum {
    LINGER_MAX_SESSIONS = 1024, // of a worker; more are closed without lingering
    // a connection waits so long before it has to make room for another client's
    IDLE_LEAST_MS = 1000,
    IDLE_LOOKED_AT = 32, // idle connections that are compared where one has to go
};

// A state: what is done in it, what it waits for, for how long, what comes when that is over, and what may follow.
struct state_row {
    enum session_step (*step)(struct session *session);
    void (*update_interest)(struct session *session);
    size_t timeout;                                        // offset in struct timeouts
    int64_t (*deadline_ms)(const struct session *session); // NULL: `timeout` after the state began
    enum session_step (*on_deadline)(struct session *session); // NULL: `late` says it all
    enum session_step late;                                    // what comes then
    uint8_t next;                                              // bits of enum session_state
};

static const struct state_row states[SESSION_STATE_COUNT];

// keep_mark keeps the session in, or out of, a list of the context.
static void keep_mark(struct session_marks *list, struct session_mark *mark,
                      struct session *session)
{
    if (session != NULL && mark->session == NULL)
        TAILQ_INSERT_TAIL(list, mark, link);
    if (session == NULL && mark->session != NULL)
        TAILQ_REMOVE(list, mark, link);
    mark->session = session;
}

// keep_asking keeps the session in, or out of, the list of handshakes that wait for OCSP.
static void keep_asking(struct session *session, bool is_asking)
{
    struct session_context *context = session->peer.context;
    const bool was_asking = session->asking.mark.session != NULL;
    keep_mark(&context->asking, &session->asking.mark, is_asking ? session : NULL);
    if (is_asking && !was_asking)
        context->asking_count++;
    if (!is_asking && was_asking)
        context->asking_count--;
}

static void enter(struct session *session, enum session_state state)
{
    struct session_context *context = session->peer.context;
    ASSERT((states[session->state].next & 1 << state) != 0);
    if (context->scan_next == session)
        context->scan_next = TAILQ_NEXT(session, link);
    if (session->is_half_open) // every way out of HANDSHAKE comes by here
        sources_end(context->sources, &session->peer.address);
    session->is_half_open = false;
    keep_mark(&context->idle, &session->idle, NULL);
    keep_mark(&context->unwatched, &session->unwatched, NULL);
    keep_asking(session, false);
    if (state == SESSION_DEAD) {
        peer_leave(&session->peer);
        ledger_give_session(context->ledger);
    }
    TAILQ_REMOVE(&context->by_state[session->state], session, link);
    context->state_counts[session->state]--;
    session->state = state;
    TAILQ_INSERT_TAIL(&context->by_state[state], session, link);
    context->state_counts[state]++;
    session->since_ms = context->now_ms;
}

void session_kill(struct session *session, bool is_reset)
{
    if (session->state == SESSION_DEAD)
        return;
    upstream_pool_close(session->peer.upstreams);
    stream_close(session->channel.stream, is_reset);
    deadline_stop(&session->deadline, session->peer.context->loop);
    enter(session, SESSION_DEAD);
}

// hang_up says goodbye as far as that goes out at once, and closes the socket: room is needed.
static void hang_up(struct session *session)
{
    if (session->multiplex != NULL)
        multiplex_hang_up(session->multiplex);
    if (stream_finish(session->channel.stream) != ERR_OK) {
        // What does not go out at once is not waited for.
    }
    session_kill(session, false);
}

void session_begin_closing(struct session *session)
{
    upstream_pool_close(session->peer.upstreams);
    if (session->peer.context->state_counts[SESSION_CLOSING] >= LINGER_MAX_SESSIONS)
        hang_up(session);
    else
        enter(session, SESSION_CLOSING);
}

void session_leave(struct session *session)
{
    if (session->state == SESSION_SERVING && session->multiplex != NULL)
        multiplex_drain(session->multiplex);
    else if (session->state == SESSION_REFUSING ||
             (session->state == SESSION_SERVING && session->exchange == NULL))
        session_begin_closing(session);
    session_drive(session);
}

void session_retire(struct session *session)
{
    if (!session->is_first)
        session_leave(session);
    else if (session->multiplex != NULL)
        multiplex_announce_drain(session->multiplex);
}

// ---- room ---------------------------------------------------------------------------------------

// most_held finds the one whose client has most connections, among those that have waited longest; NULL: all have come
// but now, and are about to ask.
static struct session *most_held(const struct session_context *context)
{
    struct session *found = NULL;
    const struct session_mark *at = TAILQ_FIRST(&context->idle);
    for (size_t i = 0; i < IDLE_LOOKED_AT && at != NULL; i++, at = TAILQ_NEXT(at, link)) {
        if (context->now_ms - at->session->since_ms < IDLE_LEAST_MS)
            return found;
        if (found == NULL || at->session->peer.account->sessions > found->peer.account->sessions)
            found = at->session;
    }
    return found;
}

// longest_idle finds the connection of this client that has waited longest; NULL: there is none.
static struct session *longest_idle(const struct session_context *context,
                                    const struct account *account)
{
    const struct session_mark *at = NULL;
    TAILQ_FOREACH(at, &context->idle, link)
    {
        if (at->session->peer.account == account)
            return at->session;
    }
    return NULL;
}

// end_late_arrival ends the one that has waited longest for its PROXY header. False: none waits, or all have come but now, and
// their balancer's header is on its way.
static bool end_late_arrival(struct session_context *context)
{
    struct session *oldest = TAILQ_FIRST(&context->by_state[SESSION_PROXY_HEADER]);
    if (oldest == NULL || context->now_ms - oldest->since_ms < IDLE_LEAST_MS)
        return false;
    arrival_refuse(oldest, REASON_LIMIT_SESSIONS,
                   "another connection needs its place, and its PROXY header has not come "
                   "(limits.sessions)");
    session_kill(oldest, true);
    return true;
}

bool sessions_make_room(struct session_context *context, const struct account *account)
{
    if (account == NULL && end_late_arrival(context))
        return true;
    struct session *found = account == NULL ? most_held(context) : longest_idle(context, account);
    if (found == NULL)
        return false;
    hang_up(found);
    return true;
}

// has_share tells whether the client may have this connection: one that has more than are left for all may not. Its
// idle ones are ended first.
static bool has_share(const struct peer *peer)
{
    struct session_context *context = peer->context;
    while (!ledger_is_fair(context->ledger, peer->account)) {
        if (!sessions_make_room(context, peer->account))
            return false;
    }
    return true;
}

static void enqueue_ready(struct session *session)
{
    turn_enqueue(&session->peer.context->ready, &session->turn, &session->channel);
}

static void on_output(void *owner)
{
    enqueue_ready(owner);
}

// begin_serving makes what the client's protocol needs. False without memory.
static bool begin_serving(struct session *session)
{
    if (!tls_stream_is_http2(session->peer.tls))
        return true;
    tcp_stream_limit_unsent(&session->tcp, BUFFER_CAP);
    session->multiplex =
        multiplex_create(&session->peer, session->channel.stream, on_output, session);
    // The handshake took longer than the beginning of the end.
    if (session->multiplex != NULL && session->peer.context->is_draining)
        multiplex_drain(session->multiplex);
    else if (session->multiplex != NULL && session->peer.context->is_leaving)
        multiplex_announce_drain(session->multiplex);
    return session->multiplex != NULL;
}

static void serve(struct session *session)
{
    if (has_share(&session->peer)) {
        if (begin_serving(session))
            enter(session, SESSION_SERVING);
        else
            session_kill(session, true);
        return;
    }
    session->refusal.detail =
        "this client has more connections than there are left for all (limits.sessions)";
    session->refusal.reason = REASON_LIMIT_SESSIONS;
    handshake_record_refusal(session, REASON_LIMIT_SESSIONS);
    hang_up(session);
}

// ---- steps --------------------------------------------------------------------------------------

// await_request waits for the first byte of the next request.
static enum session_step await_request(struct session *session)
{
    struct channel *channel = &session->channel;
    const enum err error = channel->inbox_len > 0 ? ERR_OK : channel_fill(channel);
    if (error == ERR_AGAIN)
        return session->peer.context->is_leaving && !session->is_first ? SESSION_STEP_CLOSE
                                                                       : SESSION_STEP_WAIT;
    if (error != ERR_OK)
        return error == ERR_EOF ? SESSION_STEP_CLOSE : SESSION_STEP_RESET;
    session->exchange = exchange_create(channel);
    session->is_first = false;
    return session->exchange == NULL ? SESSION_STEP_RESET : SESSION_STEP_AGAIN;
}

// take_outcome goes on after an exchange.
static enum session_step take_outcome(struct session *session)
{
    const enum exchange_outcome outcome = session->exchange->ending.outcome;
    exchange_destroy(session->exchange);
    session->exchange = NULL;
    session->since_ms = session->peer.context->now_ms;
    if (outcome != EXCHANGE_KEEP)
        return outcome == EXCHANGE_CLOSE ? SESSION_STEP_CLOSE : SESSION_STEP_RESET;
    if (session->channel.inbox_len == 0)
        return SESSION_STEP_AGAIN;
    return SESSION_STEP_MORE; // one request a turn, however many have come at once
}

// is_held_back tells whether the handshake is still to begin: nothing is read before.
static bool is_held_back(const struct session *session)
{
    return session->state == SESSION_HANDSHAKE && session->since_ms > session->peer.context->now_ms;
}

// step_handshake takes the handshake's next step, where this pass of the loop has time left for such: a
// signature takes as long as a hundred small messages of tunnels, which are waiting, too.
static enum session_step step_handshake(struct session *session)
{
    struct turn *handshakes = &session->peer.context->handshakes;
    if (is_held_back(session))
        return SESSION_STEP_WAIT;
    if (turn_is_spent(handshakes)) {
        turn_enqueue(handshakes, &session->turn, session);
        return SESSION_STEP_WAIT;
    }
    const int64_t begun_us = monotonic_us();
    const enum session_step next = handshake_step(session);
    handshakes->spent_us += monotonic_us() - begun_us;
    return next;
}

// step_multiplex goes on with all requests of an HTTP/2 connection.
static enum session_step step_multiplex(struct session *session)
{
    struct multiplex *multiplex = session->multiplex;
    const enum http2_status status = multiplex_step(multiplex);
    const int64_t used_ms = multiplex_used_ms(multiplex);
    session->is_first = session->is_first && used_ms == 0;
    session->since_ms = used_ms > session->since_ms ? used_ms : session->since_ms;
    switch (status) {
    case HTTP2_MORE:
        return SESSION_STEP_MORE;
    case HTTP2_WAITS:
        break;
    case HTTP2_FINISHED:
    case HTTP2_WRONG:
        return SESSION_STEP_CLOSE;
    case HTTP2_BROKEN:
        return SESSION_STEP_RESET;
    }
    return SESSION_STEP_WAIT;
}

static enum session_step step_serving(struct session *session)
{
    if (session->multiplex != NULL)
        return step_multiplex(session);
    if (session->exchange == NULL)
        return await_request(session);
    const enum exchange_step next = exchange_step(session->exchange);
    if (next == EXCHANGE_STEP_DONE)
        return take_outcome(session);
    if (next == EXCHANGE_STEP_MORE)
        return SESSION_STEP_MORE;
    return next == EXCHANGE_STEP_AGAIN ? SESSION_STEP_AGAIN : SESSION_STEP_WAIT;
}

// say_end sends what is left, close_notify and FIN.
static enum err say_end(struct session *session)
{
    if (session->has_said_end)
        return ERR_OK;
    const enum err error =
        stream_finish(session->is_plain ? &session->tcp.stream : session->channel.stream);
    session->has_said_end = error == ERR_OK;
    return error;
}

static enum session_step step_closing(struct session *session)
{
    struct channel *channel = &session->channel;
    const enum err said = say_end(session);
    if ((said != ERR_OK && said != ERR_AGAIN) || (channel->has_end && said == ERR_OK))
        return SESSION_STEP_END;
    enum err dropped = ERR_AGAIN;
    if (!channel->has_end)
        dropped = linger_drop(&session->tcp.stream, &session->peer.context->buffers,
                              &session->dropped_len);
    if (dropped == ERR_AGAIN)
        return SESSION_STEP_WAIT;
    channel->has_end = dropped == ERR_EOF;
    return dropped == ERR_EOF ? SESSION_STEP_AGAIN : SESSION_STEP_END;
}

// ---- what the states wait for -------------------------------------------------------------------

static void want_header(struct session *session)
{
    stream_want(&session->tcp.stream, true, false);
}

static void want_hello(struct session *session)
{
    const struct tls_stream *tls = session->peer.tls;
    const bool may_read = !tls_stream_is_waiting(tls) || tls_stream_may_look(tls);
    stream_want(session->channel.stream, may_read && !is_held_back(session), false);
}

static void want_refusing(struct session *session)
{
    if (session->refusing != NULL)
        http2_session_update_interest(session->refusing);
    else
        stream_want(session->channel.stream, true, false);
}

static void want_serving(struct session *session)
{
    if (session->multiplex != NULL)
        multiplex_update_interest(session->multiplex);
    else if (session->exchange != NULL)
        exchange_update_interest(session->exchange);
    else
        stream_want(session->channel.stream, true, false);
}

static void want_end(struct session *session)
{
    stream_want(&session->tcp.stream, !session->channel.has_end, !session->has_said_end);
}

bool session_is_idle(const struct session *session)
{
    return session->multiplex != NULL ? multiplex_is_idle(session->multiplex)
                                      : session->exchange == NULL;
}

struct exchange *session_next_exchange(const struct session *session,
                                       const struct exchange *exchange)
{
    if (session->multiplex != NULL)
        return multiplex_next(session->multiplex, exchange);
    return exchange == NULL ? session->exchange : NULL;
}

// ---- deadlines ----------------------------------------------------------------------------------

// idle_ends_ms gives when a connection without a request has waited long enough.
static int64_t idle_ends_ms(const struct session *session)
{
    const struct timeouts *timeouts = &session->peer.snapshot->timeouts;
    return session->since_ms + (session->is_first ? timeouts->request_ms : timeouts->keepalive_ms);
}

static int64_t serving_deadline_ms(const struct session *session)
{
    if (session->exchange != NULL)
        return exchange_deadline_ms(session->exchange);
    const int64_t due_ms =
        session->multiplex == NULL ? INT64_MAX : multiplex_deadline_ms(session->multiplex);
    return session_is_idle(session) ? deadline_sooner(due_ms, idle_ends_ms(session)) : due_ms;
}

static enum session_step header_is_late(struct session *session)
{
    arrival_refuse(session, REASON_PROXY_HEADER_TIMEOUT,
                   "the PROXY header did not come within the listener's proxy_protocol.wait");
    return SESSION_STEP_END;
}

// handshake_ends_ms gives when a handshake has taken too long, or has waited long enough for OCSP.
static int64_t handshake_ends_ms(const struct session *session)
{
    const int64_t ends_ms = session->since_ms + session->peer.snapshot->timeouts.handshake_ms;
    return tls_stream_is_waiting(session->peer.tls)
               ? deadline_sooner(ends_ms, session->asking.until_ms)
               : ends_ms;
}

static enum session_step handshake_is_late(struct session *session)
{
    const int64_t ends_ms = session->since_ms + session->peer.snapshot->timeouts.handshake_ms;
    if (session->peer.context->now_ms < ends_ms)
        return SESSION_STEP_AGAIN; // nobody has answered: the handshake goes on without
    handshake_record_refusal(session, REASON_TIMEOUT);
    return SESSION_STEP_END;
}

static enum session_step serving_is_late(struct session *session)
{
    const int64_t now_ms = session->peer.context->now_ms;
    if (session->exchange != NULL) {
        exchange_on_deadline(session->exchange);
        return SESSION_STEP_AGAIN;
    }
    if (session->multiplex == NULL)
        return SESSION_STEP_CLOSE;
    if (!session_is_idle(session) || idle_ends_ms(session) > now_ms) {
        multiplex_on_deadline(session->multiplex);
        return SESSION_STEP_AGAIN;
    }
    if (multiplex_is_leaving(session->multiplex))
        return SESSION_STEP_CLOSE; // it takes nothing of what we say
    session->since_ms = now_ms;
    multiplex_drain(session->multiplex);
    return SESSION_STEP_AGAIN;
}

#define STATE(name)   (1 << SESSION_##name)
#define TIMEOUT(name) offsetof(struct timeouts, name##_ms)

static const struct state_row states[SESSION_STATE_COUNT] = {
    [SESSION_PROXY_HEADER] = {arrival_step, want_header, TIMEOUT(handshake), arrival_ends_ms,
                              header_is_late, SESSION_STEP_END, STATE(HANDSHAKE) | STATE(DEAD)},
    [SESSION_HANDSHAKE] = {step_handshake, want_hello, TIMEOUT(handshake), handshake_ends_ms,
                           handshake_is_late, SESSION_STEP_END,
                           STATE(REFUSING) | STATE(SERVING) | STATE(CLOSING) | STATE(DEAD)},
    [SESSION_SERVING] = {step_serving, want_serving, TIMEOUT(keepalive), serving_deadline_ms,
                         serving_is_late, SESSION_STEP_CLOSE, STATE(CLOSING) | STATE(DEAD)},
    [SESSION_REFUSING] = {refusing_step, want_refusing, TIMEOUT(request), NULL, NULL,
                          SESSION_STEP_CLOSE, STATE(CLOSING) | STATE(DEAD)},
    [SESSION_CLOSING] = {step_closing, want_end, TIMEOUT(linger), NULL, NULL, SESSION_STEP_END,
                         STATE(DEAD)},
};

static int64_t deadline_ms(const struct session *session)
{
    const struct state_row *row = &states[session->state];
    const char *timeouts = (const char *)&session->peer.snapshot->timeouts;
    if (row->deadline_ms != NULL)
        return row->deadline_ms(session);
    return session->since_ms + *(const int64_t *)(const void *)(timeouts + row->timeout);
}

// turn_ms gives when a shaped tunnel, or a handshake that is held back, goes on by itself.
static int64_t turn_ms(const struct session *session)
{
    if (is_held_back(session))
        return session->since_ms;
    const bool has_exchange = session->state == SESSION_SERVING && session->exchange != NULL;
    return has_exchange ? exchange_turn_ms(session->exchange) : INT64_MAX;
}

// acknowledge_handshake is for a client whose request is still to come, or the rest of it: it may hold that back until its last
// message is acknowledged. One that has said all it wants to say waits for nothing.
static void acknowledge_handshake(struct session *session)
{
    if (session->state == SESSION_SERVING &&
        (session->exchange == NULL || exchange_awaits_head(session->exchange)))
        tcp_stream_acknowledge(&session->tcp);
    session->channel.owes_ack = false;
}

// update_interest works out, from the state alone, what to wait for and until when.
static void update_interest(struct session *session)
{
    struct session_context *context = session->peer.context;
    if (session->state == SESSION_DEAD)
        return;
    states[session->state].update_interest(session);
    if (session->channel.owes_ack)
        acknowledge_handshake(session);
    const bool is_idle = session->state == SESSION_SERVING && session_is_idle(session);
    const bool is_unwatched = session->exchange != NULL && tcp_stream_is_unwatched(&session->tcp);
    keep_asking(session,
                session->state == SESSION_HANDSHAKE && tls_stream_is_waiting(session->peer.tls));
    keep_mark(&context->idle, &session->idle, is_idle ? session : NULL);
    keep_mark(&context->unwatched, &session->unwatched, is_unwatched ? session : NULL);
    deadline_set(&session->deadline, context->loop,
                 deadline_sooner(deadline_ms(session), turn_ms(session)), context->now_ms);
}

// go_on does what a step asks for. True: another step may be possible.
static bool go_on(struct session *session, enum session_step next)
{
    switch (next) {
    case SESSION_STEP_WAIT:
        return false;
    case SESSION_STEP_AGAIN:
        break;
    case SESSION_STEP_MORE:
        enqueue_ready(session);
        return false;
    case SESSION_STEP_SHAKE:
        enter(session, SESSION_HANDSHAKE);
        arrival_leave_for_handshake(session);
        break;
    case SESSION_STEP_SERVE:
        serve(session);
        break;
    case SESSION_STEP_REFUSE:
        enter(session, SESSION_REFUSING);
        break;
    case SESSION_STEP_CLOSE:
        session_begin_closing(session);
        break;
    case SESSION_STEP_END:
    case SESSION_STEP_RESET:
        session_kill(session, next == SESSION_STEP_RESET);
        break;
    }
    return true;
}

void session_drive(struct session *session)
{
    while (session->state != SESSION_DEAD && go_on(session, states[session->state].step(session))) {
    }
    update_interest(session);
}

static void drive(void *owner)
{
    session_drive(owner);
}

static void on_deadline(void *owner)
{
    struct session *session = owner;
    ASSERT(session->magic == SESSION_MAGIC);
    const struct state_row *row = &states[session->state];
    if (deadline_ms(session) <= session->peer.context->now_ms)
        (void)go_on(session, row->on_deadline == NULL ? row->late : row->on_deadline(session));
    session_drive(session);
}

// on_ready drives the session, unless it is one that moves much: those wait until all others have had
// their turn.
static void on_ready(void *owner)
{
    struct session *session = owner;
    ASSERT(session->magic == SESSION_MAGIC);
    if (session->exchange != NULL && exchange_is_heavy(session->exchange))
        enqueue_ready(session);
    else
        session_drive(session);
}

void session_start(struct session *session)
{
    struct session_context *context = session->peer.context;
    session->tcp.stream.on_ready = on_ready;
    session->tcp.stream.owner = session;
    session->channel.stream->on_ready = on_ready; // streams to targets copy it
    session->channel.stream->owner = session;
    session->channel.drive = drive;
    deadline_init(&session->deadline, on_deadline, session);
    TAILQ_INSERT_TAIL(&context->by_state[session->state], session, link);
    context->state_counts[session->state]++;
    context->counters.accepted++;
    const size_t live = sessions_live(context);
    context->peak_since_trim = live > context->peak_since_trim ? live : context->peak_since_trim;
    context->peak_since_start = live > context->peak_since_start ? live : context->peak_since_start;
    session_drive(session);
}

void session_destroy(struct session *session)
{
    struct session_context *context = session->peer.context;
    ASSERT(session->state == SESSION_DEAD);
    TAILQ_REMOVE(&context->by_state[SESSION_DEAD], session, link);
    context->state_counts[SESSION_DEAD]--;
    turn_leave(&session->turn);
    turn_leave(&session->sweep);
    exchange_end(session->exchange, REASON_KILLED);
    exchange_destroy(session->exchange);
    multiplex_destroy(session->multiplex);
    refusing_deinit(session);
    arrival_destroy(session->arrival);
    identity_destroy(session->offer.identity);
    identity_destroy(session->refusal.presented);
    channel_deinit(&session->channel);
    peer_deinit(&session->peer);
    session->magic = 0;
    free(session);
    context->counters.closed++;
}
