// fleet_account: what the fleet has granted an account: the part of it that main gives, and that workers take from.
//
// Of tunnels these are places (proxy/fleet/lease.h), of the two rates tokens (proxy/fleet/token_lease.h). A worker takes one by
// an atomic operation; a request that finds none waits for main to ask the store. main gives, and says how the question has ended.
// ledger.c has the functions that take, so that a place counts for the account and the process at once.
//
// Places: `spare` is what main has granted less all tunnels that are open, in either scope. So whatever happens to the
// scope of an account, main knows from it how many are open.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "auth/limits.h"

struct account;

enum fleet_kind { FLEET_TUNNELS, FLEET_NEW_TUNNELS, FLEET_REQUESTS, FLEET_KIND_COUNT };

enum { FLEET_RATE_COUNT = FLEET_KIND_COUNT - 1, FLEET_LOT_COUNT = 2 };

// How a question to the store has ended.
enum fleet_outcome {
    FLEET_GRANTED, // there is more than before: look again
    FLEET_FULL,    // there was less than was asked for
    FLEET_UNKNOWN, // no answer
};

// fleet_answer is what main says about a question.
struct fleet_answer {
    uint32_t round; // number of the question
    enum fleet_outcome outcome;
    uint32_t
        wait_ms; // FLEET_FULL, of a rate: until there is room for one; at most FLEET_WAIT_MAX_MS
};

enum { FLEET_WAIT_MAX_MS = (1 << 30) - 1 };

// fleet_queue is those who wait for one kind. Any thread.
struct fleet_queue {
    _Atomic uint32_t waiting;
    _Atomic uint32_t
        round; // number of the last question; main counts it up before it looks who waits
    _Atomic uint64_t answer; // the last one; see fleet_queue_answer
};

// fleet_queue_set_answer keeps the answer to the last question. Called by main.
void fleet_queue_set_answer(struct fleet_queue *queue, enum fleet_outcome outcome, int64_t wait_ms);

// fleet_queue_answer gives the last answer. Any thread.
struct fleet_answer fleet_queue_answer(const struct fleet_queue *queue);

// fleet_account is a part of an account.
struct fleet_account {
    _Atomic int32_t spare;                       // places granted less open tunnels
    _Atomic int32_t low;                         // main is to be woken at so many spare places
    _Atomic uint32_t low_lots[FLEET_RATE_COUNT]; // and at so many tokens
    _Atomic uint64_t lots[FLEET_RATE_COUNT][FLEET_LOT_COUNT]; // tokens of each rate; token_lot_make
    struct fleet_queue queues[FLEET_KIND_COUNT];
    _Atomic bool is_unheard[FLEET_KIND_COUNT]; // the store answers with an error: it counts as lost
    _Atomic bool is_listed;      // main is to look at it; then the list has a reference
    struct account *next_listed; // in the list
    struct client_limits
        limits; // of the youngest configuration that has asked; under the ledger's lock
    _Atomic uint64_t share_up; // bytes a second that main has set by ledger_set_share; 0: none yet
    _Atomic uint64_t share_down;
    _Atomic(void *) keeper; // main's; borrowed
};

// fleet_account_open gives the number of open tunnels where `granted` places were given. For main.
uint32_t fleet_account_open(const struct fleet_account *fleet, uint32_t granted);

// fleet_account_withdraw takes at most `count` spare places away from the workers, and gives how many. For main.
uint32_t fleet_account_withdraw(struct fleet_account *fleet, uint32_t count);

// fleet_account_take_place takes a spare place. False: there is none. Any thread.
bool fleet_account_take_place(struct fleet_account *fleet);

// fleet_account_take_token takes a token of a rate, FLEET_NEW_TUNNELS or FLEET_REQUESTS. False: there is none. Any thread.
bool fleet_account_take_token(struct fleet_account *fleet, enum fleet_kind kind, int64_t now_ms);

// fleet_account_tokens gives how many tokens there are. Any thread.
uint32_t fleet_account_tokens(const struct fleet_account *fleet, enum fleet_kind kind,
                              int64_t now_ms);

// fleet_account_add_tokens adds a lot that ends at `ends_ms`, in place of the one that has fewer left. For main.
void fleet_account_add_tokens(struct fleet_account *fleet, enum fleet_kind kind, uint32_t count,
                              int64_t ends_ms, int64_t now_ms);

// fleet_account_is_rested tells whether nothing that was granted is left, and nobody waits.
bool fleet_account_is_rested(const struct fleet_account *fleet);
