// catching_up: how an old process comes to go by the configuration that the process that serves has in force: it reads its own
// files again, some times, until it has read one with the id that is asked for. Another one does not come into force.
//
// What cannot be read here, though that one could, is judged by nothing: a folder that only the newer sandbox has opened, a key
// that only a newer version knows. Then this says why. On main's loop.
#pragma once

#include <ev.h>

#include "proxy/service/in_force_text.h"
#include "proxy/service/loader.h"

struct service;

// Zeroed is none. Private to catching_up.c, but for `number`.
struct catching_up {
    struct service *service; // borrowed
    uint64_t number;         // of the question; 0: nothing is asked
    enum loader_scope scope; // of the try under way
    uint64_t reload;         // the one that is waited for; 0: none
    int try_count;
    int64_t
        behind_since_ms; // monotonic; when it had first to read, since the two were the same; 0: they are
    ev_timer again; // between two tries
    char why[IN_FORCE_WHY_CAP];
};

// catching_up_init prepares one for `service`, which is borrowed. _stop ends its timer.
void catching_up_init(struct catching_up *catching_up, struct service *service);
void catching_up_stop(struct catching_up *catching_up);

// catching_up_begin takes a question, in the place of the one before. False: it is about something else.
bool catching_up_begin(struct catching_up *catching_up, uint64_t number,
                       struct slice question) MUST_USE;

// catching_up_step goes on, and tells whether it is over: then every worker goes by what was asked for, and `*out_why` is NULL,
// or that is a sentence, which stays until the next question. To be called before the loop waits, while there is a question.
bool catching_up_step(struct catching_up *catching_up, const char **out_why) MUST_USE;
