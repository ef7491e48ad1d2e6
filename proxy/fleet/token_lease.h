// token_lease: tokens of a rate that holds for the whole fleet, taken from the store in lots ahead of need.
//
// The store has the one bucket of the account (the script `rate`). A proxy takes as many tokens at once as it has used of late,
// so that few requests wait for the store. What it does not use within TOKEN_LIFE_MS is lost: tokens cannot be saved up on
// a proxy. So in any time t the fleet lets at most this through:
//     rate * (t + TOKEN_LIFE_MS) + burst
// A lot is one number of 64 bits, so that workers take from it by one compare-and-swap: when it ends, and how many are left.
//
// Pure: no clock, no store, no memory. Times are monotonic milliseconds. main alone decides; workers take.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
    TOKEN_LIFE_MS = 1000,
    TOKEN_LOT_MAX = (1 << 20) - 1, // tokens of one lot
    TOKEN_FULL_WAIT_MS = 5, // after the store had too few it is asked again so late at the soonest
};

// token_lot_make gives a lot of at most TOKEN_LOT_MAX tokens that ends at `ends_ms`.
uint64_t token_lot_make(uint32_t count, int64_t ends_ms);

// token_lot_left gives how many tokens of a lot are left.
uint32_t token_lot_left(uint64_t lot, int64_t now_ms);

// token_lot_take takes one from a lot. False: there is none.
bool token_lot_take(uint64_t lot, int64_t now_ms, uint64_t *out);

// token_lease is zeroed in the beginning. Fields private to token_lease.c.
struct token_lease {
    bool is_asked;         // a question is under way
    int64_t not_before_ms; // of the next one
    uint32_t faults;       // errors in a row
    uint32_t granted;      // since the last beat
    uint32_t left_before;  // at the last beat
    uint32_t used;         // of a second: what the last beats say
};

// What is so at this moment.
struct token_view {
    uint32_t per_second; // of the whole fleet; at least 1
    uint32_t burst;
    uint32_t waiting; // requests that wait for a token
    uint32_t left;    // tokens in hand
    uint32_t members; // proxies in the fleet, at least 1
    int64_t now_ms;
};

// token_lease_beat looks back at the last beat of `beat_ms`.
void token_lease_beat(struct token_lease *lease, const struct token_view *view, int64_t beat_ms);

// token_lease_low gives the number of tokens in hand at which a worker wakes main, so that it asks ahead of need.
uint32_t token_lease_low(const struct token_lease *lease, const struct token_view *view);

// token_lease_ask tells whether the store is to be asked now, and for how many tokens. Then a question is under way.
bool token_lease_ask(struct token_lease *lease, const struct token_view *view, uint32_t *out_want);

// token_lease_answer takes the answer: `granted` tokens, and in how many microseconds there is room for one more. It gives the
// tokens that the workers get, never more than `want`, and in `out_wait_ms` how long somebody who still waits would have to: a second
// at most, whatever the store says.
uint32_t token_lease_answer(struct token_lease *lease, uint32_t want, int64_t granted,
                            int64_t wait_us, int64_t now_ms, int64_t *out_wait_ms);

// token_lease_fail notes that the answer was an error. It is asked again by itself, later each time.
void token_lease_fail(struct token_lease *lease, int64_t now_ms);

// token_lease_unanswered notes that there is no answer. What the store has given is lost.
void token_lease_unanswered(struct token_lease *lease);

// token_lease_unclaim forgets what the store has said: it is lost, or may be another one.
void token_lease_unclaim(struct token_lease *lease);
