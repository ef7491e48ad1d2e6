// A duplex with the reason of its end.
#include "proxy/session/tunnel.h"

enum err tunnel_open(struct tunnel *tunnel, struct ev_loop *loop, struct buffer_pool *pool,
                     struct stream *client, int fd, struct slice early, struct slice answer,
                     int64_t now_ms)
{
    *tunnel = (struct tunnel){.is_open = true};
    tcp_stream_init(&tunnel->upstream, loop, fd);
    tunnel->upstream.stream.on_ready = client->on_ready;
    tunnel->upstream.stream.owner = client->owner;
    duplex_init(&tunnel->duplex, client, &tunnel->upstream.stream, pool, false, true, now_ms);
    enum err error = flow_preload(&tunnel->duplex.up, early, false);
    if (error == ERR_OK)
        error = flow_preload(&tunnel->duplex.down, answer, true);
    if (error != ERR_OK)
        tunnel_close(tunnel, true);
    return error;
}

enum duplex_status tunnel_step(struct tunnel *tunnel, int64_t now_ms)
{
    const struct duplex *duplex = &tunnel->duplex;
    const enum duplex_status status = duplex_step(&tunnel->duplex, now_ms);
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
    if (!tunnel->is_open)
        return;
    tunnel->is_open = false;
    duplex_deinit(&tunnel->duplex);
    stream_close(&tunnel->upstream.stream, is_reset);
}
