// wakeup: how one thread wakes the loop of another.
//
// An eventfd. Wakeups add up until the loop takes them: none is lost and no sender waits. The message itself lies
// elsewhere and is written before the wakeup is sent.
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "auth/base/err.h"

// wakeup_function is called on the loop. `count` is the number of wakeups since the last call, at least 1.
typedef void wakeup_function(void *arg, uint32_t count);

struct wakeup {
    ev_io io; // its descriptor is owned; -1 for none
    wakeup_function *on_wakeup;
    void *arg; // borrowed
};

// wakeup_init opens the descriptor. Returns false with errno set on an error; then only wakeup_deinit may follow.
bool wakeup_init(struct wakeup *wakeup, wakeup_function *on_wakeup, void *arg) MUST_USE;

// wakeup_start has `loop` listen; wakeup_stop ends that. On the thread of the loop. What is sent while no loop
// listens is kept for the next one.
void wakeup_start(struct wakeup *wakeup, struct ev_loop *loop);
void wakeup_stop(struct wakeup *wakeup, struct ev_loop *loop);

// wakeup_send wakes the loop. Any thread, until wakeup_deinit.
void wakeup_send(const struct wakeup *wakeup);

// wakeup_deinit closes the descriptor. No loop may listen to it.
void wakeup_deinit(struct wakeup *wakeup);
