// watchdog: tells the service manager that the process works, as sd_watchdog_enabled(3) asks for it.
//
// It says so only while main's loop turns and every worker's loop has answered since the last time. So one worker
// that hangs is enough for the manager to restart the process.
#pragma once

#include <ev.h>
#include <stdbool.h>

// watchdog_probe tells whether all workers have answered what it asked the last time, and asks them again.
typedef bool watchdog_probe(void *arg);

// Zeroed is stopped. Private to watchdog.c.
struct watchdog {
    ev_timer timer;
    watchdog_probe *probe;
    void *arg; // borrowed
};

// watchdog_start sends WATCHDOG=1 from `loop` three times in each WATCHDOG_USEC microseconds (1 ms at least), as long
// as `probe` is content. Without WATCHDOG_USEC, or with a WATCHDOG_PID that is not ours, nothing happens. Called by main.
void watchdog_start(struct watchdog *watchdog, struct ev_loop *loop, watchdog_probe *probe,
                    void *arg);

// watchdog_stop ends it. A zeroed one is allowed.
void watchdog_stop(struct watchdog *watchdog, struct ev_loop *loop);
