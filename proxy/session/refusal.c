// The way out of a request with an answer of ours: its decision is recorded, the answer is sent whole, and the
// connection is kept only where what stands behind the request can be nothing but the next one.
#include "proxy/http/answer.h"
#include "proxy/session/exchange_internal.h"

enum { HOLD_BACK_MS = 1000 }; // an answer above the rate

bool exchange_is_held_back(const struct exchange *exchange)
{
    return exchange->answer_due_ms > exchange->peer->context->now_ms;
}

bool exchange_is_looking_behind(const struct exchange *exchange)
{
    return exchange->may_keep && !exchange->is_plain;
}

// is_body_here tells whether the whole body of a plain request that is not on its way stands in the inbox; then it
// is dropped with the head.
static bool is_body_here(struct exchange *exchange)
{
    struct body_reader reader;
    enum body_result result = BODY_DATA;
    if (exchange->request_len == 0) // the forward has taken the request, body and all
        return true;
    body_reader_init(&reader, exchange->body, exchange->body_len);
    while (result == BODY_DATA) {
        struct slice content;
        const char *why = NULL;
        size_t used = 0;
        result = body_reader_next(&reader,
                                  slice_from(peer_unread(exchange->peer), exchange->request_len),
                                  &used, &content, &why);
        exchange->request_len += used;
    }
    return result == BODY_DONE;
}

// is_nothing_behind tells whether a CONNECT's head is all that has come. What came behind it was meant for its tunnel,
// and must never be read as a request: an inbox without room says nothing about what waits to be read.
static bool is_nothing_behind(const struct exchange *exchange)
{
    const struct peer *peer = exchange->peer;
    return peer->inbox_len == exchange->head_len && peer_inbox_has_room(peer);
}

// look_behind looks again while the answer to a CONNECT waits: what comes before it has been sent was meant for the
// tunnel, too.
static void look_behind(struct exchange *exchange)
{
    if (!exchange_is_looking_behind(exchange))
        return;
    const enum err filled = peer_fill_inbox(exchange->peer);
    exchange->may_keep = filled == ERR_AGAIN && is_nothing_behind(exchange);
}

// can_go_on tells whether what stands behind the request can only be the next one.
static bool can_go_on(struct exchange *exchange)
{
    struct peer *peer = exchange->peer;
    const enum err filled = peer_fill_inbox(peer);
    if (!exchange->may_keep || peer->has_end || peer->context->is_draining)
        return false;
    if (filled != ERR_OK && filled != ERR_AGAIN && filled != ERR_LIMIT)
        return false;
    return exchange->is_plain ? is_body_here(exchange) : is_nothing_behind(exchange);
}

// record_answered records the decision. Each answer of ours takes one from the rate of refused requests, also one
// that tells of a failure after an allow, or the proxy's own page: above it the answer is true, and late.
static void record_answered(struct exchange *exchange)
{
    const bool is_refusal =
        exchange->decision_record != NULL && exchange->ruling.action != ACTION_ALLOW;
    exchange_submit_decision(exchange);
    if (is_refusal ? exchange->is_counted : !quota_take_refusal(exchange->peer))
        exchange->answer_due_ms = exchange->peer->context->now_ms + HOLD_BACK_MS;
}

// begin_answer records the decision and takes memory for the answer; NULL: there was none, it is over.
static struct buffer *begin_answer(struct exchange *exchange, uint16_t status)
{
    record_answered(exchange);
    exchange_end_search(exchange);
    quota_give(&exchange->quota, exchange->peer->context);
    exchange->may_keep = can_go_on(exchange);
    exchange->status = status;
    exchange->answer = buffer_pool_take(&exchange->peer->context->buffers);
    if (exchange->answer == NULL)
        exchange_finish(exchange, EXCHANGE_RESET, REASON_NO_MEMORY);
    return exchange->answer;
}

// concerns_client tells whether the answer says which client of the config it is about.
static bool concerns_client(const struct exchange *exchange, uint16_t status)
{
    if (exchange->peer->client == NULL)
        return false;
    return status == 403 || (status == 429 && !exchange->is_whole_proxy_full);
}

// refuse records the decision, and puts the answer on its way. `detail` is static memory or NULL.
static void refuse(struct exchange *exchange, uint16_t status, enum reason reason,
                   const char *detail)
{
    const struct peer *peer = exchange->peer;
    const struct decision ruled = ruling_decision(&exchange->ruling);
    char data[ANSWER_CAP];
    struct text text;
    struct buffer *out = begin_answer(exchange, status);
    if (out == NULL)
        return;
    text_init(&text, data, sizeof data);
    const struct answer answer = {
        .status = status,
        .reason = reason,
        .rule = ruled.action == ACTION_DENY ? ruled.rule : NULL,
        .client = concerns_client(exchange, status) ? peer->client->name : NULL,
        .detail = detail,
        .help = exchange->help,
        .id = exchange->id,
        .is_persistent = exchange->may_keep,
        .is_for_head = exchange->is_for_head,
        .retry_after_s = exchange->retry_after_s,
    };
    answer_format(&answer, &text);
    (void)buffer_append(out, text_slice(&text));
    exchange_enter(exchange, EXCHANGE_REFUSE);
}

void exchange_answer(struct exchange *exchange, struct slice json)
{
    struct text text;
    struct buffer *out = begin_answer(exchange, 200);
    if (out == NULL)
        return;
    text_init(&text, (char *)out->data, BUFFER_CAP);
    const struct answer answer = {
        .status = 200,
        .id = exchange->id,
        .is_persistent = exchange->may_keep,
        .is_for_head = exchange->is_for_head,
    };
    answer_format_json(&answer, json, &text);
    ASSERT(!text.is_cut);
    buffer_produce(out, text.len);
    exchange_enter(exchange, EXCHANGE_REFUSE);
}

void exchange_refuse_decided(struct exchange *exchange, uint16_t status, const char *detail)
{
    // What comes after an allow that was recorded is told by the `close`.
    const bool is_late = exchange->decision_record == NULL;
    if (exchange->ruling.reason == REASON_CRL_MISSING)
        exchange->peer->context->counters.crl_missing++;
    exchange->reason = is_late ? exchange->ruling.reason : REASON_REFUSED;
    refuse(exchange, status, exchange->ruling.reason, detail);
}

void exchange_refuse_error(struct exchange *exchange, uint16_t status, enum reason reason,
                           const char *detail)
{
    const struct decision error = {
        .action = ACTION_ERROR, .reason = reason, .mode = exchange->ruling.mode};
    exchange_rule(exchange, &error);
    exchange_refuse_decided(exchange, status, detail);
}

void exchange_refuse_limited(struct exchange *exchange, const struct limit_refusal *refusal)
{
    exchange->peer->context->counters.limited++;
    exchange->retry_after_s = refusal->retry_after_s;
    exchange->is_whole_proxy_full = refusal->is_of_whole_proxy;
    exchange_refuse_error(exchange, 429, refusal->reason, NULL);
}

void exchange_refuse_late(struct exchange *exchange, uint16_t status, enum reason reason,
                          const char *detail)
{
    exchange->reason = reason;
    refuse(exchange, status, reason, detail);
}

// send_answer writes what is left of the answer.
static enum err send_answer(struct exchange *exchange)
{
    struct stream *stream = exchange->peer->stream;
    while (buffer_len(exchange->answer) > 0) {
        size_t len = 0;
        TRY(stream_push(stream, buffer_unread(exchange->answer), &len));
        buffer_consume(exchange->answer, len);
    }
    return stream_flush(stream);
}

enum exchange_step exchange_step_refuse(struct exchange *exchange)
{
    look_behind(exchange);
    if (exchange_is_held_back(exchange))
        return EXCHANGE_STEP_WAIT;
    const enum err error = send_answer(exchange);
    if (error == ERR_AGAIN)
        return EXCHANGE_STEP_WAIT;
    if (error != ERR_OK) {
        exchange_finish(exchange, EXCHANGE_RESET, REASON_CLIENT_RESET);
        return EXCHANGE_STEP_AGAIN;
    }
    if (exchange->may_keep)
        peer_consume_inbox(exchange->peer, exchange->request_len);
    exchange_finish(exchange, exchange->may_keep ? EXCHANGE_KEEP : EXCHANGE_CLOSE, REASON_REFUSED);
    return EXCHANGE_STEP_AGAIN;
}
