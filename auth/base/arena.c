// A list of growing blocks; allocation moves a mark.
#include "auth/base/arena.h"

#include <stdalign.h>
#include <stdlib.h>

enum { ARENA_FIRST_BLOCK = 4096, ARENA_LARGEST_BLOCK = 1 << 20 };

struct arena_block {
    struct arena_block *next; // owned
    size_t used;              // bytes
    size_t cap;               // bytes
    alignas(max_align_t) uint8_t data[];
};

struct arena {
    struct arena_block *blocks; // owned; the newest first
    size_t size;                // bytes taken from the system
};

struct arena *arena_create(void)
{
    return calloc(1, sizeof(struct arena));
}

void arena_destroy(struct arena *arena)
{
    if (arena == NULL)
        return;
    struct arena_block *block = arena->blocks;
    while (block != NULL) {
        struct arena_block *next = block->next;
        free(block);
        block = next;
    }
    free(arena);
}

// add_block puts a block with room for at least `len` bytes in front.
static bool add_block(struct arena *arena, size_t len)
{
    size_t cap = arena->blocks == NULL ? ARENA_FIRST_BLOCK : arena->blocks->cap * 2;
    if (cap > ARENA_LARGEST_BLOCK)
        cap = ARENA_LARGEST_BLOCK;
    if (cap < len)
        cap = len;
    if (cap > SIZE_MAX - sizeof(struct arena_block))
        return false;
    struct arena_block *block = calloc(1, sizeof *block + cap);
    if (block == NULL)
        return false;
    block->cap = cap;
    block->next = arena->blocks;
    arena->blocks = block;
    arena->size += sizeof *block + cap;
    return true;
}

void *arena_alloc(struct arena *arena, size_t count, size_t size)
{
    size_t len = 0;
    if (__builtin_mul_overflow(count, size, &len) || len > SIZE_MAX - alignof(max_align_t))
        return NULL;
    len = (len + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    if (arena->blocks == NULL || arena->blocks->cap - arena->blocks->used < len) {
        if (!add_block(arena, len))
            return NULL;
    }
    void *out = arena->blocks->data + arena->blocks->used;
    arena->blocks->used += len;
    return out;
}

char *arena_copy_string(struct arena *arena, struct slice s)
{
    if (s.len == SIZE_MAX)
        return NULL;
    char *out = arena_alloc(arena, s.len + 1, 1);
    if (out != NULL)
        (void)string_copy(out, s.len + 1, s);
    return out;
}

size_t arena_size(const struct arena *arena)
{
    return arena->size;
}
