// The shared watchers of a worker's sessions: clock, reaper, fair turns, counted refusals.
#include "proxy/session/context.h"

#include <malloc.h>
#include <stdio.h>

#include "proxy/session/session.h"
#include "proxy/session/survey.h"

enum { TRIM_SESSIONS = 1024 }; // at least so many sessions must have gone

static const ev_tstamp tick_s = 1.;

static void on_clock(struct ev_loop *loop, ev_check *check, int events)
{
    (void)loop;
    (void)events;
    struct session_context *context = check->data;
    context->now_ms = monotonic_ms();
    context->shaking_us = 0;
}

static void on_reap(struct ev_loop *loop, ev_prepare *prepare, int events)
{
    (void)loop;
    (void)events;
    sessions_reap(prepare->data);
}

static void on_kick(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    sessions_drive_ready(timer->data);
}

static void on_shaking_turn(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    sessions_drive_shaking(timer->data);
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
        audit_log_submit_requests(context->audit, audit_requests_create(&requests), slot.counted);
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
        audit_log_submit_refusal(context->audit, audit_refusal_create(&refusal), slot.counted);
    }
}

static void on_sweep_turn(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    sessions_sweep(timer->data);
}

static void on_survey_turn(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    survey_step(timer->data);
}

// give_back_memory returns to the system what many sessions have left behind, once most of them have
// gone and no more are going: malloc would keep it. It takes a millisecond or two for a thousand sessions, so it is done once
// for many.
static void give_back_memory(struct session_context *context)
{
    const size_t live = sessions_live(context);
    const bool goes_on = live < context->live_count;
    context->live_count = live;
    if (goes_on || context->peak_count < TRIM_SESSIONS || live > context->peak_count / 4)
        return;
    context->peak_count = live;
    buffer_pool_trim(&context->buffers);
    (void)malloc_trim(0);
}

// end_if_spent ends the loop where nobody is left of many: what libev has for them goes with the loop only.
static void end_if_spent(struct session_context *context)
{
    if (context->live_count == 0 && context->crowd_count >= TRIM_SESSIONS)
        ev_break(context->loop, EVBREAK_ALL);
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    write_counted(timer->data, false);
    sessions_look_at_deaf(timer->data);
    give_back_memory(timer->data);
    end_if_spent(timer->data);
}

void session_context_start(struct session_context *context)
{
    for (size_t i = 0; i < SESSION_STATE_COUNT; i++)
        TAILQ_INIT(&context->by_state[i]);
    TAILQ_INIT(&context->ready);
    TAILQ_INIT(&context->shaking);
    TAILQ_INIT(&context->sweep);
    TAILQ_INIT(&context->idle);
    TAILQ_INIT(&context->deaf);
    context->now_ms = monotonic_ms();
    context->live_count = 0;
    context->peak_count = 0;
    context->crowd_count = 0;
    ev_timer_init(&context->kick, on_kick, 0., 0.);
    ev_timer_init(&context->shaking_turn, on_shaking_turn, 0., 0.);
    ev_timer_init(&context->sweep_turn, on_sweep_turn, 0., 0.);
    ev_timer_init(&context->survey_turn, on_survey_turn, 0., 0.);
    ev_timer_init(&context->tick, on_tick, tick_s, tick_s);
    ev_prepare_init(&context->reap, on_reap);
    ev_check_init(&context->clock, on_clock);
    ev_set_priority(&context->clock, EV_MAXPRI);
    ev_set_priority(&context->shaking_turn, 1); // first come, first served
    ev_set_priority(&context->kick, EV_MINPRI); // who sends little goes before who sends much
    context->kick.data = context;
    context->shaking_turn.data = context;
    context->sweep_turn.data = context;
    context->survey_turn.data = context;
    context->tick.data = context;
    context->reap.data = context;
    context->clock.data = context;
    ev_timer_start(context->loop, &context->tick);
    ev_prepare_start(context->loop, &context->reap);
    ev_check_start(context->loop, &context->clock);
}

void session_context_stop(struct session_context *context)
{
    sessions_reap(context);
    ASSERT(context->counters.accepted == context->counters.closed);
    ASSERT(context->upstreams.count == 0);
    write_counted(context, true);
    ev_timer_stop(context->loop, &context->kick);
    ev_timer_stop(context->loop, &context->shaking_turn);
    ev_timer_stop(context->loop, &context->sweep_turn);
    ev_timer_stop(context->loop, &context->survey_turn);
    ev_timer_stop(context->loop, &context->tick);
    ev_prepare_stop(context->loop, &context->reap);
    ev_check_stop(context->loop, &context->clock);
    buffer_pool_deinit(&context->buffers);
    chain_cache_clear(&context->chains);
}

void session_context_count_accepted(struct session_context *context)
{
    context->counters.accepted++;
    const size_t live = sessions_live(context);
    if (live > context->peak_count)
        context->peak_count = live;
    if (live > context->crowd_count)
        context->crowd_count = live;
}

// mix is the finalizer of SplitMix64: one to one, so different counts give different ids.
static uint64_t mix(uint64_t value)
{
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9u;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBu;
    return value ^ (value >> 31);
}

void session_context_make_id(struct session_context *context, char out[17])
{
    const uint64_t value = mix(context->id_seed + context->id_count++);
    (void)snprintf(out, 17, "%08x%08x", (uint32_t)(value >> 32), (uint32_t)value);
}

uint32_t session_context_take_turn(struct session_context *context, const struct client *client)
{
    return context->egress_turns[((uintptr_t)client / sizeof *client) % EGRESS_TURNS]++;
}
