// A few slots. Each waiting connection is watched: whatever can be read from it makes it useless.
#include "proxy/session/upstream_pool.h"

#include <stdlib.h>

#include "proxy/net/tcp_stream.h"

struct slot {
    struct upstream_pool *pool; // borrowed
    struct tcp_stream tcp;      // open: the slot is taken
    struct target target;
    struct ip_addr address;
    uint64_t generation;
    int64_t since_ms; // monotonic
};

struct upstream_pool {
    struct ev_loop *loop;         // borrowed
    struct upstream_share *share; // borrowed
    struct slot slots[UPSTREAM_POOL_MAX];
};

struct upstream_pool *upstream_pool_create(struct ev_loop *loop, struct upstream_share *share)
{
    struct upstream_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL)
        return NULL;
    pool->loop = loop;
    pool->share = share;
    return pool;
}

static void close_slot(struct slot *slot)
{
    if (!slot->tcp.is_open)
        return;
    slot->pool->share->count--;
    stream_close(&slot->tcp.stream, false);
}

void upstream_pool_close(struct upstream_pool *pool)
{
    for (size_t i = 0; pool != NULL && i < UPSTREAM_POOL_MAX; i++)
        close_slot(&pool->slots[i]);
}

void upstream_pool_destroy(struct upstream_pool *pool)
{
    upstream_pool_close(pool);
    free(pool);
}

static void on_event(void *owner)
{
    close_slot(owner);
}

void upstream_pool_give(struct upstream_pool *pool, const struct target *target,
                        const struct idle_upstream *upstream, uint64_t generation, int64_t now_ms)
{
    struct slot *slot = &pool->slots[0];
    for (size_t i = 1; i < UPSTREAM_POOL_MAX && slot->tcp.is_open; i++) {
        if (!pool->slots[i].tcp.is_open || pool->slots[i].since_ms < slot->since_ms)
            slot = &pool->slots[i];
    }
    close_slot(slot);
    if (pool->share->count >= pool->share->max) {
        tcp_stream_discard(pool->loop, upstream->fd, false);
        return;
    }
    tcp_stream_init(&slot->tcp, pool->loop, upstream->fd);
    pool->share->count++;
    slot->pool = pool;
    slot->target = *target;
    slot->address = upstream->address;
    slot->generation = generation;
    slot->since_ms = now_ms;
    slot->tcp.stream.on_ready = on_event;
    slot->tcp.stream.owner = slot;
    stream_want(&slot->tcp.stream, true, false);
}

// is_silent tells whether nothing has come meanwhile that the loop has not told of yet.
static bool is_silent(struct slot *slot)
{
    uint8_t byte;
    size_t len = 0;
    return stream_read(&slot->tcp.stream, &byte, sizeof byte, &len) == ERR_AGAIN;
}

struct idle_upstream upstream_pool_take(struct upstream_pool *pool, const struct target *target,
                                        uint64_t generation, int64_t now_ms)
{
    for (size_t i = 0; pool != NULL && i < UPSTREAM_POOL_MAX; i++) {
        struct slot *slot = &pool->slots[i];
        if (!slot->tcp.is_open)
            continue;
        if (slot->generation != generation || now_ms - slot->since_ms > UPSTREAM_POOL_MAX_IDLE_MS) {
            close_slot(slot);
            continue;
        }
        if (slot->target.port != target->port || !target_equal_host(&slot->target, target))
            continue;
        if (!is_silent(slot)) {
            close_slot(slot);
            continue;
        }
        pool->share->count--;
        return (struct idle_upstream){.fd = tcp_stream_take_fd(&slot->tcp),
                                      .address = slot->address};
    }
    return (struct idle_upstream){.fd = -1};
}
