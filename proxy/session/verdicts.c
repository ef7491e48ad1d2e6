// A table of sets: the chain's hash picks the set, the least recently used of its places makes room.
#include "proxy/session/verdicts.h"

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
static struct verdict *set_of(const struct verdicts *verdicts, const uint8_t *hash)
{
    const size_t set = (size_t)(hash[0] | hash[1] << 8) % VERDICTS_SETS;
    return &verdicts->places[set * VERDICTS_WAYS];
}

static void forget(struct verdict *verdict)
{
    identity_destroy(verdict->identity);
    *verdict = (struct verdict){0};
}

static struct verdict *find(const struct verdicts *verdicts, const uint8_t *hash,
                            const struct trust *trust)
{
    struct verdict *set = verdicts->places == NULL ? NULL : set_of(verdicts, hash);
    for (size_t i = 0; set != NULL && i < VERDICTS_WAYS; i++) {
        if (set[i].identity != NULL && set[i].trust == trust &&
            CRYPTO_memcmp(set[i].chain, hash, sizeof set[i].chain) == 0)
            return &set[i];
    }
    return NULL;
}

// is_still_good asks what can have changed. It also fills `*out`.
static bool is_still_good(const struct verdict *verdict, int64_t now_s, struct trust_verdict *out)
{
    const struct chain_record *record = identity_record(verdict->identity);
    const char *detail = NULL;
    if (trust_recheck(verdict->trust, record, now_s, &detail) != REASON_NONE)
        return false;
    *out = (struct trust_verdict){
        .reason = REASON_NONE,
        .detail = "",
        .identity = identity_share(verdict->identity),
        .not_after_s = record->not_after_s,
        .depth = record->depth,
    };
    return true;
}

// remember takes a place. Without memory nothing is remembered, which is as good.
static void remember(struct verdicts *verdicts, const uint8_t *hash, const struct trust *trust,
                     const struct trust_verdict *good)
{
    if (verdicts->places == NULL)
        verdicts->places = calloc((size_t)VERDICTS_SETS * VERDICTS_WAYS, sizeof *verdicts->places);
    if (verdicts->places == NULL)
        return;
    struct verdict *place = set_of(verdicts, hash);
    for (struct verdict *other = place + 1; other < set_of(verdicts, hash) + VERDICTS_WAYS;
         other++) {
        if (other->used < place->used)
            place = other;
    }
    forget(place);
    *place = (struct verdict){
        .trust = trust,
        .identity = identity_share(good->identity),
        .used = verdicts->look_ups,
    };
    (void)bytes_copy(place->chain, sizeof place->chain, slice_of(hash, SHA256_DIGEST_LENGTH));
}

enum err verdicts_judge(struct verdicts *verdicts, const struct trust *trust,
                        const STACK_OF(CRYPTO_BUFFER) *chain, int64_t now_s,
                        struct trust_verdict *out)
{
    uint8_t hash[SHA256_DIGEST_LENGTH];
    hash_chain(chain, hash);
    verdicts->look_ups++;
    struct verdict *known = find(verdicts, hash, trust);
    if (known != NULL && is_still_good(known, now_s, out)) {
        known->used = verdicts->look_ups;
        verdicts->hits++;
        return ERR_OK;
    }
    if (known != NULL)
        forget(known); // what is wrong is told by a whole verification
    TRY(trust_verify(trust, chain, now_s, out));
    remember(verdicts, hash, trust, out);
    return ERR_OK;
}

void verdicts_clear(struct verdicts *verdicts)
{
    for (size_t i = 0; verdicts->places != NULL && i < (size_t)VERDICTS_SETS * VERDICTS_WAYS; i++)
        forget(&verdicts->places[i]);
    free(verdicts->places);
    verdicts->places = NULL;
}
