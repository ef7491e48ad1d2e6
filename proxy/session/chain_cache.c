// A table of sets: the chain's hash picks the set, the least recently used of its places makes room.
#include "proxy/session/chain_cache.h"

#include <openssl/mem.h>
#include <openssl/pool.h>
#include <openssl/sha.h>
#include <stdlib.h>

#include "auth/chain_record.h"

// hash_chain hashes what the client has shown: the number of certificates, and each with its length.
static void hash_chain(const STACK_OF(CRYPTO_BUFFER) *chain, uint8_t out[SHA256_DIGEST_LENGTH])
{
    const uint64_t count = sk_CRYPTO_BUFFER_num(chain);
    SHA256_CTX sha;
    (void)SHA256_Init(&sha);
    (void)SHA256_Update(&sha, &count, sizeof count);
    for (size_t i = 0; i < count; i++) {
        const CRYPTO_BUFFER *certificate = sk_CRYPTO_BUFFER_value(chain, i);
        const uint64_t len = CRYPTO_BUFFER_len(certificate);
        (void)SHA256_Update(&sha, &len, sizeof len);
        (void)SHA256_Update(&sha, CRYPTO_BUFFER_data(certificate), len);
    }
    (void)SHA256_Final(out, &sha);
}

// set_of gives the first place of the set that a hash belongs to. Who could choose a hash would still
// have to get such a certificate issued.
static struct cached_chain *set_of(const struct chain_cache *cache, const uint8_t *hash)
{
    const size_t set = (size_t)(hash[0] | hash[1] << 8) % CHAIN_CACHE_SETS;
    return &cache->places[set * CHAIN_CACHE_WAYS];
}

static void forget(struct cached_chain *entry)
{
    identity_destroy(entry->identity);
    *entry = (struct cached_chain){0};
}

static struct cached_chain *find(const struct chain_cache *cache, const uint8_t *hash,
                                 const struct trust *trust)
{
    struct cached_chain *set = cache->places == NULL ? NULL : set_of(cache, hash);
    for (size_t i = 0; set != NULL && i < CHAIN_CACHE_WAYS; i++) {
        if (set[i].identity != NULL && set[i].trust == trust &&
            CRYPTO_memcmp(set[i].chain, hash, sizeof set[i].chain) == 0)
            return &set[i];
    }
    return NULL;
}

// is_still_good asks what can have changed. It also fills `*out`.
static bool is_still_good(const struct cached_chain *entry, int64_t now_s,
                          struct trust_verdict *out)
{
    const struct chain_record *record = entry->identity->record;
    const char *detail = NULL;
    if (trust_recheck(entry->trust, entry->identity, now_s, &detail) != REASON_NONE)
        return false;
    *out = (struct trust_verdict){
        .reason = REASON_NONE,
        .detail = "",
        .identity = identity_share(entry->identity),
        .not_after_s = record->not_after_s,
        .depth = record->depth,
    };
    return true;
}

// remember takes a place. Without memory nothing is remembered, which is as good.
static void remember(struct chain_cache *cache, const uint8_t *hash, const struct trust *trust,
                     const struct trust_verdict *good)
{
    if (cache->places == NULL)
        cache->places = calloc((size_t)CHAIN_CACHE_SETS * CHAIN_CACHE_WAYS, sizeof *cache->places);
    if (cache->places == NULL)
        return;
    struct cached_chain *place = set_of(cache, hash);
    for (struct cached_chain *other = place + 1; other < set_of(cache, hash) + CHAIN_CACHE_WAYS;
         other++) {
        if (other->used < place->used)
            place = other;
    }
    forget(place);
    *place = (struct cached_chain){
        .trust = trust,
        .identity = identity_share(good->identity),
        .used = cache->look_ups,
    };
    (void)bytes_copy(place->chain, sizeof place->chain, slice_of(hash, SHA256_DIGEST_LENGTH));
}

enum err chain_cache_verify(struct chain_cache *cache, const struct trust *trust,
                            const STACK_OF(CRYPTO_BUFFER) *chain, int64_t now_s,
                            struct trust_verdict *out)
{
    uint8_t hash[SHA256_DIGEST_LENGTH];
    hash_chain(chain, hash);
    cache->look_ups++;
    struct cached_chain *known = find(cache, hash, trust);
    if (known != NULL && is_still_good(known, now_s, out)) {
        known->used = cache->look_ups;
        cache->hits++;
        return ERR_OK;
    }
    if (known != NULL)
        forget(known); // what is wrong is told by a whole verification
    TRY(trust_verify(trust, chain, now_s, out));
    remember(cache, hash, trust, out);
    return ERR_OK;
}

void chain_cache_clear(struct chain_cache *cache)
{
    for (size_t i = 0; cache->places != NULL && i < (size_t)CHAIN_CACHE_SETS * CHAIN_CACHE_WAYS;
         i++)
        forget(&cache->places[i]);
    free(cache->places);
    cache->places = NULL;
}
