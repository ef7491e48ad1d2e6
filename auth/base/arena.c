// A list of growing blocks; allocation moves a mark. Large blocks are mapped, not malloc'd: after a
// reload the memory of the old configuration goes back to the system, whatever malloc would keep.
// AddressSanitizer is told what is handed out: it sees a write or read after the last piece.
#include "auth/base/arena.h"

#include <sanitizer/asan_interface.h>
#include <stdalign.h>
#include <stdlib.h>
#include <sys/mman.h>

enum {
    ARENA_FIRST_BLOCK = 4096,
    ARENA_LARGEST_BLOCK = 1 << 20,
    ARENA_MAPPED_BLOCK = 1 << 16, // bytes from which a block is mapped
};

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

static bool is_mapped(size_t size)
{
    return size >= ARENA_MAPPED_BLOCK;
}

// alloc_block takes `size` zeroed bytes from the system; NULL without memory.
static struct arena_block *alloc_block(size_t size)
{
    if (!is_mapped(size))
        return calloc(1, size);
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static void free_block(struct arena_block *block)
{
    const size_t size = sizeof *block + block->cap;
    ASAN_UNPOISON_MEMORY_REGION(block->data, block->cap);
    if (is_mapped(size))
        (void)munmap(block, size);
    else
        free(block);
}

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
        free_block(block);
        block = next;
    }
    free(arena);
}

// add_block gives a new block with room for at least `len` bytes. One for a single large piece goes
// after the newest, which may still have room for many small ones.
static struct arena_block *add_block(struct arena *arena, size_t len)
{
    struct arena_block *newest = arena->blocks;
    const bool is_single = newest != NULL && len >= newest->cap;
    size_t cap = newest == NULL ? ARENA_FIRST_BLOCK : newest->cap * 2;
    if (cap > ARENA_LARGEST_BLOCK)
        cap = ARENA_LARGEST_BLOCK;
    if (is_single || cap < len)
        cap = len;
    if (cap > SIZE_MAX - sizeof(struct arena_block))
        return NULL;
    struct arena_block *block = alloc_block(sizeof *block + cap);
    if (block == NULL)
        return NULL;
    ASAN_POISON_MEMORY_REGION(block->data, cap);
    block->cap = cap;
    block->next = is_single ? newest->next : newest;
    if (is_single)
        newest->next = block;
    else
        arena->blocks = block;
    arena->size += sizeof *block + cap;
    return block;
}

// take gives `len` bytes after a mark that `alignment`, a power of 2, divides.
static void *take(struct arena *arena, size_t len, size_t alignment)
{
    struct arena_block *block = arena->blocks;
    size_t start = block == NULL ? 0 : (block->used + alignment - 1) & ~(alignment - 1);
    if (block == NULL || start > block->cap || block->cap - start < len) {
        block = add_block(arena, len);
        start = 0;
    }
    if (block == NULL)
        return NULL;
    ASAN_UNPOISON_MEMORY_REGION(block->data + start, len);
    block->used = start + len;
    return block->data + start;
}

void *arena_alloc(struct arena *arena, size_t count, size_t size)
{
    size_t len = 0;
    if (__builtin_mul_overflow(count, size, &len))
        return NULL;
    return take(arena, len, alignof(max_align_t));
}

uint8_t *arena_alloc_bytes(struct arena *arena, size_t len)
{
    return take(arena, len, 1);
}

char *arena_copy_string(struct arena *arena, struct slice s)
{
    if (s.len == SIZE_MAX)
        return NULL;
    char *out = (char *)arena_alloc_bytes(arena, s.len + 1);
    if (out != NULL)
        (void)string_copy(out, s.len + 1, s);
    return out;
}

size_t arena_size(const struct arena *arena)
{
    return arena->size;
}

bool arena_holds(const struct arena *arena, const void *piece)
{
    const uintptr_t at = (uintptr_t)piece;
    for (const struct arena_block *block = arena->blocks; block != NULL; block = block->next) {
        const uintptr_t start = (uintptr_t)block->data;
        if (at >= start && at - start < block->used)
            return true;
    }
    return false;
}
