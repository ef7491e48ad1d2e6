// bell: how one thread wakes the loop of another.
//
// An eventfd: rings add up until the loop hears them, so that none is lost and nobody waits. What was meant
// lies elsewhere, put there before the ring.
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "auth/base/err.h"

// bell_function is told on the loop how often the bell was rung since it last was: at least once.
typedef void bell_function(void *arg, uint32_t rung);

struct bell {
    ev_io io; // its descriptor is owned; -1 for none
    bell_function *on_ring;
    void *arg; // borrowed
};

// bell_init opens the descriptor. False, with errno set, when there is none: then only bell_deinit may follow.
bool bell_init(struct bell *bell, bell_function *on_ring, void *arg) MUST_USE;

// bell_start has `loop` listen, bell_stop no longer; on the thread of the loop. What is rung in between is heard by
// the next loop.
void bell_start(struct bell *bell, struct ev_loop *loop);
void bell_stop(struct bell *bell, struct ev_loop *loop);

// bell_ring may be called on any thread, until bell_deinit.
void bell_ring(const struct bell *bell);

// bell_deinit closes the descriptor. No loop listens to it any more.
void bell_deinit(struct bell *bell);
