// A duplex with the reason of its end.
#include "proxy/session/tunnel.h"

enum err tunnel_inspect(struct tunnel *tunnel, const struct inner *rules,
                        const struct target *asked)
{
    inspection_destroy(tunnel->inspection);
    tunnel->inspection = inspection_create(rules, asked);
    if (tunnel->inspection == NULL)
        return ERR_MEMORY;
    tunnel->duplex.up.mode = FLOW_FILLS;
    if (inner_holds_down(rules))
        tunnel->duplex.down.mode = FLOW_DRAINS; // the 200 goes out
    return ERR_OK;
}

const struct inner_verdict *tunnel_verdict(const struct tunnel *tunnel)
{
    const struct inspection *inspection = tunnel->inspection;
    return inspection != NULL && inspection->is_asking ? &inspection->gate.verdict : NULL;
}

void tunnel_admit(struct tunnel *tunnel)
{
    tunnel->inspection->is_asking = false;
}

static bool has_ended(enum duplex_status status)
{
    return status != DUPLEX_WAITS && status != DUPLEX_MORE;
}

// inspect fills the way up, and drains it where what has come may go on.
static enum duplex_status inspect(struct tunnel *tunnel, int64_t now_ms)
{
    struct inspection *inspection = tunnel->inspection;
    struct duplex *duplex = &tunnel->duplex;
    struct flow *up = &duplex->up;
    if (up->mode == FLOW_DRAINS && buffer_len(up->buffer) > 0) // what has been let go goes first
        return duplex_step(duplex, now_ms);
    up->mode = FLOW_FILLS;
    const enum duplex_status filled = duplex_step(duplex, now_ms);
    if (has_ended(filled) || tunnel_verdict(tunnel) != NULL ||
        (buffer_len(up->buffer) == 0 && !up->has_end) || !inspection_passes(inspection, up))
        return filled;
    if (!gate_holds_down(&inspection->gate))
        duplex->down.mode = FLOW_MOVES;
    up->mode = inspection_is_over(inspection) ? FLOW_MOVES : FLOW_DRAINS;
    const enum duplex_status drained = duplex_step(duplex, now_ms);
    return drained == DUPLEX_WAITS && !up->is_blocked ? DUPLEX_MORE : drained;
}

enum duplex_status tunnel_step(struct tunnel *tunnel, int64_t now_ms)
{
    const struct duplex *duplex = &tunnel->duplex;
    const bool is_inspected = tunnel->inspection != NULL && !inspection_is_over(tunnel->inspection);
    const enum duplex_status status =
        is_inspected ? inspect(tunnel, now_ms) : duplex_step(&tunnel->duplex, now_ms);
    if (tunnel->reason != REASON_NONE) // the first one stays: who ended it
        return status;
    if (duplex->up.has_end)
        tunnel->reason =
            stream_is_truncated(duplex->client) ? REASON_CLIENT_TRUNCATED : REASON_CLIENT_CLOSED;
    else if (duplex->down.has_end)
        tunnel->reason = REASON_UPSTREAM_CLOSED;
    else if (status == DUPLEX_CLIENT_BROKEN)
        tunnel->reason = REASON_CLIENT_RESET;
    else if (status == DUPLEX_SERVER_BROKEN)
        tunnel->reason = REASON_UPSTREAM_RESET;
    return status;
}

void tunnel_close(struct tunnel *tunnel, bool is_reset)
{
    if (!tunnel->upstream.is_open)
        return;
    inspection_close(tunnel->inspection, tunnel->duplex.up.pool);
    duplex_deinit(&tunnel->duplex);
    stream_close(&tunnel->upstream.stream, is_reset);
}

void tunnel_deinit(struct tunnel *tunnel)
{
    inspection_destroy(tunnel->inspection);
    tunnel->inspection = NULL;
}
