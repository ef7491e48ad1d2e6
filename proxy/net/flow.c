// Reads up to eight TLS records' worth, writes it, and gives the buffer back before waiting.
#include "proxy/net/flow.h"

// A read becomes one write, and the kernel makes segments of at most 64 KiB of it, a little less. With the
// overhead of eight TLS records 127 KiB are two of them; 128 KiB would be two and a third of some hundred
// bytes, which costs the kernel as much as a large one.
enum {
    FLOW_READ_MAX = 127 * 1024,
    FLOW_SHARE = FLOW_READ_MAX, // bytes a step: then the others' turn
};

void flow_init(struct flow *flow, struct stream *from, struct stream *to, struct buffer_pool *pool,
               bool keeps_records)
{
    *flow = (struct flow){.from = from, .to = to, .pool = pool, .keeps_records = keeps_records};
}

void flow_deinit(struct flow *flow)
{
    if (flow->buffer != NULL)
        buffer_pool_give(flow->pool, &flow->buffer);
    pacer_deinit(&flow->pacer);
}

enum err flow_preload(struct flow *flow, struct slice bytes, bool is_preamble)
{
    if (bytes.len == 0)
        return ERR_OK;
    if (flow->buffer == NULL)
        flow->buffer = buffer_pool_take(flow->pool);
    if (flow->buffer == NULL)
        return ERR_MEMORY;
    if (!buffer_append(flow->buffer, bytes))
        return ERR_LIMIT;
    if (is_preamble)
        flow->preamble_len += bytes.len;
    return ERR_OK;
}

void flow_set_pace(struct flow *flow, struct bandwidth *bandwidth, const int64_t *clock_ms)
{
    pacer_init(&flow->pacer, bandwidth, clock_ms);
    pacer_pay(&flow->pacer, buffer_len(flow->buffer) - flow->preamble_len);
}

// next_piece gives what may be written as one unit.
static struct slice next_piece(const struct flow *flow)
{
    const struct slice unread = buffer_unread(flow->buffer);
    if (flow->preamble_len > 0)
        return slice_first(unread, flow->preamble_len);
    if (flow->keeps_records)
        return slice_first(unread, record_scanner_piece(&flow->scanner, unread));
    return unread;
}

static void note_written(struct flow *flow, struct slice written)
{
    if (flow->preamble_len > 0) {
        flow->preamble_len -= written.len;
    } else {
        flow->passed += written.len;
        if (flow->keeps_records)
            record_scanner_advance(&flow->scanner, written);
    }
    buffer_consume(flow->buffer, written.len);
}

// push writes the buffer out. ERR_AGAIN leaves the rest in it, or in the stream.
static enum err push(struct flow *flow)
{
    while (buffer_len(flow->buffer) != 0) {
        const struct slice piece = next_piece(flow);
        size_t len = 0;
        TRY(stream_push(flow->to, piece, &len));
        note_written(flow, slice_first(piece, len));
    }
    buffer_pool_give_if_empty(flow->pool, &flow->buffer);
    return stream_flush(flow->to);
}

// pull reads the next bytes, at most `max`, after those that are in the buffer.
static enum err pull(struct flow *flow, size_t max, size_t *out_len)
{
    if (flow->buffer == NULL)
        flow->buffer = buffer_pool_take(flow->pool);
    if (flow->buffer == NULL)
        return ERR_MEMORY;
    struct buffer *buffer = flow->buffer;
    const enum err error = stream_read(flow->from, buffer->data + buffer->end, max, out_len);
    if (error == ERR_OK) {
        buffer_produce(flow->buffer, *out_len);
        pacer_pay(&flow->pacer, *out_len);
    }
    buffer_pool_give_if_empty(flow->pool, &flow->buffer);
    return error;
}

// end passes the end on.
static enum flow_status end(struct flow *flow)
{
    const enum err error = stream_finish(flow->to);
    flow->is_blocked = error == ERR_AGAIN;
    flow->is_done = error == ERR_OK;
    if (flow->is_done)
        return FLOW_DONE;
    return flow->is_blocked ? FLOW_WAITS : FLOW_TO_FAILED;
}

// read_on reads once, at most `max`. FLOW_MORE: there are bytes, or the end.
static enum flow_status read_on(struct flow *flow, size_t max, size_t *out_len)
{
    max = pacer_ask(&flow->pacer, max);
    if (max == 0)
        return FLOW_WAITS;
    const enum err pulled = pull(flow, max, out_len);
    if (pulled == ERR_AGAIN)
        return FLOW_WAITS;
    if (pulled == ERR_EOF && flow->demands_close && stream_is_truncated(flow->from))
        return FLOW_FROM_FAILED;
    flow->has_end = pulled == ERR_EOF;
    return pulled == ERR_OK || flow->has_end ? FLOW_MORE : FLOW_FROM_FAILED;
}

// fill reads as far as there is room. It does not wait for more where the end has been read.
static enum flow_status fill(struct flow *flow)
{
    const size_t room = flow->buffer == NULL ? BUFFER_CAP : buffer_room(flow->buffer);
    size_t len = 0;
    if (flow->has_end || room == 0)
        return FLOW_WAITS;
    return read_on(flow, room < FLOW_READ_MAX ? room : FLOW_READ_MAX, &len);
}

enum flow_status flow_step(struct flow *flow)
{
    size_t share = FLOW_SHARE;
    if (flow->is_done)
        return FLOW_DONE;
    if (flow->mode == FLOW_FILLS)
        return fill(flow);
    for (;;) {
        const enum err pushed = push(flow);
        flow->is_blocked = pushed == ERR_AGAIN;
        if (flow->is_blocked)
            return FLOW_WAITS;
        if (pushed != ERR_OK)
            return FLOW_TO_FAILED;
        if (flow->has_end)
            return end(flow);
        if (flow->mode == FLOW_DRAINS)
            return FLOW_WAITS;
        if (share == 0)
            return FLOW_MORE;
        size_t len = 0;
        const enum flow_status status = read_on(flow, FLOW_READ_MAX, &len);
        if (status != FLOW_MORE)
            return status;
        share -= len < share ? len : share;
    }
}

bool flow_wants_read(const struct flow *flow)
{
    const bool is_full =
        flow->mode == FLOW_FILLS && flow->buffer != NULL && buffer_room(flow->buffer) == 0;
    return flow->mode != FLOW_DRAINS && !flow->is_done && !flow->is_blocked && !flow->has_end &&
           !flow->pacer.is_waiting && !is_full;
}

bool flow_wants_write(const struct flow *flow)
{
    return !flow->is_done && flow->is_blocked;
}
