// A duplex with the reason of its end.
#include "proxy/session/tunnel.h"

// holds_down tells whether the target's bytes wait for the first flight.
static bool holds_down(const struct inspection *inspection)
{
    return !inspection->only_observes && gate_holds_down(&inspection->gate);
}

// set_down_mode makes the target's bytes wait where the inspection wants it; drained, the 200 goes out.
static void set_down_mode(struct tunnel *tunnel)
{
    tunnel->duplex.down.mode = holds_down(tunnel->inspection) ? FLOW_DRAINS : FLOW_MOVES;
}

enum err tunnel_inspect(struct tunnel *tunnel, const struct inner *rules,
                        const struct target *asked, bool is_report)
{
    inspection_destroy(tunnel->inspection);
    tunnel->inspection = inspection_create(rules, asked, is_report);
    if (tunnel->inspection == NULL)
        return ERR_MEMORY;
    tunnel->duplex.up.mode = FLOW_FILLS;
    set_down_mode(tunnel);
    return ERR_OK;
}

// has_passed tells whether a byte of the flow has gone on, or is about to.
static bool has_passed(const struct flow *flow)
{
    return flow->passed > 0 || buffer_len(flow->buffer) > flow->preamble_len;
}

bool tunnel_inspect_by(struct tunnel *tunnel, const struct inner *rules, bool is_report)
{
    struct inspection *inspection = tunnel->inspection;
    const bool has_gone_up = tunnel->duplex.up.passed > 0 || inspection->passed != NULL;
    inspection_set_rules(inspection, rules, is_report);
    if (!inspection->only_observes && has_gone_up)
        return false;
    if (holds_down(inspection) && has_passed(&tunnel->duplex.down))
        return false;
    set_down_mode(tunnel); // the way up keeps its mode: what has been let go may not be out yet
    return true;
}

const struct inner_verdict *tunnel_verdict(const struct tunnel *tunnel)
{
    const struct inspection *inspection = tunnel->inspection;
    return inspection != NULL && inspection->is_asking ? &inspection->gate.verdict : NULL;
}

static bool has_ended(enum duplex_status status)
{
    return status != DUPLEX_WAITS && status != DUPLEX_MORE;
}

// drain passes on what may go on. Once it is out there may be more to look at.
static enum duplex_status drain(struct tunnel *tunnel, int64_t now_ms)
{
    const struct flow *up = &tunnel->duplex.up;
    const enum duplex_status drained = duplex_step(&tunnel->duplex, now_ms);
    return drained == DUPLEX_WAITS && !up->is_blocked && !up->is_done ? DUPLEX_MORE : drained;
}

// inspect fills the way up, and drains it where what has come may go on.
static enum duplex_status inspect(struct tunnel *tunnel, int64_t now_ms)
{
    struct inspection *inspection = tunnel->inspection;
    struct duplex *duplex = &tunnel->duplex;
    struct flow *up = &duplex->up;
    // What has been let go goes first; after the end nothing is left to look at.
    if (up->is_done || (up->mode == FLOW_DRAINS && buffer_len(up->buffer) > 0))
        return drain(tunnel, now_ms);
    up->mode = FLOW_FILLS;
    const enum duplex_status filled = duplex_step(duplex, now_ms);
    if (has_ended(filled) || tunnel_verdict(tunnel) != NULL ||
        (buffer_len(up->buffer) == 0 && !up->has_end) || !inspection_passes(inspection, up))
        return filled;
    if (!holds_down(inspection))
        duplex->down.mode = FLOW_MOVES;
    up->mode = inspection_is_over(inspection) ? FLOW_MOVES : FLOW_DRAINS;
    const enum duplex_status drained = drain(tunnel, now_ms);
    if (up->is_done && gate_holds_down(&inspection->gate)) // no first flight will come
        return DUPLEX_FINISHED;
    return drained;
}

enum duplex_status tunnel_step(struct tunnel *tunnel, int64_t now_ms)
{
    struct duplex *duplex = &tunnel->duplex;
    if (line_is_lost(&tunnel->line)) {
        tunnel->reason = tunnel->reason == REASON_NONE ? REASON_UPSTREAM_RESET : tunnel->reason;
        return DUPLEX_SERVER_BROKEN;
    }
    const bool is_inspected = tunnel->inspection != NULL && !inspection_is_over(tunnel->inspection);
    if (tunnel->inspection != NULL && !is_inspected)
        duplex->up.mode = duplex->down.mode = FLOW_MOVES;
    const enum duplex_status status =
        is_inspected ? inspect(tunnel, now_ms) : duplex_step(&tunnel->duplex, now_ms);
    line_flush(&tunnel->line);
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
        tunnel->reason =
            stream_is_truncated(duplex->server) ? REASON_UPSTREAM_TRUNCATED : REASON_UPSTREAM_RESET;
    return status;
}

void tunnel_close(struct tunnel *tunnel, bool is_reset)
{
    if (tunnel->line.stream == NULL)
        return;
    inspection_close(tunnel->inspection, tunnel->duplex.up.pool);
    duplex_deinit(&tunnel->duplex);
    line_close(&tunnel->line, is_reset);
}

void tunnel_deinit(struct tunnel *tunnel)
{
    inspection_destroy(tunnel->inspection);
    tunnel->inspection = NULL;
}
