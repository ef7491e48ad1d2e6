// hash: bytes to a 64-bit number, a byte at a time, so that one pass gives the hashes of all
// prefixes, or read backward of all suffixes. Not keyed: for tables that a configuration fills, where
// a collision costs time and never an answer.
#pragma once

#include "auth/base/slice.h"

// hash_begin starts, hash_add takes one byte (FNV-1a), hash_add_slice takes several, hash_end mixes; `hash` stays good
// for more.
static inline uint64_t hash_begin(void)
{
    return UINT64_C(0xCBF29CE484222325);
}

static inline uint64_t hash_add(uint64_t hash, uint8_t byte)
{
    return (hash ^ byte) * UINT64_C(0x100000001B3);
}

static inline uint64_t hash_add_slice(uint64_t hash, struct slice bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        hash = hash_add(hash, bytes.data[i]);
    return hash;
}

static inline uint64_t hash_end(uint64_t hash)
{
    hash ^= hash >> 32;
    hash *= UINT64_C(0xD6E8FEB86659FD93);
    return hash ^ hash >> 32;
}
