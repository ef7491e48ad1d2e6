// succession: all that has to do with the processes before and after this one.
#pragma once

#include "proxy/service/predecessors.h"

struct retirement;
struct upgrade;

// Zeroed: the process has started by itself, and serves.
struct succession {
    struct inheritance inheritance;   // until it serves
    struct predecessors predecessors; // who served before
    struct upgrade *upgrade;          // owned; to who serves next
    struct retirement *retirement;    // owned; once that one does; NULL: this one serves
    ev_timer last_wait; // at the end, for predecessors that have not ended; zeroed: never started
};
