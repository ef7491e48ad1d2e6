// The way up is one body flow with the request's head in front. On the way down heads are read until one is not
// interim; then that is a body flow, too.
#include "proxy/session/forward.h"

#include <stdlib.h>

#include "proxy/limits/ledger.h"
#include "proxy/loop/deadline.h"

enum { MAX_INTERIM = 16 }; // interim responses to one request

// may_have_body: of other methods a body has no meaning (RFC 9110 9.3), and a target that ignores it takes it for the
// next request.
static bool may_have_body(struct slice method)
{
    return slice_equal(method, SLICE_LITERAL("POST")) ||
           slice_equal(method, SLICE_LITERAL("PUT")) || slice_equal(method, SLICE_LITERAL("PATCH"));
}

// begin_up puts the head and what has come of the body on their way.
static enum err begin_up(struct forward *forward)
{
    struct text text;
    struct channel *channel = forward->channel;
    struct body_flow *up = &forward->up;
    const struct message_head *head = &forward->request->head;
    const struct request_out request = {
        .head = head, .url = &forward->request->url, .is_last = forward->is_last};
    const size_t body_len = head->body == BODY_NONE ? 0 : channel->inbox_len;
    body_flow_expect(up, head->body, head->length, head->body);
    if (!body_flow_begin_out(up, &text))
        return ERR_MEMORY;
    message_append_request(&request, &text);
    if (!body_flow_end_out(up, &text))
        return ERR_LIMIT;
    TRY(body_flow_give(up, slice_first(channel_unread(channel), body_len)));
    channel_consume(channel, body_len);
    return ERR_OK;
}

enum err forward_create(struct channel *channel, struct line *line, struct slice rest,
                        const struct request *request, struct account *account, bool is_alone,
                        struct forward **out)
{
    struct session_context *context = channel->peer->context;
    const struct message_head *head = &request->head;
    struct forward *forward = calloc(1, sizeof *forward);
    *out = forward;
    if (forward == NULL) {
        line_close(line, true);
        return ERR_MEMORY;
    }
    line_move(line, &forward->line, channel);
    struct stream *target = forward->line.stream;
    forward->channel = channel;
    forward->request = request;
    forward->active_ms = context->now_ms;
    forward->body_ms = context->now_ms;
    forward->is_last = is_alone || context->is_leaving ||
                       (head->body != BODY_NONE && !may_have_body(head->method_text));
    body_flow_init(&forward->up, channel->stream, target, &context->buffers, HEAD_CONNECT_MAX_LEN);
    body_flow_init(&forward->down, target, channel->stream, &context->buffers, BUFFER_CAP);
    enum err error = begin_up(forward);
    if (error == ERR_OK)
        error = body_flow_give(&forward->down, rest);
    if (error != ERR_OK) {
        forward_destroy(forward, true);
        *out = NULL;
        return error;
    }
    body_flow_set_pace(&forward->up, &account->up, &context->now_ms);
    body_flow_set_pace(&forward->down, &account->down, &context->now_ms);
    return ERR_OK;
}

void forward_move_pace(struct forward *forward, struct account *account)
{
    pacer_move(&forward->up.pacer, &account->up);
    pacer_move(&forward->down.pacer, &account->down);
}

void forward_destroy(struct forward *forward, bool is_reset)
{
    if (forward == NULL)
        return;
    body_flow_deinit(&forward->up);
    body_flow_deinit(&forward->down);
    line_close(&forward->line, is_reset);
    free(forward);
}

int64_t forward_turn_ms(const struct forward *forward)
{
    return deadline_sooner(pacer_turn_ms(&forward->up.pacer), pacer_turn_ms(&forward->down.pacer));
}

int64_t forward_active_ms(const struct forward *forward)
{
    return pacer_active_ms(&forward->up.pacer,
                           pacer_active_ms(&forward->down.pacer, forward->active_ms));
}

// begin_window counts the body's bytes from here on.
static void begin_window(struct forward *forward)
{
    forward->body_ms = forward->channel->peer->context->now_ms;
    forward->body_len = forward->up.passed;
}

// awaits_leave tells whether the client may be waiting for the target's 100 before it sends anything.
static bool awaits_leave(const struct forward *forward)
{
    return forward->request->head.expects_continue && forward->up.passed == 0;
}

int64_t forward_body_ends_ms(const struct forward *forward, int64_t window_ms)
{
    return body_flow_wants_read(&forward->up) && !forward->is_up_lost && !awaits_leave(forward)
               ? forward->body_ms + window_ms
               : INT64_MAX;
}

bool forward_has_slow_body(struct forward *forward, int64_t window_ms)
{
    const uint64_t least = (uint64_t)window_ms * FORWARD_BODY_RATE / 1000;
    const bool is_slow = forward->up.passed - forward->body_len < least;
    begin_window(forward);
    return is_slow;
}

// end_reason gives why nothing more comes of the target: an end, or one that TLS does not take for one.
static enum reason end_reason(const struct forward *forward)
{
    return stream_is_truncated(forward->line.stream) ? REASON_UPSTREAM_TRUNCATED
                                                     : REASON_UPSTREAM_CLOSED;
}

static enum forward_status broken(struct forward *forward, enum reason reason)
{
    forward->reason = reason;
    return FORWARD_BROKEN;
}

bool forward_has_begun_answer(const struct forward *forward)
{
    return forward->is_answered || body_flow_is_cut(&forward->down);
}

// bad says what is malformed. Where no answer of our own can tell the client, it breaks off.
static enum forward_status bad(struct forward *forward, enum reason reason, const char *why)
{
    forward->why = why;
    forward->reason = reason;
    return forward_has_begun_answer(forward) ? FORWARD_BROKEN : FORWARD_BAD;
}

// watch_client reads on after a request that has been read: the next one, or the client's leaving. An end is no
// leaving, also one without close_notify: it waits for its answer.
static enum forward_status watch_client(struct forward *forward)
{
    const enum err error = channel_fill(forward->channel);
    if (error == ERR_OK || error == ERR_AGAIN || error == ERR_LIMIT || error == ERR_EOF)
        return FORWARD_WAITS;
    return broken(forward, REASON_CLIENT_RESET);
}

// return_unread puts back into the channel's inbox what was read after a body that has been read whole.
static enum err return_unread(struct forward *forward)
{
    const enum err error = channel_put_back(forward->channel, body_flow_unread(&forward->up));
    buffer_pool_give(forward->up.pool, &forward->up.in);
    return error;
}

// step_up moves the request. A target that takes no more of it may still answer: that is waited for.
static enum forward_status step_up(struct forward *forward)
{
    struct body_flow *up = &forward->up;
    if (up->is_done || forward->is_up_lost)
        return up->is_done ? watch_client(forward) : FORWARD_WAITS;
    const bool was_held_up = up->is_blocked || up->pacer.is_waiting || awaits_leave(forward);
    const enum body_flow_status status = body_flow_step(up);
    if (was_held_up)
        begin_window(forward); // the target's time, or its share's, and not the client's
    forward->channel->has_end = forward->channel->has_end || up->has_end;
    switch (status) {
    case BODY_FLOW_WAITS:
        return FORWARD_WAITS;
    case BODY_FLOW_MORE:
        return FORWARD_MORE;
    case BODY_FLOW_DONE:
        return return_unread(forward) == ERR_OK ? watch_client(forward)
                                                : broken(forward, REASON_NO_MEMORY);
    case BODY_FLOW_FROM_BAD:
        return bad(forward, REASON_BAD_REQUEST, up->why);
    case BODY_FLOW_FROM_CUT:
    case BODY_FLOW_FROM_FAILED:
        return broken(forward, status == BODY_FLOW_FROM_FAILED
                                   ? REASON_CLIENT_RESET
                                   : channel_end_reason(forward->channel));
    case BODY_FLOW_TO_FAILED:
        forward->is_up_lost = true;
        forward->is_last = true;
        return FORWARD_WAITS;
    }
    return FORWARD_WAITS;
}

// put_head puts a head on its way to the client, and drops what it was read from. FORWARD_MORE, unless it cannot.
static enum forward_status put_head(struct forward *forward, const struct response_out *out)
{
    struct text text;
    if (!body_flow_begin_out(&forward->down, &text))
        return broken(forward, REASON_NO_MEMORY);
    message_append_response(out, &text);
    if (!body_flow_end_out(&forward->down, &text))
        return bad(forward, REASON_BAD_RESPONSE, "head too large");
    buffer_consume(forward->down.in, out->head->len);
    return FORWARD_MORE;
}

// begin_down answers the client: `head` is the one that is not interim.
static enum forward_status begin_down(struct forward *forward, const struct message_head *head)
{
    const struct message_head *asked = &forward->request->head;
    const bool is_framed = head->body == BODY_NONE || head->body == BODY_LENGTH;
    struct response_out out = {.head = head, .for_minor_version = asked->minor_version};
    out.body = is_framed ? head->body : asked->minor_version == 1 ? BODY_CHUNKED : BODY_TO_END;
    out.is_persistent = asked->is_persistent && forward->up.is_done && out.body != BODY_TO_END &&
                        !forward->channel->has_end && !forward->channel->peer->context->is_leaving;
    const enum forward_status status = put_head(forward, &out);
    if (status != FORWARD_MORE)
        return status;
    body_flow_expect(&forward->down, head->body, head->length, out.body);
    forward->is_kept = out.is_persistent;
    forward->is_target_kept = head->is_persistent && head->body != BODY_TO_END;
    forward->is_answered = true;
    forward->status = head->status;
    return FORWARD_MORE;
}

// pass_interim passes a 1xx on to a client that understands it: 100 only if it has asked.
static enum forward_status pass_interim(struct forward *forward, const struct message_head *head)
{
    const struct message_head *asked = &forward->request->head;
    const bool is_wanted =
        asked->minor_version == 1 && (head->status != 100 || asked->expects_continue);
    const struct response_out out = {.head = head, .for_minor_version = 1};
    if (++forward->interim_count > MAX_INTERIM)
        return bad(forward, REASON_BAD_RESPONSE, "too many interim responses");
    if (is_wanted)
        return put_head(forward, &out);
    buffer_consume(forward->down.in, head->len);
    return FORWARD_MORE;
}

// take_head acts on a response's head. FORWARD_MORE: something has happened, go on.
static enum forward_status take_head(struct forward *forward, const struct message_head *head)
{
    if (head->status == 101) {
        // Only what was asked for, and only after a request that is out: anything else is no switch
        // that both sides have agreed on (RFC 9110 7.8).
        if (!forward->request->head.is_websocket || !head->is_websocket || !forward->up.is_done)
            return bad(forward, REASON_BAD_RESPONSE, "a protocol switch not asked for");
        const struct response_out out = {.head = head, .for_minor_version = 1};
        const enum forward_status status = put_head(forward, &out);
        return status == FORWARD_MORE ? FORWARD_UPGRADED : status;
    }
    if (head->status < 200)
        return pass_interim(forward, head);
    if (head->status == 407) // from here only a proxy may ask for credentials
        return bad(forward, REASON_BAD_RESPONSE, "407 from the target");
    return begin_down(forward, head);
}

// read_on reads more of the head; what an end means depends on what has been said.
static enum forward_status read_on(struct forward *forward)
{
    size_t len = 0;
    const size_t unread_len = body_flow_unread(&forward->down).len;
    const enum err error = body_flow_pull(&forward->down, RESPONSE_HEAD_MAX_LEN - unread_len, &len);
    if (error == ERR_AGAIN)
        return FORWARD_WAITS;
    if (error == ERR_OK) {
        forward->has_heard = true;
        forward->active_ms = forward->channel->peer->context->now_ms;
        return FORWARD_MORE;
    }
    if (forward->has_heard)
        return bad(forward, REASON_BAD_RESPONSE, "an end within the head");
    forward->reason = error == ERR_EOF      ? end_reason(forward)
                      : error == ERR_SYSTEM ? REASON_UPSTREAM_RESET
                                            : REASON_NO_MEMORY;
    forward->why = "the target gave no answer";
    return FORWARD_UNANSWERED;
}

static enum forward_status step_heads(struct forward *forward)
{
    while (!forward->is_answered) {
        struct message_head head;
        enum forward_status status = FORWARD_MORE;
        switch (response_head_parse(body_flow_unread(&forward->down), forward->request->is_for_head,
                                    &head, &forward->why)) {
        case HEAD_OK:
            status = take_head(forward, &head);
            break;
        case HEAD_MORE:
            status = read_on(forward);
            break;
        case HEAD_BAD:
        case HEAD_TOO_LARGE:
            return bad(forward, REASON_BAD_RESPONSE, forward->why);
        }
        if (status != FORWARD_MORE)
            return status;
    }
    return FORWARD_MORE;
}

// push_interim sends the interim responses that wait.
static enum forward_status push_interim(struct forward *forward)
{
    const enum err error = body_flow_push(&forward->down);
    forward->down.is_blocked = error == ERR_AGAIN;
    if (error == ERR_OK || error == ERR_AGAIN)
        return FORWARD_WAITS;
    return broken(forward, REASON_CLIENT_RESET);
}

static enum forward_status step_down(struct forward *forward)
{
    if (!forward->is_answered) {
        const enum forward_status status = step_heads(forward);
        if (status == FORWARD_WAITS)
            return push_interim(forward);
        if (status != FORWARD_MORE)
            return status;
    }
    switch (body_flow_step(&forward->down)) {
    case BODY_FLOW_WAITS:
        return FORWARD_WAITS;
    case BODY_FLOW_MORE:
        return FORWARD_MORE;
    case BODY_FLOW_DONE:
        forward->reason = REASON_COMPLETED;
        return FORWARD_FINISHED;
    case BODY_FLOW_FROM_BAD:
        return bad(forward, REASON_BAD_RESPONSE, forward->down.why);
    case BODY_FLOW_FROM_CUT:
        return broken(forward, end_reason(forward));
    case BODY_FLOW_FROM_FAILED:
        return broken(forward, REASON_UPSTREAM_RESET);
    case BODY_FLOW_TO_FAILED:
        return broken(forward, REASON_CLIENT_RESET);
    }
    return FORWARD_WAITS;
}

enum forward_status forward_step(struct forward *forward)
{
    const uint64_t before = forward->up.passed + forward->down.passed;
    const enum forward_status up = step_up(forward);
    if (up != FORWARD_WAITS && up != FORWARD_MORE)
        return up;
    const enum forward_status down = step_down(forward);
    line_flush(&forward->line);
    if (forward->up.passed + forward->down.passed != before)
        forward->active_ms = forward->channel->peer->context->now_ms;
    return down == FORWARD_WAITS ? up : down;
}

void forward_update_interest(struct forward *forward)
{
    const struct body_flow *up = &forward->up;
    const struct body_flow *down = &forward->down;
    struct channel *channel = forward->channel;
    const bool is_up_open = !up->is_done && !forward->is_up_lost;
    const bool reads_client =
        is_up_open ? body_flow_wants_read(up) : up->is_done && channel_has_room(channel);
    stream_want(channel->stream, reads_client, body_flow_wants_write(down));
    stream_want(forward->line.stream, body_flow_wants_read(down),
                is_up_open && body_flow_wants_write(up));
}

int forward_take_reusable(struct forward *forward)
{
    if (forward->is_last || !forward->is_target_kept || !forward->up.is_done ||
        forward->down.has_end || body_flow_unread(&forward->down).len > 0)
        return -1;
    return line_take_fd(&forward->line);
}
