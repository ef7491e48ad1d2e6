// watchdog: has the service manager told that the process works, as sd_watchdog_enabled(3) asks for it.
//
// It says so only while main's loop turns and every worker's loop has answered since the last time. So one worker
// that hangs is enough for the manager to restart the process.
#pragma once

#include <ev.h>
#include <stdbool.h>

// watchdog_turn asks all workers for a sign of life, and tells the manager that there is one if all have given the last one.
typedef void watchdog_turn(void *arg);

// Zeroed is stopped. Private to watchdog.c.
struct watchdog {
    ev_timer timer;
    watchdog_turn *turn;
    void *arg; // borrowed
};

// watchdog_start has `loop` call `turn` three times in each WATCHDOG_USEC microseconds (1 ms at least). Without WATCHDOG_USEC
// nothing happens. Called by main.
void watchdog_start(struct watchdog *watchdog, struct ev_loop *loop, watchdog_turn *turn,
                    void *arg);

// watchdog_stop ends it. A zeroed one is allowed.
void watchdog_stop(struct watchdog *watchdog, struct ev_loop *loop);
