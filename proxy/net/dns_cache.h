// dns_cache: DNS answers by name and type, for as long as they may be kept.
//
// Bounded in entries and bytes; the least recently used entry goes first. The hash has a random key, so nobody can choose
// names that collide. Time is an argument. One for each worker. Knows nothing of questions under way.
#pragma once

#include <sys/queue.h>

#include "proxy/net/dns_answer.h"

LIST_HEAD(dns_cache_bucket, cache_entry);

// dns_cache holds `count` entries of `bytes` bytes, which may be read. The other fields are private to dns_cache.c.
struct dns_cache {
    size_t count;
    size_t bytes;
    size_t max_entries;
    size_t max_bytes;
    uint64_t key[2];                                // random
    size_t bucket_count;                            // a power of two
    TAILQ_HEAD(entries_by_use, cache_entry) by_use; // owned; the latest first
    struct dns_cache_bucket buckets[];
};

// dns_cache_create makes an empty cache for at most `max_entries` answers (0: it keeps nothing) and `max_bytes` of all of
// them, as they were asked of the allocator. NULL without memory.
struct dns_cache *dns_cache_create(size_t max_entries, size_t max_bytes) MUST_USE;

// dns_cache_destroy frees it with its entries. NULL is allowed.
void dns_cache_destroy(struct dns_cache *cache);

// dns_cache_hash gives the keyed hash of a name, for other tables of names.
uint64_t dns_cache_hash(const struct dns_cache *cache, struct slice name);

// dns_cache_get copies the answer that is valid at `now_ms`, in the clock of dns_cache_put. Each call puts another of its
// addresses first, so that all of them are used. False if there is none.
bool dns_cache_get(struct dns_cache *cache, struct slice name, enum dns_type type, int64_t now_ms,
                   struct dns_answer *out);

// dns_cache_put keeps a copy of `answer` until `end_ms` and drops what it knew before. Without memory or room it keeps
// nothing.
void dns_cache_put(struct dns_cache *cache, struct slice name, enum dns_type type,
                   const struct dns_answer *answer, int64_t end_ms);
