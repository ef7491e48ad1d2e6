// Two buffers: what comes is read into one, understood, and written out of the other. Where nothing is to be
// added between the pieces, the first simply becomes the second.
#include "proxy/session/body_flow.h"

enum {
    READ_MAX = 64 * 1024, // bytes a read: four full TLS records
    SHARE = 256 * 1024,   // bytes a step: then the others' turn
    // Room that understanding a piece may need beside the piece itself, and the least that a piece must have
    // so that a whole trailer section is one.
    OUT_RESERVE = BODY_END_CAP + BODY_CHUNK_OVERHEAD + 1,
    OUT_LEAST = OUT_RESERVE + BODY_MAX_TRAILER_LEN,
};

void body_flow_init(struct body_flow *flow, struct stream *from, struct stream *to,
                    struct buffer_pool *pool, size_t max_behind)
{
    *flow = (struct body_flow){.from = from, .to = to, .pool = pool, .max_behind = max_behind};
}

void body_flow_deinit(struct body_flow *flow)
{
    pacer_deinit(&flow->pacer);
    if (flow->pool == NULL)
        return;
    buffer_pool_give(flow->pool, &flow->in);
    buffer_pool_give(flow->pool, &flow->out);
}

void body_flow_set_pace(struct body_flow *flow, struct bandwidth *bandwidth,
                        const int64_t *clock_ms)
{
    pacer_init(&flow->pacer, bandwidth, clock_ms);
    pacer_pay(&flow->pacer, buffer_len(flow->in));
}

void body_flow_expect(struct body_flow *flow, enum body_kind kind, uint64_t length,
                      enum body_kind as)
{
    body_reader_init(&flow->reader, kind, length);
    flow->as = as;
}

// need gives the buffer in `*buffer`, taking one where there is none; NULL without memory.
static struct buffer *need(struct body_flow *flow, struct buffer **buffer)
{
    if (*buffer == NULL)
        *buffer = buffer_pool_take(flow->pool);
    return *buffer;
}

bool body_flow_begin_out(struct body_flow *flow, struct text *out_text)
{
    struct buffer *out = need(flow, &flow->out);
    if (out == NULL || buffer_room(out) == 0)
        return false;
    text_init(out_text, (char *)out->data + out->end, buffer_room(out));
    return true;
}

bool body_flow_end_out(struct body_flow *flow, const struct text *text)
{
    if (text->is_cut)
        return false;
    buffer_produce(flow->out, text->len);
    return true;
}

enum err body_flow_give(struct body_flow *flow, struct slice bytes)
{
    if (bytes.len == 0)
        return ERR_OK;
    if (need(flow, &flow->in) == NULL)
        return ERR_MEMORY;
    return buffer_append(flow->in, bytes) ? ERR_OK : ERR_LIMIT;
}

// make_room moves what is unread to the front of a buffer, where little room is left after it.
static enum err make_room(struct body_flow *flow)
{
    struct buffer *fresh = NULL;
    if (need(flow, &flow->in) == NULL)
        return ERR_MEMORY;
    if (flow->in->start == 0 || buffer_room(flow->in) >= READ_MAX)
        return ERR_OK;
    fresh = buffer_pool_take(flow->pool);
    if (fresh == NULL)
        return ERR_MEMORY;
    const bool fits = buffer_append(fresh, buffer_unread(flow->in));
    ASSERT(fits);
    buffer_pool_give(flow->pool, &flow->in);
    flow->in = fresh;
    return ERR_OK;
}

enum err body_flow_pull(struct body_flow *flow, size_t cap, size_t *out_len)
{
    *out_len = 0;
    cap = pacer_ask(&flow->pacer, cap);
    if (flow->pacer.is_waiting)
        return ERR_AGAIN;
    enum err error = make_room(flow);
    if (error != ERR_OK)
        return error;
    const size_t room = buffer_room(flow->in);
    cap = cap < room ? cap : room;
    if (cap == 0)
        return ERR_LIMIT;
    error = stream_read(flow->from, flow->in->data + flow->in->end, cap, out_len);
    if (error == ERR_OK)
        buffer_produce(flow->in, *out_len);
    pacer_pay(&flow->pacer, *out_len);
    flow->has_end = flow->has_end || error == ERR_EOF;
    buffer_pool_give_if_empty(flow->pool, &flow->in);
    return error;
}

enum err body_flow_push(struct body_flow *flow)
{
    while (buffer_len(flow->out) != 0) {
        size_t len = 0;
        TRY(stream_push(flow->to, buffer_unread(flow->out), &len));
        buffer_consume(flow->out, len);
    }
    buffer_pool_give_if_empty(flow->pool, &flow->out);
    return stream_flush(flow->to);
}

// hand_over makes the buffer that was read into the one to be written, where it holds nothing but content.
static bool hand_over(struct body_flow *flow, struct slice content)
{
    if (flow->as == BODY_CHUNKED || buffer_len(flow->out) != 0 ||
        content.len != buffer_len(flow->in))
        return false;
    buffer_pool_give(flow->pool, &flow->out);
    flow->out = flow->in;
    flow->in = NULL;
    return true;
}

// append writes a piece of content, or with `is_end` what ends the body, after what is to be written.
static void append(struct body_flow *flow, struct slice piece, bool is_end)
{
    struct text text;
    if (flow->as != BODY_CHUNKED && is_end)
        return;
    text_init(&text, (char *)flow->out->data + flow->out->end, buffer_room(flow->out));
    if (flow->as != BODY_CHUNKED)
        text_append(&text, piece);
    else if (is_end)
        body_end_append(piece, &text);
    else
        body_chunk_append(piece, &text);
    ASSERT(!text.is_cut);
    buffer_produce(flow->out, text.len);
}

// understand takes the next piece out of `in`. BODY_DATA: there was one.
static enum body_result understand(struct body_flow *flow)
{
    struct slice content;
    size_t used = 0;
    const size_t room = buffer_room(flow->out) - OUT_RESERVE;
    const enum body_result result = body_reader_next(
        &flow->reader, slice_first(buffer_unread(flow->in), room), &used, &content, &flow->why);
    if (result == BODY_DATA) {
        flow->passed += content.len;
        if (hand_over(flow, content))
            return BODY_DATA;
        append(flow, content, false);
    } else if (result == BODY_DONE) {
        append(flow, content, true);
        flow->is_read = true;
    }
    if (flow->in != NULL)
        buffer_consume(flow->in, used);
    return result;
}

// fill understands what is in `in` as long as there is room in `out`. ERR_AGAIN: nothing more can be
// understood before more has been read; ERR_INPUT: it is malformed.
static enum err fill(struct body_flow *flow)
{
    enum body_result result = BODY_DATA;
    while (result == BODY_DATA && !flow->is_read) {
        if (need(flow, &flow->out) == NULL)
            return ERR_MEMORY;
        if (buffer_room(flow->out) < OUT_LEAST)
            return ERR_OK;
        result = understand(flow);
    }
    buffer_pool_give_if_empty(flow->pool, &flow->in);
    if (result == BODY_BAD)
        return ERR_INPUT;
    return result == BODY_MORE ? ERR_AGAIN : ERR_OK;
}

// pull reads on; at the sender's end it tells whether that is the body's as well.
static enum body_flow_status pull(struct body_flow *flow, size_t *share)
{
    size_t len = 0;
    const uint64_t most = body_reader_max_read(&flow->reader, flow->max_behind);
    const enum err error = body_flow_pull(flow, most < READ_MAX ? (size_t)most : READ_MAX, &len);
    *share -= len < *share ? len : *share;
    if (error == ERR_OK)
        return BODY_FLOW_DONE;
    if (error == ERR_AGAIN)
        return BODY_FLOW_WAITS;
    if (error != ERR_EOF)
        return BODY_FLOW_FROM_FAILED;
    if (!body_reader_ends_well(&flow->reader) || stream_is_truncated(flow->from))
        return BODY_FLOW_FROM_CUT;
    if (need(flow, &flow->out) == NULL)
        return BODY_FLOW_FROM_FAILED;
    append(flow, (struct slice){0}, true);
    flow->is_read = true;
    return BODY_FLOW_DONE;
}

enum body_flow_status body_flow_step(struct body_flow *flow)
{
    size_t share = SHARE;
    if (flow->is_done)
        return BODY_FLOW_DONE;
    for (;;) {
        const enum err filled = fill(flow);
        if (filled != ERR_OK && filled != ERR_AGAIN)
            return filled == ERR_INPUT ? BODY_FLOW_FROM_BAD : BODY_FLOW_FROM_FAILED;
        const enum err pushed = body_flow_push(flow);
        flow->is_blocked = pushed == ERR_AGAIN;
        if (flow->is_blocked)
            return BODY_FLOW_WAITS;
        if (pushed != ERR_OK)
            return BODY_FLOW_TO_FAILED;
        flow->is_done = flow->is_read;
        if (flow->is_done)
            return BODY_FLOW_DONE;
        if (share == 0)
            return BODY_FLOW_MORE;
        const enum body_flow_status pulled =
            filled == ERR_AGAIN ? pull(flow, &share) : BODY_FLOW_DONE;
        if (pulled != BODY_FLOW_DONE)
            return pulled;
    }
}

bool body_flow_is_cut(const struct body_flow *flow)
{
    return buffer_len(flow->out) > 0 && flow->out->start > 0;
}

struct slice body_flow_unread(const struct body_flow *flow)
{
    return buffer_unread(flow->in);
}

bool body_flow_wants_read(const struct body_flow *flow)
{
    return !flow->is_read && !flow->is_blocked && !flow->has_end && !flow->pacer.is_waiting;
}

bool body_flow_wants_write(const struct body_flow *flow)
{
    return !flow->is_done && flow->is_blocked;
}
