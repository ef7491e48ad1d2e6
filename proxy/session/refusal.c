// The way out of a request with an answer: its decision is recorded, the answer is sent whole, and the
// connection is kept only where nothing behind the head could be taken for a request.
#include "proxy/http/answer.h"
#include "proxy/session/exchange_internal.h"

// refuse records the decision, and puts the answer on its way. `detail` is static memory or NULL.
static void refuse(struct exchange *exchange, uint16_t status, enum reason reason,
                   const char *detail)
{
    struct peer *peer = exchange->peer;
    exchange_submit_decision(exchange);
    exchange_end_search(exchange);
    // What has arrived behind the head was meant for the tunnel: it must never be read as a request.
    if (peer_fill_inbox(peer) == ERR_OK || peer->inbox_len > exchange->head_len || peer->has_end ||
        peer->context->is_draining)
        exchange->may_keep = false;
    exchange->status = status;
    char data[ANSWER_CAP];
    struct text text;
    text_init(&text, data, sizeof data);
    const struct answer answer = {
        .status = status,
        .reason = reason,
        .rule = exchange->decision.action == ACTION_DENY ? exchange->decision.rule : NULL,
        .client = status == 403 && peer->client != NULL ? peer->client->name : NULL,
        .detail = detail,
        .id = exchange->id,
        .is_persistent = exchange->may_keep,
    };
    answer_format(&answer, &text);
    exchange->answer = buffer_pool_take(&peer->context->buffers);
    if (exchange->answer == NULL) {
        exchange_finish(exchange, EXCHANGE_RESET, REASON_NO_MEMORY);
        return;
    }
    (void)buffer_append(exchange->answer, text_slice(&text));
    exchange_enter(exchange, EXCHANGE_REFUSE);
}

void exchange_refuse_decided(struct exchange *exchange, uint16_t status, const char *detail)
{
    exchange->reason = REASON_REFUSED;
    refuse(exchange, status, exchange->decision.reason, detail);
}

void exchange_refuse_error(struct exchange *exchange, uint16_t status, enum reason reason,
                           const char *detail)
{
    const enum policy_mode mode = exchange->decision.mode;
    exchange->decision = (struct decision){.action = ACTION_ERROR, .reason = reason, .mode = mode};
    exchange_refuse_decided(exchange, status, detail);
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
    const enum err error = send_answer(exchange);
    if (error == ERR_AGAIN)
        return EXCHANGE_STEP_WAIT;
    if (error != ERR_OK) {
        exchange_finish(exchange, EXCHANGE_RESET, REASON_CLIENT_RESET);
        return EXCHANGE_STEP_AGAIN;
    }
    if (exchange->may_keep)
        peer_empty_inbox(exchange->peer); // nothing stands behind the head
    exchange_finish(exchange, exchange->may_keep ? EXCHANGE_KEEP : EXCHANGE_CLOSE, REASON_REFUSED);
    return EXCHANGE_STEP_AGAIN;
}
