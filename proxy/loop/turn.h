// turn: a queue whose entries are handled from the loop, with a time budget for each pass.
//
// A long queue delays nothing else: when the budget is spent the rest waits for the next pass. An entry that is queued
// again while it is handled comes in a later pass. Knows nothing of the work.
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

// turn_entry is embedded in what is queued. Zeroed it is in no queue.
struct turn_entry {
    TAILQ_ENTRY(turn_entry) link;
    struct turn *turn; // borrowed; the queue that it is in; NULL: none
    void *owner;       // borrowed; what it is embedded in
    uint32_t pass;     // of the queue, when it was queued
};

TAILQ_HEAD(turn_list, turn_entry);

struct turn {
    struct turn_list entries; // borrowed; the one that has waited longest is first
    struct ev_loop *loop;     // borrowed
    void (*work)(void *owner);
    int64_t budget_us;
    // microseconds of this pass; the user may add work that was done outside the queue
    int64_t spent_us;
    uint32_t pass;  // how often the timer has fired
    ev_timer timer; // of length zero; active while entries wait
};

// turn_init prepares an empty queue on `loop`. `work` is called for one entry after it has left the queue; it may queue
// or free any entry. `priority` is libev's: who goes first among the events of one pass.
void turn_init(struct turn *turn, struct ev_loop *loop, int priority, int64_t budget_us,
               void (*work)(void *owner));

// turn_enqueue puts an entry of `owner` at the end. An entry that is in a queue stays where it is.
void turn_enqueue(struct turn *turn, struct turn_entry *entry, void *owner);

// turn_leave takes an entry out of its queue, if it is in one.
void turn_leave(struct turn_entry *entry);

// turn_begin_pass gives the queue its whole budget again: for users that add to `spent_us`, once a pass of the loop.
void turn_begin_pass(struct turn *turn);

// turn_is_spent tells whether the budget of this pass is used up.
bool turn_is_spent(const struct turn *turn);

// turn_stop stops the timer. Entries that are left may still leave.
void turn_stop(struct turn *turn);
