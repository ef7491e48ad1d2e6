// Sets of eight slots, each under a lock that it shares with some others. A slot is free when no handshake of
// its source is under way; the one that failed least recently goes first.
#include "proxy/limits/sources.h"

#include <openssl/rand.h>
#include <openssl/siphash.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "auth/base/slice.h"
#include "proxy/limits/rate.h"

enum {
    SOURCE_SLOTS = 8,   // of a set
    SOURCE_SETS = 4096, // a power of two
    SOURCE_LOCKS = 64,  // a power of two
    SOURCE_BYTES = 8,   // of an address that tell sources apart; IPv6: /64
};

#define NS_A_MS INT64_C(1000000)

struct source_slot {
    uint8_t bytes[SOURCE_BYTES];
    uint8_t family; // of enum ip_family; IP_NONE: never used
    uint32_t half_open;
    struct rate failures;
    struct rate refusals; // of requests
    int64_t used_ms;      // monotonic; the last time
};

struct sources {
    uint64_t key[2];
    _Atomic uint32_t failed_handshakes_max; // all three: 0 is no limit
    _Atomic uint32_t half_open_max;
    _Atomic uint32_t refused_requests_max;
    pthread_mutex_t locks[SOURCE_LOCKS];
    struct source_slot slots[SOURCE_SETS][SOURCE_SLOTS];
};

struct sources *sources_create(void)
{
    struct sources *sources = calloc(1, sizeof *sources);
    if (sources == NULL)
        return NULL;
    (void)RAND_bytes((uint8_t *)sources->key, sizeof sources->key); // BoringSSL's never fails
    for (size_t i = 0; i < SOURCE_LOCKS; i++)
        ASSERT(pthread_mutex_init(&sources->locks[i], NULL) == 0);
    return sources;
}

void sources_destroy(struct sources *sources)
{
    if (sources == NULL)
        return;
    for (size_t i = 0; i < SOURCE_LOCKS; i++)
        (void)pthread_mutex_destroy(&sources->locks[i]);
    free(sources);
}

void sources_configure(struct sources *sources, const struct proxy_limits *limits)
{
    sources->failed_handshakes_max = limits->source.failed_handshakes;
    sources->half_open_max = limits->source.half_open;
    sources->refused_requests_max = limits->refused_requests;
}

// set_of finds the number of the set of a source.
static size_t set_of(const struct sources *sources, const struct ip_addr *address)
{
    uint8_t input[SOURCE_BYTES + 1] = {0};
    (void)bytes_copy(input, SOURCE_BYTES, slice_of(address->bytes, SOURCE_BYTES));
    input[SOURCE_BYTES] = (uint8_t)address->family;
    return SIPHASH_24(sources->key, input, sizeof input) % SOURCE_SETS;
}

static bool is_of(const struct source_slot *slot, const struct ip_addr *address)
{
    return slot->family == (uint8_t)address->family &&
           slice_equal(slice_of(slot->bytes, SOURCE_BYTES), slice_of(address->bytes, SOURCE_BYTES));
}

// take_slot finds the slot of a source in its set, under the lock, or makes one; NULL when all are in use by others.
static struct source_slot *take_slot(struct source_slot *set, const struct ip_addr *address)
{
    struct source_slot *oldest = NULL;
    for (size_t i = 0; i < SOURCE_SLOTS; i++) {
        struct source_slot *slot = &set[i];
        if (is_of(slot, address))
            return slot;
        if (slot->half_open == 0 && (oldest == NULL || slot->used_ms < oldest->used_ms))
            oldest = slot;
    }
    if (oldest == NULL)
        return NULL;
    *oldest = (struct source_slot){.family = (uint8_t)address->family};
    (void)bytes_copy(oldest->bytes, SOURCE_BYTES, slice_of(address->bytes, SOURCE_BYTES));
    return oldest;
}

// lock_slot takes the slot of a source and leaves its set locked; the caller unlocks `*out_lock` in any case. `now_ms` is
// noted as the time of the last use; 0: it is not one.
static struct source_slot *lock_slot(struct sources *sources, const struct ip_addr *address,
                                     int64_t now_ms, pthread_mutex_t **out_lock)
{
    const size_t set = set_of(sources, address);
    *out_lock = &sources->locks[set % SOURCE_LOCKS];
    (void)pthread_mutex_lock(*out_lock);
    struct source_slot *slot = take_slot(sources->slots[set], address);
    if (slot != NULL && now_ms != 0)
        slot->used_ms = now_ms;
    return slot;
}

static enum reason begin(const struct sources *sources, struct source_slot *slot, int64_t now_ms,
                         struct source_turn *out)
{
    const uint32_t failed_max = sources->failed_handshakes_max;
    const uint32_t half_open_max = sources->half_open_max;
    if (half_open_max != 0 && slot->half_open >= half_open_max)
        return REASON_LIMIT_HALF_OPEN;
    slot->half_open++;
    out->is_counted = true;
    if (failed_max != 0) // rounded up
        out->wait_ms = (rate_wait(&slot->failures, failed_max, failed_max, now_ms * NS_A_MS,
                                  SOURCES_WAIT_MAX_MS * NS_A_MS) +
                        NS_A_MS - 1) /
                       NS_A_MS;
    return REASON_NONE;
}

enum reason sources_begin(struct sources *sources, const struct ip_addr *address, int64_t now_ms,
                          struct source_turn *out)
{
    *out = (struct source_turn){0};
    if (sources->failed_handshakes_max == 0 && sources->half_open_max == 0)
        return REASON_NONE;
    pthread_mutex_t *lock;
    struct source_slot *slot = lock_slot(sources, address, now_ms, &lock);
    const enum reason reason = slot == NULL ? REASON_NONE : begin(sources, slot, now_ms, out);
    (void)pthread_mutex_unlock(lock);
    return reason;
}

void sources_end(struct sources *sources, const struct ip_addr *address)
{
    pthread_mutex_t *lock;
    struct source_slot *slot = lock_slot(sources, address, 0, &lock);
    ASSERT(slot != NULL && slot->half_open > 0); // such a slot is nobody else's
    slot->half_open--;
    (void)pthread_mutex_unlock(lock);
}

void sources_note_failure(struct sources *sources, const struct ip_addr *address, int64_t now_ms)
{
    const uint32_t max = sources->failed_handshakes_max;
    if (max == 0)
        return;
    pthread_mutex_t *lock;
    struct source_slot *slot = lock_slot(sources, address, now_ms, &lock);
    if (slot != NULL)
        rate_charge(&slot->failures, max, max, now_ms * NS_A_MS, SOURCES_WAIT_MAX_MS * NS_A_MS);
    (void)pthread_mutex_unlock(lock);
}

bool sources_take_refusal(struct sources *sources, const struct ip_addr *address, int64_t now_ms)
{
    const uint32_t max = sources->refused_requests_max;
    int64_t wait_ns = 0;
    if (max == 0)
        return true;
    pthread_mutex_t *lock;
    struct source_slot *slot = lock_slot(sources, address, now_ms, &lock);
    const bool has_room =
        slot != NULL && rate_take(&slot->refusals, max, max, now_ms * NS_A_MS, &wait_ns);
    (void)pthread_mutex_unlock(lock);
    return has_room;
}
