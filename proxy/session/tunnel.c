// Steps both flows and reads their ends together.
#include "proxy/session/tunnel.h"

enum err tunnel_open(struct tunnel *tunnel, struct ev_loop *loop, struct buffer_pool *pool,
                     struct stream *client, int fd, struct slice early, struct slice answer,
                     int64_t now_ms)
{
    *tunnel = (struct tunnel){.client = client, .is_open = true, .active_ms = now_ms};
    tcp_stream_init(&tunnel->upstream, loop, fd);
    flow_init(&tunnel->up, client, &tunnel->upstream.stream, pool, false);
    flow_init(&tunnel->down, &tunnel->upstream.stream, client, pool, true);
    enum err error = flow_preload(&tunnel->up, early, false);
    if (error == ERR_OK)
        error = flow_preload(&tunnel->down, answer, true);
    if (error != ERR_OK)
        tunnel_close(tunnel, true);
    return error;
}

enum err tunnel_preload_down(struct tunnel *tunnel, struct slice bytes)
{
    return flow_preload(&tunnel->down, bytes, false);
}

void tunnel_on_ready(struct tunnel *tunnel, void (*on_ready)(void *owner), void *owner)
{
    tunnel->upstream.stream.on_ready = on_ready;
    tunnel->upstream.stream.owner = owner;
}

void tunnel_set_pace(struct tunnel *tunnel, struct bandwidth *up, struct bandwidth *down,
                     const int64_t *clock_ms)
{
    flow_set_pace(&tunnel->up, up, clock_ms);
    flow_set_pace(&tunnel->down, down, clock_ms);
}

int64_t tunnel_turn_ms(const struct tunnel *tunnel)
{
    const int64_t up_ms = flow_turn_ms(&tunnel->up);
    const int64_t down_ms = flow_turn_ms(&tunnel->down);
    return up_ms < down_ms ? up_ms : down_ms;
}

int64_t tunnel_active_ms(const struct tunnel *tunnel)
{
    const int64_t up_ms = flow_held_until_ms(&tunnel->up);
    const int64_t down_ms = flow_held_until_ms(&tunnel->down);
    const int64_t held_ms = up_ms > down_ms ? up_ms : down_ms;
    return held_ms > tunnel->active_ms ? held_ms : tunnel->active_ms;
}

// note_reason keeps the first reason: who ended it.
static void note_reason(struct tunnel *tunnel, enum reason reason)
{
    if (tunnel->reason == REASON_NONE)
        tunnel->reason = reason;
}

static enum tunnel_status broken(struct tunnel *tunnel, enum reason reason)
{
    note_reason(tunnel, reason);
    return TUNNEL_BROKEN;
}

// step_up moves bytes to the target. A target that takes no more may still have something to say, so
// its answer is waited for: the way down tells whether it was a reset.
static enum flow_status step_up(struct tunnel *tunnel)
{
    if (tunnel->is_up_lost)
        return FLOW_WAITS;
    const enum flow_status status = flow_step(&tunnel->up);
    if (tunnel->up.has_end)
        note_reason(tunnel, stream_is_truncated(tunnel->client) ? REASON_CLIENT_TRUNCATED
                                                                : REASON_CLIENT_CLOSED);
    if (status != FLOW_TO_FAILED)
        return status;
    tunnel->is_up_lost = true;
    flow_deinit(&tunnel->up);
    return FLOW_WAITS;
}

static enum tunnel_status status_of(struct tunnel *tunnel, enum flow_status up,
                                    enum flow_status down)
{
    if (up == FLOW_FROM_FAILED || down == FLOW_TO_FAILED)
        return broken(tunnel, REASON_CLIENT_RESET);
    if (down == FLOW_FROM_FAILED)
        return broken(tunnel, REASON_UPSTREAM_RESET);
    if (down == FLOW_DONE && up == FLOW_DONE)
        return TUNNEL_FINISHED;
    if (down == FLOW_DONE && tunnel->is_up_lost)
        return TUNNEL_LEFT;
    return up == FLOW_MORE || down == FLOW_MORE ? TUNNEL_MORE : TUNNEL_WAITS;
}

enum tunnel_status tunnel_step(struct tunnel *tunnel, int64_t now_ms)
{
    const uint64_t before = tunnel->up.passed + tunnel->down.passed;
    const enum flow_status up = step_up(tunnel);
    const enum flow_status down = flow_step(&tunnel->down);
    if (tunnel->down.has_end)
        note_reason(tunnel, REASON_UPSTREAM_CLOSED);
    tunnel->step_len = tunnel->up.passed + tunnel->down.passed - before;
    if (tunnel->step_len != 0)
        tunnel->active_ms = now_ms;
    return status_of(tunnel, up, down);
}

void tunnel_update_interest(struct tunnel *tunnel)
{
    const bool reads_client = !tunnel->is_up_lost && flow_wants_read(&tunnel->up);
    const bool writes_up = !tunnel->is_up_lost && flow_wants_write(&tunnel->up);
    stream_want(tunnel->client, reads_client, flow_wants_write(&tunnel->down));
    stream_want(&tunnel->upstream.stream, flow_wants_read(&tunnel->down), writes_up);
}

void tunnel_close(struct tunnel *tunnel, bool is_reset)
{
    if (!tunnel->is_open)
        return;
    tunnel->is_open = false;
    flow_deinit(&tunnel->up);
    flow_deinit(&tunnel->down);
    stream_close(&tunnel->upstream.stream, is_reset);
}

bool tunnel_is_half_closed(const struct tunnel *tunnel)
{
    return tunnel->up.is_done != tunnel->down.is_done || tunnel->is_up_lost;
}
