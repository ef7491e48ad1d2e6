// signals: signals to the process as events of main's loop.
//
// They are blocked in every thread and read from a signalfd. So no signal interrupts a system call, and none is lost.
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

// signals_block blocks `numbers` for good, in this thread and in all threads that it starts later. It ignores SIGPIPE
// and SIGXFSZ: a write that fails returns an error instead.
void signals_block(struct signals *signals, const int *numbers, size_t count);

// signals_are_pending tells whether one of `numbers`, which are blocked, has come and was not delivered yet.
bool signals_are_pending(const int *numbers, size_t count);

// signals_start has `loop` deliver them, including those that came since signals_block. False with errno set.
bool signals_start(struct signals *signals, struct ev_loop *loop,
                   void (*on_signal)(void *arg, uint32_t number), void *arg) MUST_USE;

// signals_stop ends the delivery, if it was started.
void signals_stop(struct signals *signals, struct ev_loop *loop);
