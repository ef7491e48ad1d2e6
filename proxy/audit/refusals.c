// A small open-addressed table: a few neighbouring slots for each source and reason. When all of them
// are taken by others, the refusal gets a record of its own: the log's own bound still holds.
#include "proxy/audit/refusals.h"

#include <pthread.h>
#include <stdlib.h>

enum { WINDOW_MS = 1000, PROBES = 8 };

struct refusals {
    pthread_mutex_t lock; // of everything
    size_t counted_slots; // how many have something counted
    struct refusal_slot slots[REFUSALS_SLOTS];
};

struct refusals *refusals_create(void)
{
    struct refusals *refusals = calloc(1, sizeof *refusals);
    if (refusals != NULL && pthread_mutex_init(&refusals->lock, NULL) == 0)
        return refusals;
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

static uint32_t hash_of(const struct ip_addr *source, enum reason reason)
{
    uint32_t hash =
        2166136261u ^ (uint32_t)reason; // FNV-1a: an attacker gains nothing by colliding
    for (size_t i = 0; i < sizeof source->bytes; i++)
        hash = (hash ^ source->bytes[i]) * 16777619u;
    return hash;
}

static bool is_over(const struct refusal_slot *slot, int64_t now_ms)
{
    return now_ms - slot->window_start_ms >= WINDOW_MS;
}

static bool is_of(const struct refusal_slot *slot, const struct ip_addr *source, enum reason reason)
{
    return slot->seen > 0 && slot->reason == reason && ip_addr_equal(&slot->source, source);
}

// slot_for finds the slot of this source and reason, or a free one, or NULL.
static struct refusal_slot *slot_for(struct refusals *refusals, const struct ip_addr *source,
                                     enum reason reason, int64_t now_ms)
{
    const uint32_t start = hash_of(source, reason);
    struct refusal_slot *spare = NULL;
    for (uint32_t i = 0; i < PROBES; i++) {
        struct refusal_slot *slot = &refusals->slots[(start + i) % REFUSALS_SLOTS];
        if (is_of(slot, source, reason))
            return slot;
        if (spare == NULL && slot->counted == 0 && (slot->seen == 0 || is_over(slot, now_ms)))
            spare = slot;
    }
    if (spare != NULL)
        *spare =
            (struct refusal_slot){.source = *source, .reason = reason, .window_start_ms = now_ms};
    return spare;
}

// note counts one, under the lock.
static bool note(struct refusals *refusals, const struct ip_addr *source, uint16_t port,
                 enum reason reason, const char *listener, int64_t now_ms)
{
    struct refusal_slot *slot = slot_for(refusals, source, reason, now_ms);
    if (slot == NULL)
        return true;
    if (is_over(slot, now_ms) && slot->counted == 0) {
        slot->window_start_ms = now_ms;
        slot->seen = 0;
    }
    slot->seen++;
    slot->port = port;
    (void)string_copy(slot->listener, sizeof slot->listener, slice_of_string(listener));
    if (slot->seen <= REFUSALS_EACH_PER_SECOND)
        return true;
    refusals->counted_slots += slot->counted == 0 ? 1 : 0;
    slot->counted++;
    return false;
}

bool refusals_note(struct refusals *refusals, const struct ip_addr *source, uint16_t port,
                   enum reason reason, const char *listener, int64_t now_ms)
{
    (void)pthread_mutex_lock(&refusals->lock);
    const bool is_own = note(refusals, source, port, reason, listener, now_ms);
    (void)pthread_mutex_unlock(&refusals->lock);
    return is_own;
}

// next_due finds one, under the lock.
static bool next_due(struct refusals *refusals, int64_t now_ms, bool is_final,
                     struct refusal_slot *out)
{
    for (size_t i = 0; refusals->counted_slots > 0 && i < REFUSALS_SLOTS; i++) {
        struct refusal_slot *slot = &refusals->slots[i];
        if (slot->counted == 0 || (!is_final && !is_over(slot, now_ms)))
            continue;
        *out = *slot;
        slot->counted = 0;
        slot->window_start_ms = now_ms;
        slot->seen = REFUSALS_EACH_PER_SECOND; // a storm that goes on stays counted
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
