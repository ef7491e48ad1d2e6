// arena: memory that is filled while a snapshot is built and given back as a whole.
//
// Policies are built once, read by many threads and freed in one piece, so their parts need no
// owner of their own. An arena is used by one thread while it grows; afterwards it is read-only.
#pragma once

#include "auth/base/err.h"
#include "auth/base/slice.h"

struct arena;

// arena_create makes an empty arena, or gives NULL when there is no memory.
struct arena *arena_create(void) MUST_USE;

// arena_destroy frees the arena and everything in it. NULL is allowed.
void arena_destroy(struct arena *arena);

// arena_alloc gives `count` zeroed elements of `size` bytes, aligned for any type, owned by the
// arena; NULL when there is no memory or the product overflows. `count` 0 gives a valid pointer.
void *arena_alloc(struct arena *arena, size_t count, size_t size) MUST_USE;

// arena_alloc_bytes gives `len` zeroed bytes without any alignment, packed after what was given
// last; NULL when there is no memory.
uint8_t *arena_alloc_bytes(struct arena *arena, size_t len) MUST_USE;

// arena_copy_string copies `s` with a NUL after it; NULL when there is no memory.
char *arena_copy_string(struct arena *arena, struct slice s) MUST_USE;

// arena_size tells how many bytes the arena has taken from the system.
size_t arena_size(const struct arena *arena);

// arena_holds tells whether `piece` points to something that the arena has given.
bool arena_holds(const struct arena *arena, const void *piece);
