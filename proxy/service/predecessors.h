// predecessors: the processes that served before this one and still have tunnels, as this one sees them: they go by its
// blocks, and do what it is told, until they end.
//
// On main's loop.
#pragma once

#include "proxy/service/inheritance.h"

struct predecessor;

// Zeroed is none. Private to predecessors.c.
struct predecessors {
    struct ev_loop *loop;                       // borrowed; NULL: not initialised
    struct predecessor *list[PREDECESSORS_MAX]; // owned
    size_t count;
    uint64_t newest;            // number of the newest list of blocks
    ev_timer late;              // runs while one owes an answer
    void (*on_less)(void *arg); // one has ended
    void *arg;                  // borrowed
};

// predecessors_init prepares none. `on_less` is called from the loop when one has ended.
void predecessors_init(struct predecessors *predecessors, struct ev_loop *loop,
                       void (*on_less)(void *arg), void *arg);

// predecessors_add takes a link over, also when there is no memory: then the process at the other end drains, and it is
// logged.
void predecessors_add(struct predecessors *predecessors, int64_t pid, int fd);

// predecessors_obey gives the blocks (NULL: there is no list) to all. Returns a number: predecessors_have_obeyed tells when all go by them. One that
// does not within 30 s is ended.
uint64_t predecessors_obey(struct predecessors *predecessors, const struct blocklist *blocks);

// predecessors_have_obeyed tells whether all that are left go by the blocks of that number, or by newer ones.
bool predecessors_have_obeyed(const struct predecessors *predecessors, uint64_t number);

// predecessors_say tells all to do something.
void predecessors_say(struct predecessors *predecessors, enum handover_kind kind);

// predecessors_pause stops listening to all, or begins again: the process that takes our place listens from now on.
void predecessors_pause(struct predecessors *predecessors, bool is_paused);

// predecessors_pass_on sends all links to the process that takes our place. False: not all could be sent.
bool predecessors_pass_on(const struct predecessors *predecessors,
                          struct handover_link *link) MUST_USE;

// predecessors_stop lets go of all. Zeroed ones are allowed.
void predecessors_stop(struct predecessors *predecessors);
