// array: room at the end of an array on the heap, or of bytes, that doubles when it is full.
#pragma once

#include <stdlib.h>

// array_make_room returns `items`, moved if need be, with room for one more than `count` elements of
// `size` bytes, and keeps `*cap`; NULL without memory, when `items` stays as it is and the caller's.
static inline void *array_make_room(void *items, size_t count, size_t *cap, size_t size)
{
    const size_t wanted = *cap == 0 ? 16 : *cap * 2;
    if (count < *cap)
        return items;
    void *grown = reallocarray(items, wanted, size);
    if (grown != NULL)
        *cap = wanted;
    return grown;
}

// array_fit returns `bytes`, moved if need be, with room for `needed` of them, and keeps `*cap`, which begins with `first`
// and doubles; NULL without memory, when `bytes` stays as it is and the caller's. `needed` is bounded by the caller.
static inline void *array_fit(void *bytes, size_t needed, size_t *cap, size_t first)
{
    size_t wanted = *cap == 0 ? first : *cap;
    while (wanted < needed)
        wanted *= 2;
    if (wanted == *cap)
        return bytes;
    void *grown = realloc(bytes, wanted);
    if (grown != NULL)
        *cap = wanted;
    return grown;
}
