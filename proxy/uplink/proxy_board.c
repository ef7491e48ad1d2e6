// A slot for each proxy, with the hash of its host and port while it is down. They are read one by one: between two of them the
// state may change, which does no harm. Nor does a collision of two hashes: one proxy is passed by for another one.
#include "proxy/uplink/proxy_board.h"

#include <stdlib.h>

#include "auth/base/hash.h"

struct proxy_board {
    atomic_size_t refs;
    atomic_uint_fast64_t down[BOARD_PROXIES_MAX]; // 0: nobody
};

static uint64_t key_of(const struct target *proxy)
{
    const struct ip_addr *address = &proxy->address;
    uint64_t hash = hash_begin();
    hash = hash_add(hash, (uint8_t)proxy->kind);
    hash = proxy->kind == TARGET_NAME
               ? hash_add_slice(hash, hostname_slice(&proxy->name))
               : hash_add_slice(hash, slice_of(address->bytes, address->family == IP_V4 ? 4 : 16));
    hash = hash_add(hash, (uint8_t)(proxy->port >> 8));
    return hash_end(hash_add(hash, (uint8_t)proxy->port)) | 1;
}

struct proxy_board *proxy_board_create(void)
{
    struct proxy_board *board = calloc(1, sizeof *board);
    if (board != NULL)
        atomic_init(&board->refs, 1);
    return board;
}

struct proxy_board *proxy_board_ref(struct proxy_board *board)
{
    if (board != NULL)
        atomic_fetch_add_explicit(&board->refs, 1, memory_order_relaxed);
    return board;
}

void proxy_board_unref(struct proxy_board *board)
{
    if (board != NULL && atomic_fetch_sub_explicit(&board->refs, 1, memory_order_acq_rel) == 1)
        free(board);
}

void proxy_board_set(struct proxy_board *board, size_t at, const struct target *proxy, bool is_down)
{
    ASSERT(at < BOARD_PROXIES_MAX);
    atomic_store_explicit(&board->down[at], is_down ? key_of(proxy) : 0, memory_order_relaxed);
}

void proxy_board_clear(struct proxy_board *board)
{
    for (size_t i = 0; i < BOARD_PROXIES_MAX; i++)
        atomic_store_explicit(&board->down[i], 0, memory_order_relaxed);
}

bool proxy_board_is_down(const struct proxy_board *board, const struct target *proxy)
{
    if (board == NULL)
        return false;
    const uint64_t key = key_of(proxy);
    size_t at = 0;
    while (at < BOARD_PROXIES_MAX &&
           atomic_load_explicit(&board->down[at], memory_order_relaxed) != key)
        at++;
    return at < BOARD_PROXIES_MAX;
}

bool proxy_board_has_up(const struct proxy_board *board, const struct target *proxies, size_t count)
{
    size_t at = 0;
    while (at < count && proxy_board_is_down(board, &proxies[at]))
        at++;
    return at < count;
}
