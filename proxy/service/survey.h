// survey: questions to all workers at once: their numbers, their tunnels, ends of tunnels.
//
// A worker answers one scan at a time, so questions wait in a line, first come, first served. All on main's loop.
#pragma once

#include <stdatomic.h>

#include "proxy/loop/wakeup.h"
#include "proxy/session/scan.h"
#include "proxy/worker/worker.h"

enum {
    SURVEY_QUESTIONS_MAX = 128
}; // of all who ask together: see control_server.h, monitor_server.h, fleet_commands.c

// survey_question is one who asks. `ask` writes the question into a zeroed scan when it is its turn. `tell` gets what all
// workers have said together, borrowed for the call; it may ask again.
struct survey_question {
    void (*ask)(void *arg, struct scan *out);
    void (*tell)(void *arg, struct scan *sum);
    void *arg; // borrowed
};

// survey_others are the old processes, who are asked too.
struct survey_others {
    // ask asks them, and gives how many will answer: survey_note_other is called once for each, later.
    size_t (*ask)(void *arg, const struct scan *question);
    // collect adds what they have answered.
    void (*collect)(void *arg, struct scan *sum);
    void *arg; // borrowed
};

// The fields are private to survey.c. Zeroed: it was not started.
struct survey {
    struct worker *const *workers; // borrowed
    uint32_t worker_count;
    struct survey_question line[SURVEY_QUESTIONS_MAX]; // the first one is under way
    size_t line_len;
    struct scan *parts;   // owned; one a worker
    atomic_uint answered; // parts that the workers have given back
    uint32_t asked_count; // workers
    struct survey_others others;
    size_t others_left; // old processes that have not answered
    bool is_under_way;
    struct wakeup done; // owned; a part was given back
};

// survey_start prepares it on `loop` for these workers, which run and are borrowed. ERR_MEMORY or ERR_SYSTEM.
enum err survey_start(struct survey *survey, struct ev_loop *loop, struct worker *const *workers,
                      uint32_t worker_count, const struct survey_others *others,
                      struct errinfo *info) MUST_USE;

// survey_stop forgets all questions without an answer. The workers have ended. A zeroed one is allowed.
void survey_stop(struct survey *survey);

// survey_note_other notes that one of the others has answered, or will not any more.
void survey_note_other(struct survey *survey);

// survey_ask puts a question; `tell` may be called before it returns, where the workers have ended.
void survey_ask(struct survey *survey, const struct survey_question *question);
