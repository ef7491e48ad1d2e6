// A few blocks of the allocator's, each large enough for the next table. Where the allocator has nothing, libev gets one
// of them as it is.
#include "proxy/net/loop_memory.h"

#include <ev.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "auth/base/slice.h"

enum { BLOCK_COUNT = 4, BLOCK_LEAST_LEN = 64 * 1024 };

// libev's allocator is one for the process and is given nothing to know its owner by.
static _Atomic(void *) blocks[BLOCK_COUNT];
static atomic_size_t largest_len; // that libev has ever asked for

// block_len is room for what comes after the largest: twice as much, rounded up to a page.
static size_t block_len(void)
{
    const size_t next = 2 * atomic_load(&largest_len) + 4096;
    return next > BLOCK_LEAST_LEN ? next : BLOCK_LEAST_LEN;
}

// renew puts a block of today's length where there is none or, with `is_larger`, another one.
static bool renew(_Atomic(void *) *place, bool is_larger)
{
    if (atomic_load(place) != NULL && !is_larger)
        return true;
    void *block = malloc(block_len());
    if (block == NULL)
        return false;
    free(atomic_exchange(place, block));
    return true;
}

static bool renew_all(bool is_larger)
{
    bool is_whole = true;
    for (size_t i = 0; i < BLOCK_COUNT; i++)
        is_whole = renew(&blocks[i], is_larger) && is_whole;
    return is_whole;
}

// take_block gives one with room for `len` bytes; NULL: there is none.
static void *take_block(size_t len)
{
    for (size_t i = 0; i < BLOCK_COUNT; i++) {
        void *block = atomic_exchange(&blocks[i], NULL);
        if (block != NULL && malloc_usable_size(block) >= len)
            return block;
        free(block);
    }
    return NULL;
}

// grow_from_reserve does what realloc could not do.
static void *grow_from_reserve(void *old, size_t len)
{
    void *block = take_block(len);
    if (block == NULL)
        return NULL;
    const size_t old_len = old == NULL ? 0 : malloc_usable_size(old);
    (void)bytes_copy(block, len, slice_first(slice_of(old, old_len), len));
    free(old);
    return block;
}

static void note_len(size_t len)
{
    size_t largest = atomic_load(&largest_len);
    while (len > largest && !atomic_compare_exchange_weak(&largest_len, &largest, len)) {
    }
    const bool is_larger = len > largest && block_len() > BLOCK_LEAST_LEN;
    (void)renew_all(is_larger); // what is missing is found out by loop_memory_has_reserve
}

// on_allocate is libev's realloc; a length of 0 frees.
static void *on_allocate(void *old, long len) EV_NOEXCEPT
{
    if (len == 0) {
        free(old);
        return NULL;
    }
    void *piece = realloc(old, (size_t)len);
    if (piece == NULL)
        piece = grow_from_reserve(old, (size_t)len);
    if (piece != NULL)
        note_len((size_t)len);
    return piece;
}

bool loop_memory_start(void)
{
    ev_set_allocator(on_allocate);
    return renew_all(false);
}

bool loop_memory_has_reserve(void)
{
    return renew_all(false);
}
