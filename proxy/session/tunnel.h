// tunnel: the two flows between a client and its target, and how they end.
//
// An end on one side is passed on and the other direction goes on (half-close). A reset on one side is
// a reset on the other: never does a broken stream look like a finished one.
#pragma once

#include "auth/reason.h"
#include "proxy/net/flow.h"
#include "proxy/net/tcp_stream.h"

enum tunnel_status {
    TUNNEL_WAITS,
    TUNNEL_MORE,     // its share of this turn is used up
    TUNNEL_FINISHED, // both directions ended in an orderly way
    TUNNEL_LEFT,   // the target has finished and takes no more: what the client still sends is lost
    TUNNEL_BROKEN, // reset or TLS error: the other side is to see a reset, too
};

// Embedded by the exchange; the fields are private to tunnel.c.
struct tunnel {
    struct tcp_stream upstream;
    struct stream *client; // borrowed
    struct flow up;        // client to target
    struct flow down;      // target to client
    bool is_open;
    bool is_up_lost;    // the target takes no more bytes
    enum reason reason; // who ended it first; REASON_NONE while both go on
    int64_t active_ms;  // monotonic; when a byte was last passed on
    uint64_t step_len;  // bytes that the last step has passed on, both ways
};

// tunnel_open takes over the connected socket `fd` and prepares both flows: `early` bytes of the client
// go first on the way up, `answer` (the 200) goes first on the way down. On an error the socket is closed.
enum err tunnel_open(struct tunnel *tunnel, struct ev_loop *loop, struct buffer_pool *pool,
                     struct stream *client, int fd, struct slice early, struct slice answer,
                     int64_t now_ms) MUST_USE;

// tunnel_preload_down puts bytes of the target that have been read already behind the answer. Before the first
// step. ERR_MEMORY, ERR_LIMIT; then the tunnel is to be closed.
enum err tunnel_preload_down(struct tunnel *tunnel, struct slice bytes) MUST_USE;

// tunnel_on_ready sets who is told of events on the upstream side.
void tunnel_on_ready(struct tunnel *tunnel, void (*on_ready)(void *owner), void *owner);

// tunnel_set_pace makes both directions take turns with all others that share these; see flow_set_pace.
void tunnel_set_pace(struct tunnel *tunnel, struct bandwidth *up, struct bandwidth *down,
                     const int64_t *clock_ms);

// tunnel_turn_ms gives when a tunnel is to be stepped though nothing has happened; INT64_MAX: never.
int64_t tunnel_turn_ms(const struct tunnel *tunnel);

// tunnel_active_ms gives when a byte was last passed on, or could have been: time spent waiting for a turn is
// not idle time. It may be in the future.
int64_t tunnel_active_ms(const struct tunnel *tunnel);

// tunnel_step moves what can be moved now.
enum tunnel_status tunnel_step(struct tunnel *tunnel, int64_t now_ms);

// tunnel_update_interest sets what both streams wait for.
void tunnel_update_interest(struct tunnel *tunnel);

// tunnel_close closes the upstream side and gives the buffers back. A zeroed tunnel is allowed. Idempotent.
void tunnel_close(struct tunnel *tunnel, bool is_reset);

// tunnel_is_half_closed tells whether exactly one direction has ended.
bool tunnel_is_half_closed(const struct tunnel *tunnel);
