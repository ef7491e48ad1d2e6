// bridge: one local client and its way to the proxy, from accept to close.
//
//     READ_HEAD --CONNECT or absolute-form--> REACH --proxy is there--> RELAY --both ended--> CLOSING --> DEAD
//       ^  \--PAC, anything else--> ANSWER <--failed--/                   |                    ^
//       |                            | |\<--ended without an answer-------/                    |
//       \--refused over HTTP/2------/ \------------------------------------------------------/
//
// The sidecar reads one head, the first, to know whether it can answer by itself when the proxy cannot be reached, and
// whether it is a CONNECT, which may share a connection to the proxy (uplink.h). Over a connection of its own bytes go
// through as they are: only the proxy reads HTTP, so that nothing can be understood in two ways. Over a shared one the head
// of each CONNECT is read here, by the reader that the proxy has, too, and then bytes are bytes.
#pragma once

#include <ev.h>
#include <sys/queue.h>

#include "proxy/loop/turn.h"
#include "proxy/uplink/connection_pool.h"

enum bridge_state {
    BRIDGE_READ_HEAD, // waits for the client's first head
    BRIDGE_REACH,     // waits for the proxy; over a shared connection also for its answer
    BRIDGE_RELAY,     // bytes both ways
    BRIDGE_ANSWER,    // an answer of our own, or one that refuses, is on its way
    BRIDGE_CLOSING,   // our last bytes go out, the client's are dropped
    BRIDGE_DEAD,
};

struct bridge;
TAILQ_HEAD(bridge_list, bridge);

// bridge_context is what the bridges of one thread share. The first part is set by its owner.
struct bridge_context {
    struct proxy_route route; // to the proxy
    struct connection_pool pool;
    int64_t idle_ms; // between two bytes of a relay, either way
    size_t live_max; // more are answered 503
    bool is_draining;

    struct buffer_pool buffers;
    struct bridge_list live;
    struct bridge_list dead; // freed at the end of the loop's pass
    struct turn ready;       // those that have used up their share
    size_t live_count;
    ev_prepare reap; // frees the dead ones
    int64_t said_ms; // monotonic; when a failure was last logged
    uint64_t unsaid; // and how many have not been since
};

// bridge_context_start prepares lists and watchers on the route's loop. bridge_context_stop frees them, after
// bridge_end_all.
void bridge_context_start(struct bridge_context *context);
void bridge_context_stop(struct bridge_context *context);

// bridge_accept takes over a connected local socket. Without memory the socket is closed.
void bridge_accept(struct bridge_context *context, int fd);

// bridge_retire ends the connections that carry plain requests, each one between two requests: the next request needs a
// new connection. Tunnels go on, and new ones share none of the connections of before.
void bridge_retire(struct bridge_context *context);

// bridge_begin_drain retires them too, and ends the connections that have not sent a byte. Requests under way go on, and
// new ones are refused.
void bridge_begin_drain(struct bridge_context *context);

// bridge_end_all ends all connections at once, with a reset, and tells how many were in use.
size_t bridge_end_all(struct bridge_context *context);
