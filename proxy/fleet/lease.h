// lease: how many of the tunnels that an account may have in the whole fleet this proxy may open, without asking again.
//
// A proxy holds a lease of so many places. Some are open tunnels, the rest is spare. Workers open tunnels from the spare ones
// only, and put a place back when a tunnel ends; what is here decides, on main, how many to ask for and to give back:
//   - It asks when somebody waits, and ahead of need when the spare ones run out: the more, the faster their number has grown.
//   - It gives back what was idle over two beats, at once where the account is scarce in the fleet.
//   - Before it tells the store a lower number it takes the spare places away from the workers. So no place is ever in two hands.
//   - While all proxies together have more than the limit, what becomes free is nobody's: `granted` is below what is open then.
//     Where the limit has become lower that is taken for so until the store has said it.
//   - After a loss it claims what it holds again. What the store has taken for dead has only its open tunnels left.
//
// Pure: no clock, no store, no memory. Times are monotonic milliseconds. main is the only caller; what the workers change
// meanwhile (`spare`) is an argument.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "auth/base/err.h"

enum {
    LEASE_BATCH_MIN = 4, // asked for ahead of need at least, where there is room
    LEASE_FULL_WAIT_MS =
        10, // after the store said that all places are taken it is asked again so late
    LEASE_NO_AHEAD_MS = 500, // after nothing came ahead of need that is asked for again so late
    LEASE_FAULT_FIRST_MS =
        100, // after an answer that was an error it is asked again so late, each time twice as late
    LEASE_FAULT_LAST_MS = 2000,
    LEASE_IDLE_MS = 10000, // an account without a tunnel for so long gives back all
};

// lease is zeroed for an account that holds nothing. Fields private to this file and lease.c, but for `granted`, which may be read.
struct lease {
    uint32_t granted;       // places that may be used: open tunnels and spare places
    bool is_asked;          // a question is under way
    bool is_claimed;        // the store has answered since the last loss
    bool has_excess;        // the store may know of more places than we hold
    bool is_above;          // all proxies together had more than the limit at the last answer
    uint32_t told;          // places that the store knows of; 0 after a loss
    int64_t not_before_ms;  // of the next question for somebody who waits
    int64_t fault_until_ms; // of any question
    uint32_t faults;        // errors in a row
    int64_t ahead_from_ms;  // of the next question ahead of need
    int64_t
        empty_since_ms; // without an open tunnel since then; 0: it has some, or nobody has looked
    uint32_t spare_before; // at the last beat
    uint32_t open_before;  // at the last beat
    uint32_t grown;        // open tunnels more than a beat before: the use of the last second
};

// What is so at this moment.
struct lease_view {
    uint32_t limit; // tunnels in the whole fleet; at least 1
    int32_t
        spare; // places that workers may still take; negative: tunnels that were opened without one
    uint32_t waiting; // requests that wait for a place
    uint32_t members; // proxies in the fleet, at least 1
    bool is_scarce;   // somebody in the fleet has got no place of the account just now
    int64_t now_ms;
};

// What the store is asked, as the script `lease` takes it.
struct lease_question {
    uint32_t keep; // held, not to be given back
    uint32_t need; // more, that somebody waits for
    uint32_t want; // altogether, where there is room for it: a part of what is free
};

// lease_held gives the number of places that are held: those that the store knows of, where all proxies together have more than
// the limit, for what may be used is less then.
static inline uint32_t lease_held(const struct lease *lease)
{
    return lease->is_above && lease->told > lease->granted ? lease->told : lease->granted;
}

// lease_open gives the number of open tunnels.
uint32_t lease_open(const struct lease *lease, int32_t spare);

// lease_low gives the number of spare places at which a worker wakes main, so that it asks ahead of need.
int32_t lease_low(const struct lease *lease, const struct lease_view *view);

// lease_surplus looks back at the last beats, and gives how many spare places to take from the workers now: they are to be
// given back. Called once a beat.
uint32_t lease_surplus(struct lease *lease, const struct lease_view *view);

// lease_shrink notes that so many spare places were taken from the workers. The store is told by the next question.
void lease_shrink(struct lease *lease, uint32_t taken);

// lease_lower notes that the limit is lower than the one under which places were granted: all proxies together may have more than it
// now, so none is used until the store has said how many they have. Gives how many places to take from the workers: the spare
// ones, and those of open tunnels, which go on without one.
uint32_t lease_lower(struct lease *lease) MUST_USE;

// lease_ask tells whether the store is to be asked now, and what. From then on a question is under way.
bool lease_ask(struct lease *lease, const struct lease_view *view, struct lease_question *out);

// lease_wakes tells, where nothing is to be asked, whether those who wait are to look again: a place has become free here.
bool lease_wakes(const struct lease *lease, const struct lease_view *view);

// lease_answer takes the store's answer, and gives how many spare places the workers get more (fewer, where the store has
// granted less, or all proxies together have `above` more than the limit). `out_is_full`: there was less than was needed.
int32_t lease_answer(struct lease *lease, const struct lease_question *question, uint32_t granted,
                     uint32_t above, int64_t now_ms, bool *out_is_full);

// lease_above gives how many places more than the limit all proxies hold: this one `granted`, `others` the rest.
static inline uint32_t lease_above(uint32_t limit, uint32_t granted, uint32_t others)
{
    const uint64_t all = (uint64_t)granted + others;
    const uint64_t above = all > limit ? all - limit : 0;
    return above > UINT32_MAX ? UINT32_MAX : (uint32_t)above;
}

// lease_unanswered notes that there is no answer, and whether the store has done what was asked is not known.
void lease_unanswered(struct lease *lease);

// lease_fail notes that the answer was an error: whoever asks at once would get it again.
void lease_fail(struct lease *lease, int64_t now_ms);

// lease_unclaim notes that the store may have forgotten the lease: it is claimed again by the next question.
void lease_unclaim(struct lease *lease);

// lease_is_over tells whether nothing is held, open or under way, and the store knows it.
bool lease_is_over(const struct lease *lease, const struct lease_view *view);

// lease_fault_pause gives how long to wait after so many errors in a row, at least 1.
static inline int64_t lease_fault_pause(uint32_t faults)
{
    return faults > 5 ? LEASE_FAULT_LAST_MS : (int64_t)LEASE_FAULT_FIRST_MS << (faults - 1);
}

// lease_share gives how many tunnels of `limit` one of `members` proxies may have while the store is lost.
static inline uint32_t lease_share(uint32_t limit, uint32_t members)
{
    return limit / members + (limit % members != 0);
}
