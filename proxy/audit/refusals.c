// A small open-addressed table: a few neighbouring slots for each subject and reason. When all of them are taken
// by others, the refusal gets a record of its own (the log's own bound still holds), or is counted in the
// reason's last slot, which belongs to no subject.
#include "proxy/audit/refusals.h"

#include <pthread.h>
#include <stdlib.h>

#include "auth/base/hash.h"

enum {
    WINDOW_MS = 1000,
    PROBES = 8,
    SOURCE_BYTES = 8, // of an address that tell sources apart; IPv6: /64
    ALL_SLOTS = REFUSALS_SLOTS + REASON_COUNT,
};

struct refusals {
    uint32_t each_per_second;
    pthread_mutex_t lock;                 // of everything below
    size_t counted_slots;                 // how many have something counted
    struct refusal_slot slots[ALL_SLOTS]; // at the end: one a reason, for those that found none
};

struct refusals *refusals_create(uint32_t each_per_second)
{
    struct refusals *refusals = calloc(1, sizeof *refusals);
    if (refusals != NULL && pthread_mutex_init(&refusals->lock, NULL) == 0) {
        refusals->each_per_second = each_per_second;
        return refusals;
    }
    free(refusals);
    return NULL;
}

void refusals_destroy(struct refusals *refusals)
{
    if (refusals == NULL)
        return;
    (void)pthread_mutex_destroy(&refusals->lock);
    free(refusals);
}

// source_of gives the bytes that tell sources apart.
static struct slice source_of(const struct ip_addr *address)
{
    return slice_of(address->bytes, SOURCE_BYTES);
}

static uint32_t hash_of(const struct refusal_subject *subject)
{
    const struct slice key =
        subject->client == NULL ? source_of(subject->source) : slice_of_string(subject->client);
    // colliding gains nothing
    const uint64_t hash = hash_add(hash_begin(), (uint8_t)subject->reason);
    return (uint32_t)hash_end(hash_add_slice(hash, key));
}

static bool is_over(const struct refusal_slot *slot, int64_t now_ms)
{
    return now_ms - slot->window_start_ms >= WINDOW_MS;
}

static bool is_of(const struct refusal_slot *slot, const struct refusal_subject *subject)
{
    if (slot->seen == 0 || slot->reason != subject->reason)
        return false;
    if (subject->client != NULL)
        return strcmp(slot->client, subject->client) == 0;
    return slot->client[0] == '\0' && slot->source.family == subject->source->family &&
           slice_equal(source_of(&slot->source), source_of(subject->source));
}

// slot_for finds the slot of this subject, or a free one, or NULL.
static struct refusal_slot *slot_for(struct refusals *refusals,
                                     const struct refusal_subject *subject, int64_t now_ms)
{
    const uint32_t start = hash_of(subject);
    struct refusal_slot *spare = NULL;
    for (uint32_t i = 0; i < PROBES; i++) {
        struct refusal_slot *slot = &refusals->slots[(start + i) % REFUSALS_SLOTS];
        if (is_of(slot, subject))
            return slot;
        if (spare == NULL && slot->counted == 0 && (slot->seen == 0 || is_over(slot, now_ms)))
            spare = slot;
    }
    if (spare == NULL)
        return NULL;
    *spare = (struct refusal_slot){.reason = subject->reason, .window_start_ms = now_ms};
    if (subject->client != NULL)
        (void)string_copy(spare->client, sizeof spare->client, slice_of_string(subject->client));
    return spare;
}

// note counts one, under the lock.
static bool note(struct refusals *refusals, const struct refusal_subject *subject, int64_t now_ms)
{
    struct refusal_slot *slot = slot_for(refusals, subject, now_ms);
    const bool is_lumped = slot == NULL;
    if (is_lumped && refusals->each_per_second > 0)
        return true;
    if (is_lumped)
        slot = &refusals->slots[REFUSALS_SLOTS + subject->reason];
    if (is_over(slot, now_ms) && slot->counted == 0) {
        slot->window_start_ms = now_ms;
        slot->seen = 0;
    }
    slot->seen++;
    slot->reason = subject->reason;
    if (!is_lumped) {
        slot->source = *subject->source;
        slot->port = subject->port;
        (void)string_copy(slot->listener, sizeof slot->listener,
                          slice_of_string(subject->listener));
    }
    if (slot->seen <= refusals->each_per_second)
        return true;
    refusals->counted_slots += slot->counted == 0 ? 1 : 0;
    slot->counted++;
    return false;
}

bool refusals_note(struct refusals *refusals, const struct refusal_subject *subject, int64_t now_ms)
{
    (void)pthread_mutex_lock(&refusals->lock);
    const bool is_own = note(refusals, subject, now_ms);
    (void)pthread_mutex_unlock(&refusals->lock);
    return is_own;
}

// next_due finds one, under the lock.
static bool next_due(struct refusals *refusals, int64_t now_ms, bool is_final,
                     struct refusal_slot *out)
{
    for (size_t i = 0; refusals->counted_slots > 0 && i < ALL_SLOTS; i++) {
        struct refusal_slot *slot = &refusals->slots[i];
        if (slot->counted == 0 || (!is_final && !is_over(slot, now_ms)))
            continue;
        *out = *slot;
        slot->counted = 0;
        slot->window_start_ms = now_ms;
        slot->seen = refusals->each_per_second; // a storm that goes on stays counted
        refusals->counted_slots--;
        return true;
    }
    return false;
}

bool refusals_next_due(struct refusals *refusals, int64_t now_ms, bool is_final,
                       struct refusal_slot *out)
{
    (void)pthread_mutex_lock(&refusals->lock);
    const bool is_due = next_due(refusals, now_ms, is_final, out);
    (void)pthread_mutex_unlock(&refusals->lock);
    return is_due;
}
