// memory: looks now and then at how much memory the process has, as the kernel counts it, and tells the ledger,
// which refuses new work above `limits.memory`.
#pragma once

#include <ev.h>

#include "proxy/limits/ledger.h"

// Zeroed is stopped. Private to memory.c.
struct memory_watch {
    struct ev_loop *loop;  // borrowed
    struct ledger *ledger; // borrowed
    ev_timer timer;
    int fd; // owned; of /proc/self/statm
    bool is_started;
    bool is_over;
};

// memory_watch_start prepares a watch on main's loop. Without /proc it says so once, and never finds too much.
void memory_watch_start(struct memory_watch *watch, struct ev_loop *loop, struct ledger *ledger);

// memory_watch_set looks at once, and from now on several times a second where there is a limit at all.
void memory_watch_set(struct memory_watch *watch, bool has_limit);

// memory_watch_stop ends it. A zeroed one is allowed.
void memory_watch_stop(struct memory_watch *watch);
