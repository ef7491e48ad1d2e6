// horizon: says aloud, while the program runs, that something of the configuration in force is about to end, or has
// ended: a revocation list, a CA, a served certificate. From seven days before (a list: the last quarter of its life, if that is
// shorter), once a day, and when it happens.
// What is so when a configuration is loaded is said by the loading.
//
// One timer of main's loop, by the wall clock, looked at once a minute at least, for clocks are set.
#pragma once

#include <ev.h>

#include "proxy/config/snapshot.h"

// Private to horizon.c. Zeroed is stopped.
struct horizon {
    struct ev_loop *loop;                      // borrowed
    void (*on_look)(void *arg, int64_t now_s); // never NULL
    void *arg;                                 // borrowed
    ev_timer timer;                            // to the next look
    struct snapshot *snapshot;                 // ref; NULL before the first horizon_watch
    int64_t last_s;                            // of the last look, Unix seconds
};

// horizon_init makes one that watches nothing yet. `on_look` is called at each look with `arg`, borrowed, and with the
// time, Unix seconds.
void horizon_init(struct horizon *horizon, struct ev_loop *loop,
                  void (*on_look)(void *arg, int64_t now_s), void *arg);

// horizon_stop stops it and gives up what it holds. A zeroed one is allowed.
void horizon_stop(struct horizon *horizon);

// horizon_watch watches what `snapshot` is made of from now on, and nothing else. It holds a reference.
void horizon_watch(struct horizon *horizon, struct snapshot *snapshot);

// horizon_follow goes on with a revision of what it watches, about which loading has said nothing.
void horizon_follow(struct horizon *horizon, struct snapshot *revision);

// horizon_look looks now, without waiting for its time: the clock was set.
void horizon_look(struct horizon *horizon);

// What there is to say of something that ends.
enum horizon_stage {
    HORIZON_SILENT, // nothing since the last look
    HORIZON_DUE,    // it ends soon
    HORIZON_PAST,   // it has ended, or still has
};

// horizon_stage_of tells what to say of something that is good through `end_s`, and ends soon from `first_s` on, at `now_s` to
// somebody who last looked at `last_s`, all Unix seconds. Pure. A day that begins is said once.
enum horizon_stage horizon_stage_of(int64_t first_s, int64_t end_s, int64_t last_s, int64_t now_s);

// horizon_wait_s gives the seconds from `now_s` to the next look, which is due `left_s` after the last one at `last_s`:
// a new revision does not put it off. Never more than `left_s`, for clocks are set back. Pure.
int64_t horizon_wait_s(int64_t last_s, int64_t left_s, int64_t now_s);
