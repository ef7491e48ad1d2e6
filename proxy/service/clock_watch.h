// clock_watch: notices that the machine's clock was set, or that the machine has slept. Timers of the loop do not.
#pragma once

#include <ev.h>
#include <stdbool.h>

#include "auth/base/err.h"

// Zeroed is stopped. Private to clock_watch.c.
struct clock_watch {
    ev_io io; // its descriptor is owned
    void (*on_set)(void *arg);
    void *arg; // borrowed
    bool is_started;
};

// clock_watch_start calls `on_set` from `loop` after each jump of the wall clock, with `arg`, which is
// borrowed. False, with errno set, when the kernel gives no timer.
bool clock_watch_start(struct clock_watch *watch, struct ev_loop *loop, void (*on_set)(void *arg),
                       void *arg) MUST_USE;

// clock_watch_stop ends it. A zeroed one is allowed.
void clock_watch_stop(struct clock_watch *watch, struct ev_loop *loop);
