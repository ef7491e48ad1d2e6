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

// Embedded; the fields are private to wakeup.c.
struct wakeup {
    ev_io io;             // its descriptor is owned
    struct ev_loop *loop; // borrowed; NULL: not started
    wakeup_function *on_wakeup;
    void *arg; // borrowed
};

// wakeup_start opens the descriptor and has `loop` listen to it. False with errno set.
bool wakeup_start(struct wakeup *wakeup, struct ev_loop *loop, wakeup_function *on_wakeup,
                  void *arg) MUST_USE;

// wakeup_move has another loop listen. What was sent before and not taken is taken there. On the thread of both loops.
void wakeup_move(struct wakeup *wakeup, struct ev_loop *loop);

// wakeup_stop closes the descriptor, if it was opened. On the thread of the loop.
void wakeup_stop(struct wakeup *wakeup);

// wakeup_send wakes the loop. Any thread, from wakeup_start to wakeup_stop.
void wakeup_send(const struct wakeup *wakeup);
