// Steps both flows and reads their ends together.
#include "proxy/sidecar/relay.h"

enum err relay_open(struct relay *relay, struct stream *client, struct stream *proxy,
                    struct buffer_pool *pool, struct slice head, struct slice rest, int64_t now_ms)
{
    *relay = (struct relay){
        .client = client, .proxy = proxy, .pool = pool, .up_ms = now_ms, .active_ms = now_ms};
    flow_init(&relay->up, client, proxy, pool, true);
    flow_init(&relay->down, proxy, client, pool, false);
    relay->down.demands_close = true;
    enum err error = flow_preload(&relay->up, head, true);
    if (error == ERR_OK)
        error = flow_preload(&relay->up, rest, false);
    if (error != ERR_OK)
        relay_close(relay);
    return error;
}

void relay_close(struct relay *relay)
{
    flow_deinit(&relay->up);
    flow_deinit(&relay->down);
}

// step_up moves bytes to the proxy. One that takes no more may have said why: the way down tells.
static enum flow_status step_up(struct relay *relay)
{
    if (relay->is_up_lost)
        return FLOW_WAITS;
    const enum flow_status status = flow_step(&relay->up);
    if (status != FLOW_TO_FAILED)
        return status;
    relay->is_up_lost = true;
    flow_deinit(&relay->up);
    return FLOW_WAITS;
}

// status_of reads the status of an answer's first bytes (RFC 9112 4); 0 where they do not hold it.
static uint16_t status_of(struct slice answer)
{
    static const struct slice start = {(const uint8_t *)"HTTP/1.1 ", 9};
    uint16_t status = 0;
    if (!slice_starts_with(answer, start) || answer.len < start.len + 3)
        return 0;
    for (size_t i = start.len; i < start.len + 3; i++) {
        if (answer.data[i] < '0' || answer.data[i] > '9')
            return 0;
        status = (uint16_t)(status * 10 + (answer.data[i] - '0'));
    }
    return status;
}

// read_first reads the first bytes of the proxy's answer into the way down.
static enum err read_first(struct relay *relay)
{
    struct buffer *first = buffer_pool_take(relay->pool);
    size_t len = 0;
    if (first == NULL)
        return ERR_MEMORY;
    enum err error = stream_read(relay->proxy, first->data, BUFFER_CAP / 2, &len);
    relay->status = status_of(slice_of(first->data, len));
    if (error == ERR_OK)
        error = flow_preload(&relay->down, slice_of(first->data, len), false);
    buffer_pool_give(relay->pool, &first);
    return error;
}

// step_unanswered waits for the first byte of an answer.
static enum relay_status step_unanswered(struct relay *relay, enum flow_status up)
{
    const enum err error = read_first(relay);
    if (error == ERR_AGAIN)
        return up == FLOW_MORE ? RELAY_MORE : RELAY_WAITS;
    if (error == ERR_MEMORY)
        return RELAY_BROKEN;
    if (error != ERR_OK)
        return error == ERR_EOF && relay->up.has_end ? RELAY_LEFT : RELAY_UNANSWERED;
    relay->is_answered = true;
    return RELAY_WAITS;
}

static void note_progress(struct relay *relay, int64_t now_ms)
{
    const uint64_t passed = relay->up.passed + relay->down.passed;
    if (passed != relay->passed)
        relay->active_ms = now_ms;
    if (relay->up.passed != relay->up_passed)
        relay->up_ms = now_ms;
    relay->passed = passed;
    relay->up_passed = relay->up.passed;
}

static enum relay_status step_answered(struct relay *relay, enum flow_status up)
{
    const enum flow_status down = flow_step(&relay->down);
    if (down == FLOW_TO_FAILED || down == FLOW_FROM_FAILED)
        return RELAY_BROKEN;
    if (down == FLOW_DONE && (up == FLOW_DONE || relay->is_up_lost))
        return RELAY_FINISHED;
    return up == FLOW_MORE || down == FLOW_MORE ? RELAY_MORE : RELAY_WAITS;
}

enum relay_status relay_step(struct relay *relay, int64_t now_ms)
{
    const enum flow_status up = step_up(relay);
    enum relay_status status = RELAY_WAITS;
    if (up == FLOW_FROM_FAILED)
        return RELAY_BROKEN;
    if (!relay->is_answered)
        status = step_unanswered(relay, up);
    if (relay->is_answered)
        status = step_answered(relay, up);
    note_progress(relay, now_ms);
    return status;
}

void relay_end_up(struct relay *relay)
{
    relay->up.has_end = true;
}

void relay_update_interest(const struct relay *relay)
{
    const bool reads_client = !relay->is_up_lost && flow_wants_read(&relay->up);
    const bool writes_proxy = !relay->is_up_lost && flow_wants_write(&relay->up);
    stream_want(relay->client, reads_client, flow_wants_write(&relay->down));
    stream_want(relay->proxy, flow_wants_read(&relay->down), writes_proxy);
}

bool relay_has_client_end(const struct relay *relay)
{
    return relay->up.has_end;
}

bool relay_is_half_closed(const struct relay *relay)
{
    return relay->up.is_done != relay->down.is_done || relay->is_up_lost;
}
