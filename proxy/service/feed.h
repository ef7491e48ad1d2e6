// feed: when a client of the control socket that wants fresh numbers gets the next ones, and whether it is still there.
//
// Knows no numbers: the owner makes them. On main's loop.
#pragma once

#include <ev.h>

#include "proxy/admin/control_server.h"

struct feed;

// feed_create makes one for `call`, which stays the caller's. `on_due` is called from the loop `every_ms` after each
// feed_start; NULL without memory.
struct feed *feed_create(struct ev_loop *loop, int64_t every_ms, struct control_call *call,
                         void (*on_due)(void *arg, struct control_call *call), void *arg) MUST_USE;

// feed_start begins to wait for the next time.
void feed_start(struct feed *feed);

// feed_destroy ends it. NULL is allowed.
void feed_destroy(struct feed *feed);
