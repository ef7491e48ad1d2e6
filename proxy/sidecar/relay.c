// A duplex whose way down begins with the first byte of an answer.
#include "proxy/sidecar/relay.h"

#include "auth/ipaddr.h"

enum err relay_open(struct relay *relay, struct stream *client, struct stream *proxy,
                    struct buffer_pool *pool, struct slice head, struct slice rest, int64_t now_ms)
{
    *relay = (struct relay){.pool = pool};
    duplex_init(&relay->duplex, client, proxy, pool, true, false, now_ms);
    relay->duplex.down.demands_close = true;
    relay->duplex.holds_down = true;
    enum err error = flow_preload(&relay->duplex.up, head, true);
    if (error == ERR_OK)
        error = flow_preload(&relay->duplex.up, rest, false);
    if (error != ERR_OK)
        duplex_deinit(&relay->duplex);
    return error;
}

// status_of reads the status of an answer's first bytes (RFC 9112 4); 0 where they do not hold it.
static uint16_t status_of(struct slice answer)
{
    static const struct slice start = {(const uint8_t *)"HTTP/1.1 ", 9};
    uint64_t status = 0;
    const struct slice digits = slice_first(slice_from(answer, start.len), 3);
    return slice_starts_with(answer, start) && digits.len == 3 &&
                   decimal_parse(digits, 999, &status)
               ? (uint16_t)status
               : 0;
}

// await_answer reads the first bytes of the proxy's answer into the way down. RELAY_WAITS: they are there, or there are
// none yet.
static enum relay_status await_answer(struct relay *relay)
{
    struct buffer *first = buffer_pool_take(relay->pool);
    size_t len = 0;
    if (first == NULL)
        return RELAY_BROKEN;
    enum err error = stream_read(relay->duplex.server, first->data, BUFFER_CAP / 2, &len);
    relay->status = status_of(slice_of(first->data, len));
    if (error == ERR_OK)
        error = flow_preload(&relay->duplex.down, slice_of(first->data, len), false);
    buffer_pool_give(relay->pool, &first);
    if (error == ERR_MEMORY)
        return RELAY_BROKEN;
    if (error != ERR_OK && error != ERR_AGAIN)
        return error == ERR_EOF && relay->duplex.up.has_end ? RELAY_LEFT : RELAY_UNANSWERED;
    relay->is_answered = error == ERR_OK;
    relay->duplex.holds_down = error != ERR_OK;
    return RELAY_WAITS;
}

enum relay_status relay_step(struct relay *relay, int64_t now_ms)
{
    enum duplex_status status = duplex_step(&relay->duplex, now_ms);
    if (!relay->is_answered && status != DUPLEX_CLIENT_BROKEN) {
        const enum relay_status answer = await_answer(relay);
        if (answer != RELAY_WAITS)
            return answer;
        if (relay->is_answered)
            status = duplex_step(&relay->duplex, now_ms);
    }
    switch (status) {
    case DUPLEX_WAITS:
        return RELAY_WAITS;
    case DUPLEX_MORE:
        return RELAY_MORE;
    case DUPLEX_FINISHED:
    case DUPLEX_LEFT:
        return RELAY_FINISHED;
    case DUPLEX_CLIENT_BROKEN:
    case DUPLEX_SERVER_BROKEN:
        break;
    }
    return RELAY_BROKEN;
}
