// The life of a connection: its state, its requests one after the other, its deadlines, its end. The only
// function that writes the state is session_enter.
#include "proxy/session/session.h"

#include <stdlib.h>
#include <unistd.h>

#include "proxy/limits/ledger.h"
#include "proxy/session/arrival.h"
#include "proxy/session/session_internal.h"
#include "proxy/session/upstream_pool.h"

enum {
    LINGER_MAX_LEN = 256 * 1024, // bytes of a refused client that are read and dropped
    LINGER_MAX_SESSIONS = 1024,  // of a worker; more are closed without lingering
    SHAKING_TURN_US = 1000,      // microseconds of a pass of the loop that go into handshakes
    READY_TURN_US = 100,         // likewise into tunnels that move much; one step at least
    IDLE_LEAST_MS =
        1000, // a connection waits so long before it has to make room for another client's
    IDLE_LOOKED_AT = 32, // idle connections that are compared where one has to go
};

// enqueue lets the session wait in `queue` for `turn`, a timer of length zero.
static void enqueue(struct session *session, struct session_list *queue, ev_timer *turn)
{
    struct ev_loop *loop = session->peer.context->loop;
    if (session->queue != NULL)
        return;
    session->queue = queue;
    TAILQ_INSERT_TAIL(queue, session, queue_link);
    if (!ev_is_active(turn)) {
        ev_timer_set(turn, 0., 0.);
        ev_timer_start(loop, turn);
    }
}

static void enqueue_ready(struct session *session)
{
    enqueue(session, &session->peer.context->ready, &session->peer.context->kick);
}

static void leave_queue(struct session *session)
{
    if (session->queue != NULL)
        TAILQ_REMOVE(session->queue, session, queue_link);
    session->queue = NULL;
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

// note_idle and note_deaf keep the session in, or out of, the lists of the context.
static void note_idle(struct session *session, bool is_idle)
{
    struct session_list *idle = &session->peer.context->idle;
    if (is_idle && !session->is_idle)
        TAILQ_INSERT_TAIL(idle, session, idle_link);
    if (!is_idle && session->is_idle)
        TAILQ_REMOVE(idle, session, idle_link);
    session->is_idle = is_idle;
}

static void note_deaf(struct session *session, bool is_deaf)
{
    struct session_list *deaf = &session->peer.context->deaf;
    if (is_deaf && !session->is_deaf)
        TAILQ_INSERT_TAIL(deaf, session, deaf_link);
    if (!is_deaf && session->is_deaf)
        TAILQ_REMOVE(deaf, session, deaf_link);
    session->is_deaf = is_deaf;
}

void session_enter(struct session *session, enum session_state state)
{
    ASSERT(is_legal(session->state, state));
    struct session_context *context = session->peer.context;
    if (context->survey_next == session)
        context->survey_next = TAILQ_NEXT(session, link);
    if (session->is_half_open) // every way out of HANDSHAKE comes by here
        arrival_end_handshake(context, &session->peer.address);
    session->is_half_open = false;
    note_idle(session, false);
    note_deaf(session, false);
    if (state == SESSION_DEAD) {
        peer_leave(&session->peer);
        arrival_give_session(context);
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
    stream_close(tls_stream_stream(session->tls), is_reset);
    ev_timer_stop(session->peer.context->loop, &session->timer);
    session_enter(session, SESSION_DEAD);
}

void session_hang_up(struct session *session)
{
    if (stream_finish(tls_stream_stream(session->tls)) != ERR_OK) {
        // What does not go out at once is not waited for.
    }
    session_kill(session, false);
}

void session_begin_closing(struct session *session)
{
    upstream_pool_close(session->peer.upstreams);
    if (session->peer.context->state_counts[SESSION_CLOSING] >= LINGER_MAX_SESSIONS) {
        session_hang_up(session);
        return;
    }
    session_enter(session, SESSION_CLOSING);
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
            session_begin_closing(session);
            return true;
        }
        if (error != ERR_OK) {
            if (error == ERR_EOF)
                session_begin_closing(session);
            else
                session_kill(session, true);
            return true;
        }
    }
    session->exchange = exchange_create(peer);
    if (session->exchange == NULL)
        session_kill(session, true);
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
        session_begin_closing(session);
        return;
    case EXCHANGE_RESET:
        session_kill(session, true);
        return;
    }
}

// is_held_back tells whether the handshake is still to begin: nothing is read before.
static bool is_held_back(const struct session *session)
{
    return session->state == SESSION_HANDSHAKE && session->since_ms > session->peer.context->now_ms;
}

// step_shaking takes the handshake's next step, where this pass of the loop has time left for such: a
// signature takes as long as a hundred small messages of tunnels, which are waiting, too.
static bool step_shaking(struct session *session)
{
    struct session_context *context = session->peer.context;
    if (is_held_back(session))
        return false;
    if (context->shaking_us >= SHAKING_TURN_US) {
        enqueue(session, &context->shaking, &context->shaking_turn);
        return false;
    }
    const int64_t begun_us = monotonic_us();
    const bool may_go_on = session_step_handshake(session);
    context->shaking_us += monotonic_us() - begun_us;
    return may_go_on;
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
        enqueue_ready(session);
        return false;
    case EXCHANGE_STEP_DONE:
        take_outcome(session);
        if (session->state != SESSION_SERVING || session->peer.inbox_len == 0)
            return true;
        enqueue_ready(session); // one request a turn, however many have come at once
        return false;
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
        session_kill(session, false);
        return true;
    }
    if (session->peer.has_end && said == ERR_OK) {
        session_kill(session, false);
        return true;
    }
    const enum err dropped = session->peer.has_end ? ERR_AGAIN : drop_input(session);
    if (dropped == ERR_EOF)
        session->peer.has_end = true;
    else if (dropped != ERR_AGAIN)
        session_kill(session, false);
    return dropped != ERR_AGAIN;
}

// step does one thing; true when there may be another.
static bool step(struct session *session)
{
    switch (session->state) {
    case SESSION_HANDSHAKE:
        return step_shaking(session);
    case SESSION_SERVING:
        return step_serving(session);
    case SESSION_REFUSING:
        return session_step_refusing(session);
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

// turn_ms gives when a shaped tunnel, or a handshake that is held back, goes on by itself.
static int64_t turn_ms(const struct session *session)
{
    if (is_held_back(session))
        return session->since_ms;
    const bool has_exchange = session->state == SESSION_SERVING && session->exchange != NULL;
    return has_exchange ? exchange_turn_ms(session->exchange) : INT64_MAX;
}

// update_interest works out, from the state alone, what to wait for and until when. The timer is only
// moved when the deadline comes nearer: one that has moved away is found out when it fires.
static void update_interest(struct session *session)
{
    struct stream *stream = tls_stream_stream(session->tls);
    switch (session->state) {
    case SESSION_HANDSHAKE:
    case SESSION_REFUSING:
        stream_want(stream, !is_held_back(session), false);
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
    note_idle(session, session->state == SESSION_SERVING && session->exchange == NULL);
    note_deaf(session, session->exchange != NULL && tcp_stream_is_deaf(&session->tcp));
    const int64_t due_ms = sooner(deadline_ms(session), turn_ms(session));
    if (ev_is_active(&session->timer) && due_ms >= session->timer_due_ms)
        return;
    struct session_context *context = session->peer.context;
    const int64_t wait_ms = due_ms > context->now_ms ? due_ms - context->now_ms : 0;
    ev_timer_stop(context->loop, &session->timer);
    ev_timer_set(&session->timer, (ev_tstamp)wait_ms / 1000., 0.);
    ev_timer_start(context->loop, &session->timer);
    session->timer_due_ms = due_ms;
}

void session_drive(struct session *session)
{
    while (step(session)) {
    }
    update_interest(session);
}

// act_on_exchange_deadline ends a tunnel with its certificate; before that, requests look for themselves.
static void act_on_exchange_deadline(struct session *session)
{
    struct exchange *exchange = session->exchange;
    if (exchange_deadline_ms(exchange) <= session->peer.context->now_ms)
        exchange_on_deadline(exchange);
    else if (session_is_expired(session))
        exchange_end(exchange, REASON_EXPIRED);
}

// act_on_deadline ends a wait that took too long.
static void act_on_deadline(struct session *session)
{
    switch (session->state) {
    case SESSION_HANDSHAKE:
        session_record_refusal(session, REASON_TIMEOUT);
        session_kill(session, false);
        return;
    case SESSION_SERVING:
        if (session->exchange != NULL)
            act_on_exchange_deadline(session);
        else
            session_begin_closing(session);
        return;
    case SESSION_REFUSING:
        session_begin_closing(session);
        return;
    case SESSION_CLOSING:
        session_kill(session, false);
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
    session_drive(session);
}

// create makes a session of a socket, which is closed where there is no memory.
static struct session *create(struct session_context *context,
                              const struct listener_config *listener, int fd)
{
    struct session *session = calloc(1, sizeof *session);
    struct tcp_stream unowned;
    struct tcp_stream *tcp = session == NULL ? &unowned : &session->tcp;
    tcp_stream_init(tcp, context->loop, fd);
    if (session != NULL) {
        session->magic = SESSION_MAGIC;
        session->tls = tls_stream_create(listener->tls, &tcp->stream, &context->buffers,
                                         session_on_verify, session);
    }
    if (session != NULL && session->tls != NULL)
        return session;
    stream_close(&tcp->stream, true);
    free(session);
    return NULL;
}

// begin puts a new session into its first state.
static void begin(struct session *session, const struct arrival *arrival)
{
    struct session_context *context = session->peer.context;
    tls_stream_select_by_name(session->tls, session_on_select);
    tls_stream_allow_resumption(session->tls, context->tickets, session_on_resume);
    session->trust = arrival->listener->trust;
    session->tcp.stream.on_ready = on_ready;
    session->tcp.stream.owner = session;
    session->peer.stream->on_ready = on_ready; // and with it streams to targets
    session->peer.stream->owner = session;
    session->is_first = true;
    session->is_half_open = arrival->is_half_open;
    session->since_ms = context->now_ms + arrival->wait_ms;
    ev_timer_init(&session->timer, on_timer, 0., 0.);
    session->timer.data = session;
    TAILQ_INSERT_TAIL(&context->by_state[SESSION_HANDSHAKE], session, link);
    context->state_counts[SESSION_HANDSHAKE]++;
    session_context_count_accepted(context);
}

void session_accept(struct session_context *context, const struct listener_config *listener, int fd,
                    const struct ip_addr *peer, uint16_t peer_port)
{
    struct arrival arrival = {.listener = listener, .address = peer, .port = peer_port};
    if (!arrival_admit(context, &arrival)) {
        (void)close(fd);
        return;
    }
    struct session *session = create(context, listener, fd);
    if (session == NULL) {
        if (arrival.is_half_open)
            arrival_end_handshake(context, peer);
        arrival_give_session(context);
        return;
    }
    session->peer = (struct peer){
        .context = context,
        .snapshot = snapshot_ref(context->snapshot),
        .listener = listener,
        .stream = tls_stream_stream(session->tls),
        .address = *peer,
        .port = peer_port,
        .not_after_s = NEVER_S, // until a certificate is verified
        .judge_again = session_judge_again,
        .owner = session,
    };
    begin(session, &arrival);
    session_drive(session);
}

size_t sessions_live(const struct session_context *context)
{
    return (size_t)(context->counters.accepted - context->counters.closed) -
           context->state_counts[SESSION_DEAD];
}

// most_held finds the one whose client has most connections, among those that have waited longest; NULL: all have come
// but now, and are about to ask.
static struct session *most_held(const struct session_context *context)
{
    struct session *found = NULL;
    struct session *at = TAILQ_FIRST(&context->idle);
    for (size_t i = 0; i < IDLE_LOOKED_AT && at != NULL; i++, at = TAILQ_NEXT(at, idle_link)) {
        if (context->now_ms - at->since_ms < IDLE_LEAST_MS)
            return found;
        if (found == NULL ||
            account_sessions(at->peer.account) > account_sessions(found->peer.account))
            found = at;
    }
    return found;
}

bool sessions_make_room(struct session_context *context, const struct account *account)
{
    struct session *found = account == NULL ? most_held(context) : TAILQ_FIRST(&context->idle);
    while (account != NULL && found != NULL && found->peer.account != account)
        found = TAILQ_NEXT(found, idle_link);
    if (found == NULL)
        return false;
    session_hang_up(found);
    return true;
}

void sessions_look_at_deaf(struct session_context *context)
{
    struct session *next = NULL;
    for (struct session *at = TAILQ_FIRST(&context->deaf); at != NULL; at = next) {
        next = TAILQ_NEXT(at, deaf_link);
        if (!tcp_stream_has_failed(&at->tcp))
            continue;
        exchange_end(at->exchange, REASON_CLIENT_RESET);
        session_drive(at);
    }
}

// end_idle ends, in an orderly way, those in a state that have nothing under way.
static void end_idle(struct session_context *context, enum session_state state)
{
    struct session *session = TAILQ_FIRST(&context->by_state[state]);
    while (session != NULL) {
        struct session *next = TAILQ_NEXT(session, link);
        if (session->exchange == NULL) {
            session_begin_closing(session);
            session_drive(session);
        }
        session = next;
    }
}

void sessions_begin_drain(struct session_context *context)
{
    context->is_draining = true;
    end_idle(context, SESSION_SERVING);
    end_idle(context, SESSION_REFUSING);
}

void sessions_end_all(struct session_context *context, enum reason reason)
{
    for (size_t state = 0; state < SESSION_DEAD; state++) {
        struct session *session = TAILQ_FIRST(&context->by_state[state]);
        while (session != NULL) {
            struct session *next = TAILQ_NEXT(session, link);
            if (session->exchange != NULL)
                exchange_end(session->exchange, reason);
            session_kill(session, true);
            session = next;
        }
    }
}

static void free_session(struct session *session)
{
    struct session_context *context = session->peer.context;
    if (session->is_in_sweep)
        TAILQ_REMOVE(&context->sweep, session, sweep_link);
    leave_queue(session);
    if (session->exchange != NULL) {
        exchange_end(session->exchange, REASON_KILLED);
        exchange_destroy(session->exchange);
    }
    tls_stream_destroy(session->tls);
    identity_destroy(session->identity);
    identity_destroy(session->offer.identity);
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
    // Those that are queued anew meanwhile stand behind the last one of now.
    const struct session *last = TAILQ_LAST(&context->ready, session_list);
    const struct session *driven = NULL;
    const int64_t until_us = monotonic_us() + READY_TURN_US;
    while (driven != last && monotonic_us() < until_us) {
        struct session *session = TAILQ_FIRST(&context->ready);
        leave_queue(session);
        session_drive(session);
        driven = session;
    }
    if (!TAILQ_EMPTY(&context->ready) && !ev_is_active(&context->kick))
        ev_timer_start(context->loop, &context->kick);
}

void sessions_drive_shaking(struct session_context *context)
{
    while (!TAILQ_EMPTY(&context->shaking) && context->shaking_us < SHAKING_TURN_US) {
        struct session *session = TAILQ_FIRST(&context->shaking);
        leave_queue(session);
        session_drive(session);
    }
    if (!TAILQ_EMPTY(&context->shaking))
        ev_timer_start(context->loop, &context->shaking_turn);
}
