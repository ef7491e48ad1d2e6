// Steps both flows and reads their ends together.
#include "proxy/net/duplex.h"

#include "proxy/loop/deadline.h"

void duplex_init(struct duplex *duplex, struct stream *client, struct stream *server,
                 struct buffer_pool *pool, bool keeps_up, bool keeps_down, int64_t now_ms)
{
    *duplex =
        (struct duplex){.client = client, .server = server, .up_ms = now_ms, .active_ms = now_ms};
    flow_init(&duplex->up, client, server, pool, keeps_up);
    flow_init(&duplex->down, server, client, pool, keeps_down);
}

void duplex_deinit(struct duplex *duplex)
{
    flow_deinit(&duplex->up);
    flow_deinit(&duplex->down);
}

void duplex_set_pace(struct duplex *duplex, struct bandwidth *up, struct bandwidth *down,
                     const int64_t *clock_ms)
{
    flow_set_pace(&duplex->up, up, clock_ms);
    flow_set_pace(&duplex->down, down, clock_ms);
}

void duplex_move_pace(struct duplex *duplex, struct bandwidth *up, struct bandwidth *down)
{
    pacer_move(&duplex->up.pacer, up);
    pacer_move(&duplex->down.pacer, down);
}

int64_t duplex_turn_ms(const struct duplex *duplex)
{
    return deadline_sooner(pacer_turn_ms(&duplex->up.pacer), pacer_turn_ms(&duplex->down.pacer));
}

int64_t duplex_active_ms(const struct duplex *duplex)
{
    return pacer_active_ms(&duplex->up.pacer,
                           pacer_active_ms(&duplex->down.pacer, duplex->active_ms));
}

// step_up moves bytes to the server. A failure there is not the end: the way down tells what it was.
static enum flow_status step_up(struct duplex *duplex)
{
    if (duplex->is_up_lost)
        return FLOW_WAITS;
    const enum flow_status status = flow_step(&duplex->up);
    if (status != FLOW_TO_FAILED)
        return status;
    duplex->is_up_lost = true;
    flow_deinit(&duplex->up);
    return FLOW_WAITS;
}

static enum duplex_status status_of(const struct duplex *duplex, enum flow_status up,
                                    enum flow_status down)
{
    if (up == FLOW_FROM_FAILED || down == FLOW_TO_FAILED)
        return DUPLEX_CLIENT_BROKEN;
    if (down == FLOW_FROM_FAILED)
        return DUPLEX_SERVER_BROKEN;
    if (down == FLOW_DONE && up == FLOW_DONE)
        return DUPLEX_FINISHED;
    if (down == FLOW_DONE && duplex->is_up_lost)
        return DUPLEX_LEFT;
    return up == FLOW_MORE || down == FLOW_MORE ? DUPLEX_MORE : DUPLEX_WAITS;
}

enum duplex_status duplex_step(struct duplex *duplex, int64_t now_ms)
{
    const uint64_t up_before = duplex->up.passed;
    const uint64_t down_before = duplex->down.passed;
    const enum flow_status up = step_up(duplex);
    const enum flow_status down = duplex->holds_down ? FLOW_WAITS : flow_step(&duplex->down);
    const uint64_t up_len = duplex->up.passed - up_before;
    duplex->step_len = up_len + duplex->down.passed - down_before;
    if (up_len != 0)
        duplex->up_ms = now_ms;
    if (duplex->step_len != 0)
        duplex->active_ms = now_ms;
    return status_of(duplex, up, down);
}

void duplex_update_interest(const struct duplex *duplex)
{
    const bool reads_client = !duplex->is_up_lost && flow_wants_read(&duplex->up);
    const bool writes_server = !duplex->is_up_lost && flow_wants_write(&duplex->up);
    stream_want(duplex->client, reads_client, flow_wants_write(&duplex->down));
    stream_want(duplex->server, flow_wants_read(&duplex->down), writes_server);
}

bool duplex_is_half_closed(const struct duplex *duplex)
{
    return duplex->up.is_done != duplex->down.is_done || duplex->is_up_lost;
}
