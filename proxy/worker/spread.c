// Seats under one lock, which is taken where a connection is handed on or taken out. Whether it is worth it is seen without it.
#include "proxy/worker/spread.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "proxy/loop/loop_thread.h"

// A worker keeps what it accepts while it has at most one session more than another, and an eighth.
enum { SLACK = 1, SLACK_PART = 8 };

// As many sessions has a seat where nobody sits: it never has fewest.
#define NOBODY (SIZE_MAX / 4)

struct seat {
    _Atomic size_t sessions;
    _Atomic size_t waiting; // in the inbox; written under the lock
    struct loop_thread
        *thread; // borrowed; NULL: nobody sits here; this and the rest under the lock
    unsigned message;
    uint64_t generation;
    struct newcomer inbox[SPREAD_INBOX];
};

struct spread {
    pthread_mutex_t lock;
    uint32_t count;
    struct seat seats[];
};

struct spread *spread_create(uint32_t count)
{
    struct spread *spread = calloc(1, sizeof *spread + count * sizeof spread->seats[0]);
    if (spread == NULL)
        return NULL;
    if (pthread_mutex_init(&spread->lock, NULL) != 0) {
        free(spread);
        return NULL;
    }
    spread->count = count;
    for (uint32_t i = 0; i < count; i++)
        atomic_init(&spread->seats[i].sessions, NOBODY);
    return spread;
}

void spread_destroy(struct spread *spread)
{
    if (spread == NULL)
        return;
    for (uint32_t i = 0; i < spread->count; i++)
        ASSERT(spread->seats[i].thread == NULL);
    (void)pthread_mutex_destroy(&spread->lock);
    free(spread);
}

static void lock(struct spread *spread)
{
    ASSERT(pthread_mutex_lock(&spread->lock) == 0);
}

static void unlock(struct spread *spread)
{
    ASSERT(pthread_mutex_unlock(&spread->lock) == 0);
}

static size_t load_of(struct seat *seat)
{
    return atomic_load_explicit(&seat->sessions, memory_order_relaxed) +
           atomic_load_explicit(&seat->waiting, memory_order_relaxed);
}

void spread_sit(struct spread *spread, uint32_t seat, struct loop_thread *thread, unsigned message,
                uint64_t generation)
{
    struct seat *mine = &spread->seats[seat];
    lock(spread);
    mine->thread = thread;
    mine->message = message;
    mine->generation = generation;
    atomic_store_explicit(&mine->sessions, 0, memory_order_relaxed);
    unlock(spread);
}

void spread_tell(struct spread *spread, uint32_t seat, size_t sessions)
{
    // A worker that has left goes on with what it has, and says so.
    if (atomic_load_explicit(&spread->seats[seat].sessions, memory_order_relaxed) != NOBODY)
        atomic_store_explicit(&spread->seats[seat].sessions, sessions, memory_order_relaxed);
}

// least gives the seat with the least load beside `seat`; NULL: there is no other.
static struct seat *least(struct spread *spread, uint32_t seat)
{
    struct seat *found = NULL;
    size_t lowest = SIZE_MAX;
    for (uint32_t i = 0; i < spread->count; i++) {
        const size_t load = load_of(&spread->seats[i]);
        if (i != seat && load < lowest) {
            found = &spread->seats[i];
            lowest = load;
        }
    }
    return found;
}

// put puts a connection into an inbox, if its worker takes such.
static bool put(struct seat *seat, uint64_t generation, const struct newcomer *newcomer)
{
    const size_t waiting = atomic_load_explicit(&seat->waiting, memory_order_relaxed);
    if (seat->thread == NULL || seat->generation != generation || waiting == SPREAD_INBOX)
        return false;
    seat->inbox[waiting] = *newcomer;
    atomic_store_explicit(&seat->waiting, waiting + 1, memory_order_relaxed);
    if (waiting == 0)
        loop_thread_post(seat->thread, seat->message);
    return true;
}

bool spread_hand(struct spread *spread, uint32_t seat, uint64_t generation,
                 const struct newcomer *newcomer)
{
    struct seat *other = least(spread, seat);
    if (other == NULL)
        return false;
    const size_t theirs = load_of(other);
    if (load_of(&spread->seats[seat]) < theirs + SLACK + theirs / SLACK_PART)
        return false;
    lock(spread);
    const bool is_handed = put(other, generation, newcomer);
    unlock(spread);
    return is_handed;
}

// take_out empties an inbox.
static size_t take_out(struct seat *seat, struct newcomer *out)
{
    const size_t count = atomic_load_explicit(&seat->waiting, memory_order_relaxed);
    for (size_t i = 0; i < count; i++)
        out[i] = seat->inbox[i];
    atomic_store_explicit(&seat->waiting, 0, memory_order_relaxed);
    return count;
}

size_t spread_take(struct spread *spread, uint32_t seat, uint64_t generation, struct newcomer *out)
{
    struct seat *mine = &spread->seats[seat];
    lock(spread);
    const size_t count = take_out(mine, out);
    mine->generation = generation;
    unlock(spread);
    return count;
}

size_t spread_leave(struct spread *spread, uint32_t seat, struct newcomer *out)
{
    struct seat *mine = &spread->seats[seat];
    lock(spread);
    const size_t count = take_out(mine, out);
    mine->thread = NULL;
    atomic_store_explicit(&mine->sessions, NOBODY, memory_order_relaxed);
    unlock(spread);
    return count;
}
