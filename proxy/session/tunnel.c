// A duplex with the reason of its end.
#include "proxy/session/tunnel.h"

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
    if (!tunnel->upstream.is_open)
        return;
    duplex_deinit(&tunnel->duplex);
    stream_close(&tunnel->upstream.stream, is_reset);
}
