// The watchers that a worker's sessions share: clock, reaper, turns, counted refusals, free memory.
#include "proxy/session/sessions.h"

#include <malloc.h>
#include <stdlib.h>

#include "proxy/session/arrival.h"
#include "proxy/session/consent_book.h"
#include "proxy/session/guest.h"
#include "proxy/session/ocsp_hold.h"
#include "proxy/session/parents.h"
#include "proxy/session/session.h"
#include "proxy/session/scan.h"

enum {
    TRIM_SESSIONS = 1024, // at least so many sessions must have gone
    // Microseconds of a pass of the loop:
    HANDSHAKES_TURN_US = 1000, // that go into handshakes
    READY_TURN_US = 100,       // into tunnels that move much; one step at least
    SWEEP_TURN_US = 1000,      // into judging again
    SCAN_TURN_US = 2000,
    SWEEP_REQUESTS = 128, // of one connection that are judged again at once
    GUEST_WEIGHT = 8,     // so many of them is one whose certificate was passed on
};

static const ev_tstamp tick_s = 1.;

// look_at_unwatched ends the exchanges whose client has reset the connection while nothing was to be read from it
// or written to it, so that the loop does not tell. Without such sessions it costs nothing.
static void look_at_unwatched(struct session_context *context)
{
    struct session_mark *next = NULL;
    for (struct session_mark *at = TAILQ_FIRST(&context->unwatched); at != NULL; at = next) {
        struct session *session = at->session;
        next = TAILQ_NEXT(at, link);
        if (!tcp_stream_has_failed(&session->tcp))
            continue;
        exchange_end(session->exchange, REASON_CLIENT_RESET);
        session_drive(session);
    }
}

// end_idle ends, in an orderly way, those in a state that have nothing under way.
static void end_idle(struct session_context *context, enum session_state state)
{
    struct session *session = TAILQ_FIRST(&context->by_state[state]);
    while (session != NULL) {
        struct session *next = TAILQ_NEXT(session, link);
        session_leave(session);
        session = next;
    }
}

void sessions_begin_retire(struct session_context *context)
{
    context->is_leaving = true;
    struct session *session = TAILQ_FIRST(&context->by_state[SESSION_SERVING]);
    while (session != NULL) {
        struct session *next = TAILQ_NEXT(session, link);
        session_retire(session);
        session = next;
    }
}

// give_up_arrivals ends those of whom no whole PROXY header has come by now: they have asked for nothing, and could not be
// served.
static void give_up_arrivals(struct session_context *context)
{
    struct session *session = TAILQ_FIRST(&context->by_state[SESSION_PROXY_HEADER]);
    while (session != NULL) {
        struct session *next = TAILQ_NEXT(session, link);
        session_drive(session);
        if (session->state == SESSION_PROXY_HEADER) {
            context->counters.silent++;
            session_kill(session, false);
        }
        session = next;
    }
}

void sessions_begin_drain(struct session_context *context)
{
    context->is_leaving = true;
    context->is_draining = true;
    give_up_arrivals(context);
    end_idle(context, SESSION_SERVING);
    end_idle(context, SESSION_REFUSING);
}

static void end_exchanges(struct session *session, enum reason reason)
{
    struct exchange *exchange = NULL;
    while ((exchange = session_next_exchange(session, exchange)) != NULL)
        exchange_end(exchange, reason);
}

void sessions_end_all(struct session_context *context, enum reason reason)
{
    for (size_t state = 0; state < SESSION_DEAD; state++) {
        struct session *session = TAILQ_FIRST(&context->by_state[state]);
        while (session != NULL) {
            struct session *next = TAILQ_NEXT(session, link);
            end_exchanges(session, reason);
            session_kill(session, true);
            session = next;
        }
    }
}

void sessions_reap(struct session_context *context)
{
    struct session_list *dead = &context->by_state[SESSION_DEAD];
    while (!TAILQ_EMPTY(dead))
        session_destroy(TAILQ_FIRST(dead));
    parents_reap(&context->parents);
}

// ---- today's snapshot ---------------------------------------------------------------------------

// doubt_guests has the tunnels of clients judged again whose certificates this one passes on.
static void doubt_guests(const struct session *session)
{
    struct exchange *exchange = NULL;
    const struct client *client = session->peer.client;
    if (client == NULL || client->speaks_for == NULL)
        return;
    while ((exchange = session_next_exchange(session, exchange)) != NULL)
        exchange_doubt_guest(exchange);
}

void sessions_judge_again(struct session_context *context)
{
    struct session *session = NULL;
    chain_cache_clear(&context->chains);
    TAILQ_FOREACH(session, &context->by_state[SESSION_SERVING], link)
    {
        session->is_deferred = false;
        doubt_guests(session);
        if (!session_is_idle(session) || session->multiplex != NULL)
            turn_enqueue(&context->sweep, &session->sweep, session);
    }
}

void sessions_note_clock(struct session_context *context)
{
    const struct session *session = NULL;
    TAILQ_FOREACH(session, &context->by_state[SESSION_SERVING], link)
    {
        struct exchange *exchange = NULL;
        while ((exchange = session_next_exchange(session, exchange)) != NULL)
            exchange_doubt(exchange);
    }
    sessions_judge_again(context);
}

void sessions_note_answers(struct session_context *context)
{
    struct session_mark *mark = TAILQ_FIRST(&context->asking);
    while (mark != NULL) {
        struct session_mark *next = TAILQ_NEXT(mark, link);
        if (!ocsp_hold_waits(mark->session->peer.ocsp, context->now_ms))
            session_drive(mark->session);
        mark = next;
    }
    struct exchange *exchange = TAILQ_FIRST(&context->introducing);
    while (exchange != NULL) {
        struct exchange *next = TAILQ_NEXT(exchange, introducing);
        if (!guest_waits(exchange->guest))
            channel_drive(exchange->channel);
        exchange = next;
    }
}

void sessions_note_leases(struct session_context *context)
{
    struct exchange *exchange = NULL;
    TAILQ_FOREACH(exchange, &context->leasing, lease.link)
    {
        exchange_note_lease(exchange);
    }
    // Each goes to the end before it is driven: that may take it, and others, out of the list.
    size_t left = context->exchange_counts[EXCHANGE_LEASE];
    for (; left > 0 && (exchange = TAILQ_FIRST(&context->leasing)) != NULL; left--) {
        TAILQ_REMOVE(&context->leasing, exchange, lease.link);
        TAILQ_INSERT_TAIL(&context->leasing, exchange, lease.link);
        if (exchange->lease.is_due)
            channel_drive(exchange->channel);
    }
}

// count_for prepares what is counted where metrics and the page can be asked for. Without memory it is not counted.
static void count_for(struct session_context *context, const struct snapshot *snapshot)
{
    const bool is_watched = snapshot->admin != NULL;
    client_counts_adopt(&context->client_counts, is_watched ? snapshot->policy : NULL);
    if (is_watched && context->tops == NULL)
        context->tops = calloc(1, sizeof *context->tops);
    if (!is_watched) {
        free(context->tops);
        context->tops = NULL;
    }
}

// refuse_arrivals ends those that wait for the PROXY header of one that may send none any more.
static void refuse_arrivals(struct session_context *context)
{
    struct session *session = TAILQ_FIRST(&context->by_state[SESSION_PROXY_HEADER]);
    while (session != NULL) {
        struct session *next = TAILQ_NEXT(session, link);
        const struct listener_config *listener =
            snapshot_find_listener(context->snapshot, session->peer.listener);
        if (listener == NULL || !listener_config_is_balancer(listener, &session->peer.address)) {
            arrival_refuse(session, REASON_PROXY_HEADER_BAD,
                           "a reload has taken this address out of proxy_protocol.from");
            session_kill(session, true);
        }
        session = next;
    }
}

void sessions_take_resolver(struct session_context *context)
{
    const struct snapshot *snapshot = context->snapshot;
    parents_adopt(&context->parents, context->resolver, snapshot);
    consent_book_adopt(context->consents, context->resolver, snapshot->generation);
}

void sessions_adopt(struct session_context *context, struct snapshot *snapshot)
{
    context->snapshot = snapshot;
    count_for(context, snapshot);
    refuse_arrivals(context);
    sessions_take_resolver(context);
    sessions_judge_again(context);
}

static bool has_tunnel(const struct session *session)
{
    const struct exchange *exchange = NULL;
    while ((exchange = session_next_exchange(session, exchange)) != NULL) {
        if (exchange_is_tunnel(exchange))
            return true;
    }
    return false;
}

// judge_exchanges judges the tunnels of a session again, so many at once; `reason` is why its client has lost its right, or
// REASON_NONE. What waits on its way to a tunnel looks for itself. False: there are more.
static bool judge_exchanges(const struct session *session, enum reason reason)
{
    struct exchange *next = session_next_exchange(session, NULL);
    size_t left = SWEEP_REQUESTS;
    while (next != NULL) {
        struct exchange *exchange = next;
        const bool is_tunnel = exchange_is_tunnel(exchange);
        const bool is_judged = reason == REASON_NONE && is_tunnel &&
                               exchange->generation == session->peer.snapshot->generation;
        next = session_next_exchange(session, exchange);
        if (is_judged && !exchange_ends_by_time(exchange))
            continue;
        const size_t weight = exchange->guest == NULL ? 1 : GUEST_WEIGHT;
        if (!is_judged && is_tunnel && left < weight)
            return false;
        left -= !is_judged && is_tunnel ? weight : 0;
        if (reason == REASON_NONE && !is_judged)
            exchange_judge_again(exchange);
        else if (is_tunnel && !is_judged)
            exchange_end(exchange, reason_of_end(reason));
        channel_drive(exchange->channel); // also for its deadline: the clock may have been set
    }
    return true;
}

// sweep judges one again, and its tunnels. One that costs signatures waits until all the others have
// been judged: a client that was revoked does not live on meanwhile. A client of HTTP/2 that has lost its right is told that
// no more requests are taken, for it would go on with the connection.
static void sweep(void *owner)
{
    struct session *session = owner;
    struct peer *peer = &session->peer;
    if (session->state != SESSION_SERVING ||
        (session_is_idle(session) && session->multiplex == NULL))
        return;
    if (!session->is_deferred && peer_needs_signatures(peer)) {
        session->is_deferred = true;
        turn_enqueue(&peer->context->sweep, &session->sweep, session);
        return;
    }
    peer_note_expiry(peer); // the clock may have been set
    const enum reason reason = peer_revalidate(peer, has_tunnel(session));
    if (!judge_exchanges(session, reason))
        turn_enqueue(&peer->context->sweep, &session->sweep, session);
    else if (reason != REASON_NONE)
        session_leave(session);
}

// ---- the loop -----------------------------------------------------------------------------------

static void drive(void *owner)
{
    channel_drive(owner);
}

// drive_handshake drives a handshake that has waited for its turn. The queue counts its time: session.c does not count it twice.
static void drive_handshake(void *owner)
{
    struct session *session = owner;
    struct turn *handshakes = &session->peer.context->handshakes;
    const int64_t spent_us = handshakes->spent_us;
    session_drive(session);
    handshakes->spent_us = spent_us;
}

static void on_clock(struct ev_loop *loop, ev_check *check, int events)
{
    (void)loop;
    (void)events;
    struct session_context *context = check->data;
    context->now_ms = monotonic_ms();
    turn_begin_pass(&context->handshakes);
    context->guests_us = 0;
}

static void on_reap(struct ev_loop *loop, ev_prepare *prepare, int events)
{
    (void)loop;
    (void)events;
    sessions_reap(prepare->data);
}

// write_counted_requests makes one record of each finished window of counted requests.
static void write_counted_requests(struct session_context *context, bool is_final)
{
    struct refusal_slot slot;
    while (refusals_next_due(context->refused_requests, context->now_ms, is_final, &slot)) {
        const struct audit_requests requests = {
            .now_ms = wall_clock_ms(),
            .client = slot.client[0] == '\0' ? NULL : slot.client,
            .source = slot.source.family == IP_NONE ? NULL : &slot.source,
            .reason = slot.reason,
            .count = slot.counted,
        };
        audit_log_submit_bounded(context->audit, AUDIT_KIND_REQUESTS,
                                 audit_requests_create(&requests), slot.counted);
    }
}

// write_counted makes one record of each finished window of counted refusals.
static void write_counted(struct session_context *context, bool is_final)
{
    write_counted_requests(context, is_final);
    struct refusal_slot slot;
    while (refusals_next_due(context->refusals, context->now_ms, is_final, &slot)) {
        char id[17];
        session_context_make_id(context, id);
        const struct audit_refusal refusal = {
            .now_ms = wall_clock_ms(),
            .id = id,
            .listener = slot.listener,
            .address = slot.source,
            .port = slot.port,
            .reason = slot.reason,
            .detail = "counted over a second",
            .count = slot.counted,
        };
        audit_log_submit_bounded(context->audit, AUDIT_KIND_REFUSAL, audit_refusal_create(&refusal),
                                 slot.counted);
    }
}

// give_back_memory returns to the system what many sessions have left behind, once most of them have
// gone and no more are going: malloc would keep it. It takes a millisecond or two for a thousand sessions, so it is done once
// for many. Above `limits.memory` no worker keeps a spare buffer: many workers together could hold what is refused for.
static void give_back_memory(struct session_context *context)
{
    if (ledger_lacks_memory(context->ledger))
        buffer_pool_trim(&context->buffers, 0);
    const size_t live = sessions_live(context);
    const bool goes_on = live < context->live_count;
    context->live_count = live;
    if (goes_on || context->peak_since_trim < TRIM_SESSIONS || live > context->peak_since_trim / 4)
        return;
    context->peak_since_trim = live;
    buffer_pool_trim(&context->buffers, BUFFER_POOL_FEW);
    (void)malloc_trim(0);
}

// end_if_spent ends the loop where nobody is left of many: what libev has for them goes with the loop only.
static void end_if_spent(struct session_context *context)
{
    if (context->live_count == 0 && context->peak_since_start >= TRIM_SESSIONS)
        ev_break(context->loop, EVBREAK_ALL);
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    write_counted(timer->data, false);
    look_at_unwatched(timer->data);
    give_back_memory(timer->data);
    end_if_spent(timer->data);
}

void sessions_start(struct session_context *context)
{
    struct ev_loop *loop = context->loop;
    for (size_t i = 0; i < SESSION_STATE_COUNT; i++)
        TAILQ_INIT(&context->by_state[i]);
    TAILQ_INIT(&context->idle);
    TAILQ_INIT(&context->unwatched);
    TAILQ_INIT(&context->asking);
    TAILQ_INIT(&context->introducing);
    TAILQ_INIT(&context->leasing);
    context->now_ms = monotonic_ms();
    parents_start(&context->parents, loop, &context->buffers, context->resolver, context->snapshot);
    count_for(context, context->snapshot);
    context->live_count = 0;
    context->peak_since_trim = 0;
    context->peak_since_start = 0;
    // first come, first served
    turn_init(&context->handshakes, loop, 1, HANDSHAKES_TURN_US, drive_handshake);
    // who sends little goes first
    turn_init(&context->ready, loop, EV_MINPRI, READY_TURN_US, drive);
    turn_init(&context->sweep, loop, EV_MINPRI, SWEEP_TURN_US, sweep);
    turn_init(&context->scan_turn, loop, 0, SCAN_TURN_US, scan_step);
    ev_timer_init(&context->tick, on_tick, tick_s, tick_s);
    ev_prepare_init(&context->reap, on_reap);
    ev_check_init(&context->clock, on_clock);
    ev_set_priority(&context->clock, EV_MAXPRI);
    context->tick.data = context;
    context->reap.data = context;
    context->clock.data = context;
    ev_timer_start(loop, &context->tick);
    ev_prepare_start(loop, &context->reap);
    ev_check_start(loop, &context->clock);
}

void sessions_stop(struct session_context *context)
{
    sessions_reap(context);
    ASSERT(context->counters.accepted == context->counters.closed);
    ASSERT(context->upstreams.count == 0);
    write_counted(context, true);
    parents_stop(&context->parents);
    consent_book_destroy(context->consents);
    context->consents = NULL;
    turn_stop(&context->handshakes);
    turn_stop(&context->ready);
    turn_stop(&context->sweep);
    turn_stop(&context->scan_turn);
    ev_timer_stop(context->loop, &context->tick);
    ev_prepare_stop(context->loop, &context->reap);
    ev_check_stop(context->loop, &context->clock);
    buffer_pool_deinit(&context->buffers);
    chain_cache_clear(&context->chains);
}
