// Entries hang in two lists: that of their bucket, and the one of all by last use. Each is one piece of memory of
// just the size that it needs.
#include "proxy/net/dns_cache.h"

#include <stdlib.h>

#include <openssl/rand.h>
#include <openssl/siphash.h>

enum { BUCKETS_MAX = 1 << 16 };

struct cache_entry {
    LIST_ENTRY(cache_entry) in_bucket;
    TAILQ_ENTRY(cache_entry) by_use;
    int64_t end_ms;
    uint64_t hash;
    uint32_t bytes; // of this piece of memory
    uint32_t turn;
    uint16_t aliases_len;
    enum dns_type type;
    enum resolve_result result;
    uint8_t name_len;
    uint8_t count;
    uint8_t alias_count;
    // After it: `count` addresses, the name, the text of the aliases.
    struct ip_addr addresses[];
};

struct dns_cache *dns_cache_create(size_t max_entries, size_t max_bytes)
{
    size_t count = 1;
    while (count < max_entries && count < BUCKETS_MAX)
        count *= 2;
    struct dns_cache *cache = calloc(1, sizeof *cache + count * sizeof cache->buckets[0]);
    if (cache == NULL)
        return NULL;
    cache->max_entries = max_entries;
    cache->max_bytes = max_bytes;
    (void)RAND_bytes((uint8_t *)cache->key, sizeof cache->key); // BoringSSL's never fails
    cache->bucket_count = count;
    TAILQ_INIT(&cache->by_use);
    return cache;
}

static uint8_t *entry_name(struct cache_entry *entry)
{
    return (uint8_t *)(entry->addresses + entry->count);
}

static void drop(struct dns_cache *cache, struct cache_entry *entry)
{
    LIST_REMOVE(entry, in_bucket);
    TAILQ_REMOVE(&cache->by_use, entry, by_use);
    cache->count--;
    cache->bytes -= entry->bytes;
    free(entry);
}

void dns_cache_destroy(struct dns_cache *cache)
{
    if (cache == NULL)
        return;
    while (!TAILQ_EMPTY(&cache->by_use))
        drop(cache, TAILQ_FIRST(&cache->by_use));
    free(cache);
}

uint64_t dns_cache_hash(const struct dns_cache *cache, struct slice name)
{
    return SIPHASH_24(cache->key, name.data, name.len);
}

static struct cache_entry *find(struct dns_cache *cache, struct slice name, enum dns_type type,
                                uint64_t hash)
{
    struct cache_entry *entry;
    LIST_FOREACH(entry, &cache->buckets[hash & (cache->bucket_count - 1)], in_bucket)
    {
        if (entry->hash == hash && entry->type == type &&
            slice_equal(slice_of(entry_name(entry), entry->name_len), name))
            return entry;
    }
    return NULL;
}

bool dns_cache_get(struct dns_cache *cache, struct slice name, enum dns_type type, int64_t now_ms,
                   struct dns_answer *out)
{
    struct cache_entry *entry = find(cache, name, type, dns_cache_hash(cache, name));
    if (entry == NULL)
        return false;
    if (entry->end_ms <= now_ms) {
        drop(cache, entry);
        return false;
    }
    TAILQ_REMOVE(&cache->by_use, entry, by_use);
    TAILQ_INSERT_HEAD(&cache->by_use, entry, by_use);
    entry->turn++;
    out->result = entry->result;
    out->ttl_s = (uint32_t)((entry->end_ms - now_ms) / 1000);
    out->count = entry->count;
    for (size_t i = 0; i < entry->count; i++)
        out->addresses[i] = entry->addresses[(entry->turn + i) % entry->count];
    out->aliases.count = entry->alias_count;
    out->aliases.len = entry->aliases_len;
    (void)bytes_copy(out->aliases.text, sizeof out->aliases.text,
                     slice_of(entry_name(entry) + entry->name_len, entry->aliases_len));
    return true;
}

// make_room drops the entries that were not used for the longest time; false when it never fits.
static bool make_room(struct dns_cache *cache, size_t bytes)
{
    if (cache->max_entries == 0 || bytes > cache->max_bytes)
        return false;
    while (cache->count >= cache->max_entries || cache->bytes + bytes > cache->max_bytes)
        drop(cache, TAILQ_LAST(&cache->by_use, entries_by_use));
    return true;
}

void dns_cache_put(struct dns_cache *cache, struct slice name, enum dns_type type,
                   const struct dns_answer *answer, int64_t end_ms)
{
    const uint64_t hash = dns_cache_hash(cache, name);
    struct cache_entry *old = find(cache, name, type, hash);
    if (old != NULL)
        drop(cache, old);
    const size_t texts = name.len + answer->aliases.len;
    const size_t bytes =
        sizeof(struct cache_entry) + answer->count * sizeof answer->addresses[0] + texts;
    if (name.len > DNS_NAME_MAX || !make_room(cache, bytes))
        return;
    struct cache_entry *entry = malloc(bytes);
    if (entry == NULL)
        return;
    *entry = (struct cache_entry){
        .end_ms = end_ms,
        .hash = hash,
        .bytes = (uint32_t)bytes,
        .type = type,
        .result = answer->result,
        .name_len = (uint8_t)name.len,
        .count = answer->count,
        .alias_count = answer->aliases.count,
        .aliases_len = answer->aliases.len,
    };
    for (size_t i = 0; i < answer->count; i++)
        entry->addresses[i] = answer->addresses[i];
    (void)bytes_copy(entry_name(entry), texts, name);
    (void)bytes_copy(entry_name(entry) + name.len, texts - name.len,
                     slice_of(answer->aliases.text, answer->aliases.len));
    LIST_INSERT_HEAD(&cache->buckets[hash & (cache->bucket_count - 1)], entry, in_bucket);
    TAILQ_INSERT_HEAD(&cache->by_use, entry, by_use);
    cache->count++;
    cache->bytes += bytes;
}
