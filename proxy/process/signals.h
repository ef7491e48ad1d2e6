// signals: those sent to the process, as events of main's loop.
//
// They are blocked in every thread and read from a signalfd: none interrupts anything, and none is lost.
#pragma once

#include <ev.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/base/err.h"

struct signals {
    sigset_t set;
    ev_io io; // its descriptor, a signalfd, is owned; -1 for none
    void (*on_signal)(void *arg, uint32_t number);
    void *arg; // borrowed
};

// signals_block blocks `numbers` for good, in this thread and in all that it starts from now on, and has SIGPIPE and
// SIGXFSZ ignored: a write that cannot be done is an error where it is done.
void signals_block(struct signals *signals, const int *numbers, size_t count);

// signals_start has `loop` take them, those too that have come since they were blocked. False with errno set.
bool signals_start(struct signals *signals, struct ev_loop *loop,
                   void (*on_signal)(void *arg, uint32_t number), void *arg) MUST_USE;

// signals_stop ends that, if it was begun.
void signals_stop(struct signals *signals, struct ev_loop *loop);
