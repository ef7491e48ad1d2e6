// predecessors: the processes that served before this one and still have tunnels, as this one sees them: they go by its
// blocks, and do what it is told, until they end.
//
// On main's loop.
#pragma once

#include "proxy/limits/ledger.h"
#include "proxy/service/in_force_text.h"
#include "proxy/service/inheritance.h"
#include "proxy/session/scan.h"

struct predecessor;

struct predecessors_events {
    // on_less tells that one has ended.
    void (*on_less)(void *arg);
    // on_answer tells that one has answered the newest question, or will not any more.
    void (*on_answer)(void *arg);
    // end ends one for certain.
    void (*end)(void *arg, int64_t pid);
    void *arg; // borrowed
};

// Zeroed is none. Private to predecessors.c.
struct predecessors {
    struct ev_loop *loop;                       // borrowed; NULL: not initialised
    struct predecessor *list[PREDECESSORS_MAX]; // owned
    size_t count;
    struct predecessors_events events;
    struct ledger *ledger;                // borrowed; NULL: tunnels of others are not counted yet
    uint64_t newest;                      // number of the newest list of blocks
    uint64_t question;                    // number of the newest question
    char in_force[IN_FORCE_QUESTION_CAP]; // the question about what is in force; "": none was put
    char *answers;                        // owned; whole ones to it
    size_t answers_len;
    bool is_partial;    // not all could answer
    uint64_t cut_count; // for reading; requests that those that have ended had to cut
    ev_timer late;      // runs while one owes an answer
};

// predecessors_init prepares none.
void predecessors_init(struct predecessors *predecessors, struct ev_loop *loop,
                       const struct predecessors_events *events);

// predecessors_count_in has their tunnels count in `ledger`, which is borrowed. Before the first is added.
void predecessors_count_in(struct predecessors *predecessors, struct ledger *ledger);

// predecessors_add takes a link over, also when there is no memory: then the process at the other end drains, and it is
// logged. `counts`: what it has said of its tunnels already.
void predecessors_add(struct predecessors *predecessors, int64_t pid, int fd, struct slice counts);

// predecessors_obey gives the blocks (NULL: there is no list) to all. Returns a number: predecessors_have_obeyed tells when all go by them. One that
// does not within 30 s is ended.
uint64_t predecessors_obey(struct predecessors *predecessors, const struct blocklist *blocks);

// predecessors_have_obeyed tells whether all that are left go by the blocks of that number, or by newer ones.
bool predecessors_have_obeyed(const struct predecessors *predecessors, uint64_t number);

// predecessors_ask asks all a question to workers, and gives how many will answer. on_answer follows for each, later; one that
// does not answer within 5 s is taken for one that has. predecessors_collect adds what they have answered.
size_t predecessors_ask(struct predecessors *predecessors, const struct scan *question);
void predecessors_collect(struct predecessors *predecessors, struct scan *sum);

// predecessors_compare has all bring into force what is in force here, the configuration with this id. One that cannot, or does not
// say in 60 s that it does, is told to drain: it would judge its tunnels by what is not right any more. `is_reload`: the configuration
// file was read again, so that one that drains reads what it denies.
void predecessors_compare(struct predecessors *predecessors, const char *config_id, bool is_reload);

// predecessors_reload has those read the configuration that cannot be asked what they have in force: they are of an older version. All
// others wait for predecessors_compare.
void predecessors_reload(const struct predecessors *predecessors);

// predecessors_take has those others read what takes trust away alone, also what the configuration file denies: it may never
// come into force.
void predecessors_take(const struct predecessors *predecessors);

// predecessors_problem tells why the one at `index` does not go by what is in force, so that it drains; NULL: it does, or may yet.
const char *predecessors_problem(const struct predecessors *predecessors, size_t index);

// predecessors_pid gives the process number of the one at `index`, which is below `count`.
int64_t predecessors_pid(const struct predecessors *predecessors, size_t index);

// predecessors_say tells all to do something.
void predecessors_say(struct predecessors *predecessors, enum handover_kind kind);

// predecessors_pause stops listening to all, or begins again: the process that takes our place listens from now on. Nobody is late
// meanwhile.
void predecessors_pause(struct predecessors *predecessors, bool is_paused);

// predecessors_pass_on sends all links to the process that takes our place. False: not all could be sent.
bool predecessors_pass_on(const struct predecessors *predecessors,
                          struct handover_link *link) MUST_USE;

// predecessors_stop lets go of all; nobody answers any more, which is told. Zeroed ones are allowed.
void predecessors_stop(struct predecessors *predecessors);
