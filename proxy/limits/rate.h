// rate: a number of events a second, shared by threads without a lock.
//
// A token bucket as one number: the time at which everything taken so far is paid for (GCRA, as in ITU-T I.371). Taking
// is one compare-and-swap, and no thread has to refill anything. Knows no clock: time is an argument, monotonic, in
// nanoseconds.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define RATE_NS_A_SECOND INT64_C(1000000000)

enum { RATE_MAX = 1000000 }; // events a second, and of a burst

// rate is zeroed when nothing was taken yet. Fields private to rate.c.
struct rate {
    _Atomic int64_t paid_ns;
};

// rate_take takes one event where `per_second`, with up to `burst` at once after a rest, leaves room for it at
// `now_ns`; otherwise it takes nothing and tells in `*out_wait_ns` when there will be room, if nobody else
// takes it. Both are 1 to RATE_MAX, and may be others than the last time. Any thread.
bool rate_take(struct rate *rate, uint32_t per_second, uint32_t burst, int64_t now_ns,
               int64_t *out_wait_ns);

// rate_wait tells in how many nanoseconds there will be room for one, if nobody takes it; 0: now. `max_wait_ns` is
// the most that it says. Any thread.
int64_t rate_wait(const struct rate *rate, uint32_t per_second, uint32_t burst, int64_t now_ns,
                  int64_t max_wait_ns);

// rate_charge takes one that has happened, whether there was room or not, as long as the wait that follows is no
// more than `max_wait_ns`. Any thread.
void rate_charge(struct rate *rate, uint32_t per_second, uint32_t burst, int64_t now_ns,
                 int64_t max_wait_ns);

// rate_is_rested tells whether nothing that was taken counts any more. Any thread.
bool rate_is_rested(const struct rate *rate, int64_t now_ns);
