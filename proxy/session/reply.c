// Room in the pool, then the record, then the bytes.
#include "proxy/session/reply.h"

#include "proxy/http/answer.h"
#include "proxy/session/records.h"

enum {
    HOLD_BACK_MS = 1000, // an answer above the rate
    TIME_SENTENCE_CAP = VERDICT_RULE_CAP + SCHEDULE_TEXT_CAP + 16,
};

bool reply_is_held_back(const struct exchange *exchange)
{
    return exchange->reply.due_ms > exchange->peer->context->now_ms;
}

// is_watching tells whether bytes that come before the answer to a CONNECT is out would still end the connection.
static bool is_watching(const struct exchange *exchange)
{
    return exchange->ending.may_keep && !exchange->request->is_plain;
}

void reply_update_interest(struct exchange *exchange)
{
    stream_want(exchange->channel->stream, is_watching(exchange), !reply_is_held_back(exchange));
}

// drop_body drops the body of a plain request that is not on its way, where all of it stands in the inbox.
static bool drop_body(struct exchange *exchange)
{
    const struct message_head *head = &exchange->request->head;
    const struct slice unread = channel_unread(exchange->channel);
    struct body_reader reader;
    enum body_result result = BODY_DATA;
    size_t len = 0;
    if (exchange->channel->head == NULL) // the forward has taken the request, body and all
        return true;
    body_reader_init(&reader, head->body, head->length);
    while (result == BODY_DATA) {
        struct slice content;
        const char *why = NULL;
        size_t used = 0;
        result = body_reader_next(&reader, slice_from(unread, len), &used, &content, &why);
        len += used;
    }
    if (result == BODY_DONE)
        channel_consume(exchange->channel, len);
    return result == BODY_DONE;
}

// can_go_on tells whether what stands after the request can only be the next one. What comes after the head of a CONNECT
// was meant for its tunnel, and must never be read as a request.
static bool can_go_on(struct exchange *exchange)
{
    struct channel *channel = exchange->channel;
    const enum err filled = channel_fill(channel);
    if (!exchange->ending.may_keep || channel->has_end || channel->peer->context->is_leaving)
        return false;
    if (filled != ERR_OK && filled != ERR_AGAIN && filled != ERR_LIMIT)
        return false;
    return exchange->request->is_plain ? drop_body(exchange) : channel->inbox_len == 0;
}

// record records the decision. Each answer of ours takes one from the rate of refused requests, also one that tells of a
// failure after an allow, or the proxy's own page: above the rate the answer is true, and late.
static void record(struct exchange *exchange)
{
    const bool is_refusal =
        exchange->records.decision != NULL && exchange->verdict.action != ACTION_ALLOW;
    records_submit_decision(exchange);
    if (is_refusal ? exchange->records.is_counted : !quota_take_refusal(exchange->peer))
        exchange->reply.due_ms = exchange->peer->context->now_ms + HOLD_BACK_MS;
}

// put takes memory for the answer, records the decision and writes the answer, which is a page where there is `json`.
static enum err put(struct exchange *exchange, struct answer answer, const struct slice *json)
{
    struct session_context *context = exchange->peer->context;
    struct buffer *out = buffer_pool_take(&context->buffers);
    struct text text;
    if (out == NULL)
        return ERR_MEMORY;
    record(exchange);
    route_end_search(&exchange->route);
    quota_give(&exchange->route.quota, context);
    exchange->ending.may_keep = can_go_on(exchange);
    exchange->ending.status = answer.status;
    exchange->reply.bytes = out;
    answer.id = exchange->id;
    answer.is_persistent = exchange->ending.may_keep;
    answer.is_for_head = exchange->request->is_for_head;
    text_init(&text, (char *)out->data, BUFFER_CAP);
    if (json == NULL)
        answer_format(&answer, &text);
    else
        answer_format_json(&answer, *json, &text);
    ASSERT(!text.is_cut);
    buffer_produce(out, text.len);
    return ERR_OK;
}

enum err reply_open_tunnel(struct exchange *exchange)
{
    const struct answer answer = {.status = 200, .id = exchange->id};
    struct buffer *out = buffer_pool_take(&exchange->peer->context->buffers);
    struct text text;
    if (out == NULL)
        return ERR_MEMORY;
    text_init(&text, (char *)out->data, BUFFER_CAP);
    answer_format(&answer, &text);
    ASSERT(!text.is_cut);
    buffer_produce(out, text.len);
    exchange->reply.bytes = out;
    exchange->ending.may_keep = false;
    exchange->ending.status = answer.status;
    return ERR_OK;
}

// concerns_client tells whether the answer says which client of the config it is about.
static bool concerns_client(const struct exchange *exchange, const struct verdict *verdict)
{
    if (exchange->peer->client == NULL)
        return false;
    return verdict->status == 403 || (verdict->status == 429 && !verdict->is_of_whole_proxy);
}

// format_time tells in a sentence for the body when what is denied for its time is allowed. The phrase has no room for the
// rule.
static const char *format_time(const struct verdict *verdict, char out[TIME_SENTENCE_CAP])
{
    char when[SCHEDULE_TEXT_CAP];
    struct text text;
    text_init(&text, out, TIME_SENTENCE_CAP);
    text_append_format(&text, "%s%s: %s", verdict->rule[0] == '\0' ? "this client" : "rule ",
                       verdict->rule, schedule_format_return(verdict->opens_s, when));
    return out;
}

enum err reply_refuse(struct exchange *exchange, const struct verdict *verdict)
{
    const struct hop *hop = exchange->route.hop;
    const bool is_of_parent = hop != NULL && verdict->reason == REASON_PARENT_REFUSED;
    const struct parent_answer *parent = is_of_parent ? hop_answer(hop) : NULL;
    char when[SCHEDULE_TEXT_CAP];
    char sentence[TIME_SENTENCE_CAP];
    struct answer answer = {
        .status = verdict->status,
        .reason = verdict->reason,
        .rule = verdict->action == ACTION_DENY ? verdict_decision(verdict).rule : NULL,
        .client = concerns_client(exchange, verdict) ? peer_client_name(exchange->peer) : NULL,
        .detail = verdict->detail,
        .help = verdict->help,
        .retry_after_s = verdict->retry_after_s,
        .passed_on = parent == NULL ? NULL : parent->proxy_status,
        .received = parent == NULL ? 0 : parent->received,
    };
    if (reason_is_of_time(verdict->reason) && verdict->kind == VERDICT_REFUSE) {
        answer.rule = NULL;
        answer.client = NULL;
        answer.detail = schedule_format_return(verdict->opens_s, when);
        answer.help = format_time(verdict, sentence);
    }
    return put(exchange, answer, NULL);
}

enum err reply_json(struct exchange *exchange, struct slice json)
{
    return put(exchange, (struct answer){.status = 200}, &json);
}

enum err reply_step(struct exchange *exchange)
{
    struct stream *stream = exchange->channel->stream;
    struct buffer *bytes = exchange->reply.bytes;
    if (is_watching(exchange))
        exchange->ending.may_keep =
            channel_fill(exchange->channel) == ERR_AGAIN && exchange->channel->inbox_len == 0;
    if (reply_is_held_back(exchange))
        return ERR_AGAIN;
    while (buffer_len(bytes) > 0) {
        size_t len = 0;
        TRY(stream_push(stream, buffer_unread(bytes), &len));
        buffer_consume(bytes, len);
    }
    return stream_flush(stream);
}
