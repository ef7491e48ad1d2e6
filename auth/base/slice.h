// slice: borrowed bytes with their length, and the only places where bytes are copied.
//
// A slice never owns its memory; the function that hands one out says how long it lives. Text in a slice has
// no terminating NUL and may hold one anywhere: compare with slice_equal, never with strcmp.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const uint8_t *data; // borrowed; may be NULL when len is 0
    size_t len;          // bytes
};

// SLICE_LITERAL makes a slice of a string literal, without its NUL.
#define SLICE_LITERAL(text) ((struct slice){(const uint8_t *)(text), sizeof(text) - 1})

// slice_of makes a slice of `len` bytes at `data`.
static inline struct slice slice_of(const void *data, size_t len)
{
    return (struct slice){(const uint8_t *)data, len};
}

// slice_of_string makes a slice of a NUL-terminated string, which stays borrowed.
static inline struct slice slice_of_string(const char *text)
{
    return slice_of(text, strlen(text));
}

// slice_equal tells whether both hold the same bytes.
static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

// ascii_lower maps A-Z to a-z and leaves every other byte alone, whatever the locale.
static inline uint8_t ascii_lower(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + ('a' - 'A')) : byte;
}

// slice_equal_ignore_case compares as slice_equal does, with ASCII letters in either case the same.
static inline bool slice_equal_ignore_case(struct slice a, struct slice b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (ascii_lower(a.data[i]) != ascii_lower(b.data[i]))
            return false;
    }
    return true;
}

// slice_starts_with tells whether `s` begins with `prefix`.
static inline bool slice_starts_with(struct slice s, struct slice prefix)
{
    return s.len >= prefix.len && slice_equal(slice_of(s.data, prefix.len), prefix);
}

// slice_ends_with tells whether `s` ends with `suffix`.
static inline bool slice_ends_with(struct slice s, struct slice suffix)
{
    return suffix.len == 0 ||
           (s.len >= suffix.len &&
            slice_equal(slice_of(s.data + (s.len - suffix.len), suffix.len), suffix));
}

// slice_from drops the first `count` bytes (all of them when there are fewer).
static inline struct slice slice_from(struct slice s, size_t count)
{
    return count >= s.len ? (struct slice){0} : slice_of(s.data + count, s.len - count);
}

// slice_first keeps the first `count` bytes (all of them when there are fewer).
static inline struct slice slice_first(struct slice s, size_t count)
{
    return slice_of(s.data, count < s.len ? count : s.len);
}

// slice_find gives the index of the first `byte`, or `s.len` when there is none.
static inline size_t slice_find(struct slice s, uint8_t byte)
{
    const void *hit = s.len == 0 ? NULL : memchr(s.data, byte, s.len);
    return hit == NULL ? s.len : (size_t)((const uint8_t *)hit - s.data);
}

// slice_contains tells whether `part` stands somewhere in `s`.
static inline bool slice_contains(struct slice s, struct slice part)
{
    return part.len == 0 || (s.len != 0 && memmem(s.data, s.len, part.data, part.len) != NULL);
}

// bytes_copy copies `src` to `dst`, which has room for `cap` bytes, and tells whether it fitted.
// Nothing is written when it does not. The regions must not overlap.
static inline bool bytes_copy(void *dst, size_t cap, struct slice src)
{
    if (src.len > cap)
        return false;
    if (src.len != 0)
        memcpy(dst, src.data, src.len);
    return true;
}

// bytes_drop_front drops the first `count` of `len` bytes at `data`, and moves the others to the front.
static inline void bytes_drop_front(uint8_t *data, size_t len, size_t count)
{
    if (count != 0 && count < len)
        memmove(data, data + count, len - count);
}

// string_copy copies `src` to `dst` of `cap` bytes with a NUL after it, and tells whether it
// fitted; when it does not, `dst` becomes the empty string (`cap` must be at least 1).
static inline bool string_copy(char *dst, size_t cap, struct slice src)
{
    const bool fits = src.len < cap && bytes_copy(dst, cap - 1, src);
    dst[fits ? src.len : 0] = '\0';
    return fits;
}
