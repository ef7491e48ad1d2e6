// upstream_pool: connections to targets that have answered a plain request and may take another one, of one
// session, and so of one client.
//
// A connection is given again only for the same host and port, and only while the snapshot is the one it was
// dialled under: a reload may have changed where it may go, and from where. One on which anything happens
// while it waits, an end or bytes that nobody asked for, is closed.
#pragma once

#include <ev.h>

#include "auth/target.h"

enum {
    UPSTREAM_POOL_MAX = 4,                 // connections; one more takes the place of the oldest
    UPSTREAM_POOL_MAX_IDLE_MS = 30 * 1000, // after this one is not used any more
};

struct upstream_pool;

// upstream_share is what all pools of a worker hold together; no descriptor is spoken for that a client may need.
struct upstream_share {
    size_t count; // connections; kept by the pools
    size_t max;   // more are not kept; set by the worker
};

struct idle_upstream {
    int fd;                 // -1: none
    struct ip_addr address; // that it is connected to
};

// upstream_pool_create makes an empty pool. `share` is borrowed, as the loop is. NULL without memory.
struct upstream_pool *upstream_pool_create(struct ev_loop *loop,
                                           struct upstream_share *share) MUST_USE;

// upstream_pool_destroy closes what is left, and frees. NULL is allowed.
void upstream_pool_destroy(struct upstream_pool *pool);

// upstream_pool_close closes every connection. NULL is allowed.
void upstream_pool_close(struct upstream_pool *pool);

// upstream_pool_give takes over `fd`, connected to `address` for `target` under the snapshot of `generation`.
void upstream_pool_give(struct upstream_pool *pool, const struct target *target,
                        const struct idle_upstream *upstream, uint64_t generation, int64_t now_ms);

// upstream_pool_take hands out a connection to `target`, which the caller then owns, or one with `fd` -1. NULL
// is allowed, and has none.
struct idle_upstream upstream_pool_take(struct upstream_pool *pool, const struct target *target,
                                        uint64_t generation, int64_t now_ms);
