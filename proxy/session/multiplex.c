// A call is one request: its stream, the channel over it, and its exchange. It is driven by the events of both its sides,
// and by a deadline of its own.
#include "proxy/session/multiplex.h"

#include <stddef.h>
#include <stdlib.h>

#include "proxy/http2/http2_stream.h"
#include "proxy/loop/deadline.h"
#include "proxy/session/multiplex_duty.h"

struct call {
    TAILQ_ENTRY(call) link;
    struct multiplex *multiplex; // borrowed
    struct http2_stream *stream; // owned
    struct channel channel;
    struct exchange *exchange; // owned; NULL: it is done, and its last bytes are on their way
    struct deadline deadline;
    struct turn_entry turn; // waits for its turn
};

TAILQ_HEAD(calls, call);

struct multiplex {
    struct peer *peer; // borrowed
    struct http2_session *http2;
    struct calls calls;
    bool is_stepping; // within multiplex_step
    enum farewell farewell;
    int64_t begun_ms;  // monotonic
    int64_t notice_ms; // monotonic; when the notice was given
    int64_t used_ms;   // monotonic; when the last request ended; 0: there was none
    void (*on_output)(void *owner);
    void *owner; // borrowed
};

static struct call *call_of(const struct exchange *exchange)
{
    return (struct call *)((char *)exchange->channel - offsetof(struct call, channel));
}

static void destroy_call(struct call *call)
{
    struct session_context *context = call->channel.peer->context;
    deadline_stop(&call->deadline, context->loop);
    turn_leave(&call->turn);
    exchange_end(call->exchange, REASON_KILLED);
    exchange_destroy(call->exchange);
    channel_deinit(&call->channel);
    http2_stream_destroy(call->stream);
    TAILQ_REMOVE(&call->multiplex->calls, call, link);
    call->multiplex->used_ms = context->now_ms;
    free(call);
}

// end_of tells the client how much was done of what we end. Where a target was dialled it may have got the request.
static enum http2_end end_of(const struct exchange *exchange)
{
    const struct exchange_ending *ending = &exchange->ending;
    if (ending->reason == REASON_UPSTREAM_RESET || ending->reason == REASON_UPSTREAM_CLOSED ||
        ending->reason == REASON_UPSTREAM_TRUNCATED)
        return HTTP2_END_TARGET;
    const struct route *route = &exchange->route;
    return ending->status == 0 && route->upstream.family == IP_NONE && route->attempts == 0
               ? HTTP2_END_REFUSED
               : HTTP2_END_CANCEL;
}

// reset_call ends a call whose stream the client must not take for a finished one.
static void reset_call(struct call *call, enum http2_end end)
{
    call->stream->end = end;
    stream_close(&call->stream->stream, true);
    destroy_call(call);
}

// say_end sends what is left of a finished call, and ends it. False: the client has to make room first.
static bool say_end(struct call *call)
{
    struct stream *stream = &call->stream->stream;
    if (stream_finish(stream) == ERR_AGAIN) {
        stream_want(stream, false, true);
        return false;
    }
    stream_close(stream, false);
    destroy_call(call);
    return true;
}

static void finish_call(struct call *call)
{
    const bool is_reset = call->exchange->ending.outcome == EXCHANGE_RESET;
    const enum http2_end end = end_of(call->exchange);
    exchange_destroy(call->exchange);
    call->exchange = NULL;
    const struct peer *peer = call->channel.peer;
    deadline_stop(&call->deadline, peer->context->loop);
    if (is_reset)
        reset_call(call, end);
    else if (!say_end(call))
        deadline_set(&call->deadline, peer->context->loop,
                     peer->context->now_ms + peer->snapshot->timeouts.linger_ms,
                     peer->context->now_ms);
}

static void enqueue(struct call *call)
{
    turn_enqueue(&call->channel.peer->context->ready, &call->turn, &call->channel);
}

static void set_deadline(struct call *call)
{
    const struct session_context *context = call->channel.peer->context;
    deadline_set(
        &call->deadline, context->loop,
        deadline_sooner(exchange_deadline_ms(call->exchange), exchange_turn_ms(call->exchange)),
        context->now_ms);
}

// reason_of_loss says why a stream was reset that the exchange has not ended.
static enum reason reason_of_loss(const struct http2_stream *stream)
{
    switch (stream->loss) {
    case HTTP2_LOSS_PEER:
    case HTTP2_LOSS_REFUSED: // of the other side of a connection
        break;
    case HTTP2_LOSS_MISUSE:
        return REASON_BAD_REQUEST;
    case HTTP2_LOSS_MEMORY:
        return REASON_NO_MEMORY;
    }
    return REASON_CLIENT_RESET;
}

// step_call takes the call's steps until it waits, or has ended.
static void step_call(struct call *call)
{
    const struct http2_upload *upload = &call->stream->upload;
    enum exchange_step next = EXCHANGE_STEP_AGAIN;
    if (call->stream
            ->is_reset) // before the exchange reads an error, and takes the client for its cause
        exchange_end(call->exchange, reason_of_loss(call->stream));
    if (upload->misfit != NULL)
        exchange_reject(call->exchange, upload->is_too_large ? 431 : 400, upload->misfit);
    while (next == EXCHANGE_STEP_AGAIN)
        next = exchange_step(call->exchange);
    if (next == EXCHANGE_STEP_DONE) {
        finish_call(call);
        return;
    }
    if (next == EXCHANGE_STEP_MORE)
        enqueue(call);
    exchange_update_interest(call->exchange);
    set_deadline(call);
}

// drive_call does what can be done now. It may free the call.
static void drive_call(void *owner)
{
    struct call *call = owner;
    struct multiplex *multiplex = call->multiplex;
    if (call->exchange == NULL)
        (void)say_end(call);
    else
        step_call(call);
    if (!multiplex->is_stepping)
        multiplex->on_output(multiplex->owner);
}

// on_ready drives the call, unless it is one that moves much: those wait until all others have had their turn.
static void on_ready(void *owner)
{
    struct call *call = owner;
    if (call->exchange != NULL && exchange_is_heavy(call->exchange))
        enqueue(call);
    else
        drive_call(call);
}

static void on_deadline(void *owner)
{
    struct call *call = owner;
    struct multiplex *multiplex = call->multiplex;
    if (call->exchange == NULL) {
        reset_call(call, HTTP2_END_CANCEL); // the client makes no room for the end
        multiplex->on_output(multiplex->owner);
        return;
    }
    if (exchange_deadline_ms(call->exchange) <= multiplex->peer->context->now_ms)
        exchange_on_deadline(call->exchange);
    drive_call(call);
}

// record_end makes the records of something that the client began and that comes to nothing. They count as those of a
// refused request.
static void record_end(struct multiplex *multiplex, uint32_t stream_id, enum reason reason)
{
    struct channel channel;
    channel_init(&channel, multiplex->peer, NULL);
    channel.is_http2 = true;
    channel.stream_id = stream_id;
    struct exchange *exchange = exchange_create(&channel);
    exchange_end(exchange, reason);
    exchange_destroy(exchange);
}

// on_request begins an exchange. It is driven at the end of the step in which its head is complete, when nghttp2 has
// returned.
static bool on_request(void *owner, struct http2_stream *stream, bool is_too_many)
{
    struct multiplex *multiplex = owner;
    struct call *call = is_too_many ? NULL : calloc(1, sizeof *call);
    if (call == NULL) {
        record_end(multiplex, (uint32_t)stream->id,
                   is_too_many ? REASON_LIMIT_STREAMS : REASON_NO_MEMORY);
        return false;
    }
    channel_init(&call->channel, multiplex->peer, &stream->stream);
    call->exchange = exchange_create(&call->channel);
    if (call->exchange == NULL) {
        free(call);
        return false;
    }
    call->multiplex = multiplex;
    call->stream = stream;
    call->channel.drive = drive_call;
    call->channel.is_http2 = true;
    call->channel.stream_id = (uint32_t)stream->id;
    stream->stream.on_ready = on_ready;
    stream->stream.owner = call;
    deadline_init(&call->deadline, on_deadline, call);
    TAILQ_INSERT_TAIL(&multiplex->calls, call, link);
    set_deadline(call);
    stream_want(&stream->stream, true, false);
    return true;
}

static void on_missed(void *owner, int32_t id)
{
    record_end(owner, (uint32_t)id, REASON_NO_MEMORY);
}

struct multiplex *multiplex_create(struct peer *peer, struct stream *below,
                                   void (*on_output)(void *owner), void *owner)
{
    static const struct http2_events events = {
        .ops = &http2_stream_ops, .on_request = on_request, .on_missed = on_missed};
    struct http2_options options = peer->listener->http2;
    struct multiplex *multiplex = calloc(1, sizeof *multiplex);
    if (multiplex == NULL)
        return NULL;
    if (peer->client != NULL && peer->client->speaks_for != NULL)
        options.fields = (uint32_t)peer->snapshot->limits.head;
    multiplex->peer = peer;
    multiplex->on_output = on_output;
    multiplex->owner = owner;
    multiplex->begun_ms = peer->context->now_ms;
    TAILQ_INIT(&multiplex->calls);
    multiplex->http2 =
        http2_session_create(&options, below, &peer->context->buffers, &events, multiplex);
    if (multiplex->http2 == NULL) {
        free(multiplex);
        return NULL;
    }
    multiplex->http2->silence.heard_ms = multiplex->begun_ms;
    return multiplex;
}

void multiplex_destroy(struct multiplex *multiplex)
{
    if (multiplex == NULL)
        return;
    while (!TAILQ_EMPTY(&multiplex->calls))
        destroy_call(TAILQ_FIRST(&multiplex->calls));
    http2_session_destroy(multiplex->http2);
    free(multiplex);
}

// end_all ends every request, for a connection that carries no more.
static void end_all(struct multiplex *multiplex, enum reason reason)
{
    while (!TAILQ_EMPTY(&multiplex->calls)) {
        struct call *call = TAILQ_FIRST(&multiplex->calls);
        exchange_end(call->exchange, reason);
        destroy_call(call);
    }
}

enum http2_status multiplex_step(struct multiplex *multiplex)
{
    static const enum reason reasons[] = {
        [HTTP2_FAULT_PROTOCOL] = REASON_BAD_REQUEST,
        [HTTP2_FAULT_FLOOD] = REASON_H2_FLOOD,
        [HTTP2_FAULT_SETTINGS] = REASON_TIMEOUT,
    };
    multiplex->is_stepping = true;
    const enum http2_status status =
        http2_session_step(multiplex->http2, multiplex->peer->context->now_ms);
    if (status == HTTP2_BROKEN)
        end_all(multiplex, REASON_CLIENT_RESET);
    if (status == HTTP2_WRONG && multiplex_is_idle(multiplex))
        record_end(multiplex, 0, reasons[multiplex->http2->fault]);
    if (status == HTTP2_WRONG)
        end_all(multiplex, reasons[multiplex->http2->fault]);
    multiplex->is_stepping = false;
    return status;
}

void multiplex_update_interest(const struct multiplex *multiplex)
{
    http2_session_update_interest(multiplex->http2);
}

static void say_farewell(struct multiplex *multiplex, enum farewell farewell)
{
    multiplex->farewell = farewell;
    multiplex->notice_ms = multiplex->peer->context->now_ms;
    http2_session_drain(multiplex->http2, farewell == FAREWELL_SAID);
    multiplex->on_output(multiplex->owner);
}

void multiplex_drain(struct multiplex *multiplex)
{
    if (multiplex_is_idle(multiplex) && multiplex->farewell != FAREWELL_SAID)
        say_farewell(multiplex, FAREWELL_SAID);
    else if (multiplex->farewell == FAREWELL_NONE)
        say_farewell(multiplex, FAREWELL_NOTICE);
}

void multiplex_hang_up(struct multiplex *multiplex)
{
    multiplex_drain(multiplex);
    http2_session_flush(multiplex->http2);
}

void multiplex_announce_drain(struct multiplex *multiplex)
{
    if (multiplex->farewell == FAREWELL_NONE)
        say_farewell(multiplex, FAREWELL_NOTICE);
}

bool multiplex_is_leaving(const struct multiplex *multiplex)
{
    return multiplex->farewell == FAREWELL_SAID;
}

static struct multiplex_due next_duty(const struct multiplex *multiplex)
{
    const struct multiplex_times times = {
        .begun_ms = multiplex->begun_ms,
        .age_ms = multiplex->peer->listener->http2.age_ms,
        .expires_ms = multiplex->peer->expires_ms,
        .farewell = multiplex->farewell,
        .notice_ms = multiplex->notice_ms,
        .is_settled = multiplex->http2->is_settled,
        .silence = multiplex->http2->silence,
    };
    return multiplex_duty_next(&times);
}

int64_t multiplex_deadline_ms(const struct multiplex *multiplex)
{
    return next_duty(multiplex).at_ms;
}

void multiplex_on_deadline(struct multiplex *multiplex)
{
    const struct multiplex_due next = next_duty(multiplex);
    if (next.at_ms > multiplex->peer->context->now_ms)
        return;
    switch (next.duty) {
    case MULTIPLEX_NOTICE:
        say_farewell(multiplex, FAREWELL_NOTICE);
        return;
    case MULTIPLEX_FAREWELL:
        say_farewell(multiplex, FAREWELL_SAID);
        return;
    case MULTIPLEX_SETTINGS:
        http2_session_check_settings(multiplex->http2);
        break;
    case MULTIPLEX_SILENCE:
        http2_session_end_silence(multiplex->http2);
        break;
    }
    multiplex->on_output(multiplex->owner);
}

bool multiplex_is_idle(const struct multiplex *multiplex)
{
    return TAILQ_EMPTY(&multiplex->calls);
}

int64_t multiplex_used_ms(const struct multiplex *multiplex)
{
    return multiplex_is_idle(multiplex) ? multiplex->used_ms : multiplex->peer->context->now_ms;
}

struct exchange *multiplex_next(const struct multiplex *multiplex, const struct exchange *exchange)
{
    struct call *call =
        exchange == NULL ? TAILQ_FIRST(&multiplex->calls) : TAILQ_NEXT(call_of(exchange), link);
    while (call != NULL && call->exchange == NULL)
        call = TAILQ_NEXT(call, link);
    return call == NULL ? NULL : call->exchange;
}
