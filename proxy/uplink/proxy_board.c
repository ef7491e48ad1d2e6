// A flag for each proxy. They are read one by one: between two of them the state may change, which does no harm.
#include "proxy/uplink/proxy_board.h"

#include <stdlib.h>

struct proxy_board {
    atomic_size_t refs;
    atomic_bool is_down[BOARD_PROXIES_MAX];
};

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

void proxy_board_set(struct proxy_board *board, size_t at, bool is_down)
{
    ASSERT(at < BOARD_PROXIES_MAX);
    atomic_store_explicit(&board->is_down[at], is_down, memory_order_relaxed);
}

bool proxy_board_is_down(const struct proxy_board *board, size_t at)
{
    return board != NULL && atomic_load_explicit(&board->is_down[at], memory_order_relaxed);
}

bool proxy_board_has_up(const struct proxy_board *board, size_t count)
{
    size_t at = 0;
    while (at < count && proxy_board_is_down(board, at))
        at++;
    return at < count;
}
