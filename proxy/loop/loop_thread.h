// loop_thread: a thread with an event loop, a mailbox for other threads, and an orderly end.
//
// A drain gives what is under way some time to end, a retirement all the time that it needs; a stop ends everything now. A loop that is empty after many
// connections can be replaced, see `renew`. Knows nothing of what runs on the loop.
#pragma once

#include <ev.h>
#include <pthread.h>
#include <stdatomic.h>

#include "proxy/loop/wakeup.h"

// Messages are bits. Those of the owner begin with LOOP_FIRST_OWN.
enum { LOOP_DRAIN = 1, LOOP_STOP = 2, LOOP_RETIRE = 4, LOOP_FIRST_OWN = 8 };

// loop_thread_events is what the owner does; all functions run on the thread.
struct loop_thread_events {
    // on_messages gets the owner's messages that have been posted since the last call. NULL: there are none.
    void (*on_messages)(void *owner, unsigned messages);
    // begin_drain stops accepting, ends what is idle, and returns how many milliseconds the rest may last. Called once.
    int64_t (*begin_drain)(void *owner);
    // begin_retire stops accepting, and lets what is under way go on without an end of patience. Called once, and not after
    // begin_drain, which may follow. NULL: the owner never retires.
    void (*begin_retire)(void *owner);
    // is_empty tells whether a drain, or a retirement, is over: nothing is left that it waits for.
    bool (*is_empty)(void *owner);
    // end_all stops accepting and ends everything now. `is_late`: the time for a drain is over.
    void (*end_all)(void *owner, bool is_late);
    // on_exit is the owner's last act on the thread. NULL: it has none.
    void (*on_exit)(void *owner);
    // may_renew is called after the owner has broken the loop (ev_break). It tells whether the loop is empty, so that it can
    // be replaced. renew moves everything to another loop; after an error it is still on the old one. Both NULL: the owner
    // never breaks the loop.
    bool (*may_renew)(void *owner);
    enum err (*renew)(void *owner, struct ev_loop *loop, struct errinfo *info);
};

enum { LOOP_THREAD_NAME_CAP = 32 };

// Embedded. The owner may read `loop`, `name` and `is_draining`; the other fields are private to loop_thread.c.
struct loop_thread {
    struct ev_loop *loop; // owned
    char name[LOOP_THREAD_NAME_CAP];
    bool is_draining;
    bool is_retiring;
    bool has_ended;                          // by a drain, a retirement or a stop
    bool has_warned;                         // that the loop could not be replaced
    const struct loop_thread_events *events; // static memory
    void *owner;                             // borrowed
    pthread_t thread;
    struct wakeup mail;         // owned
    const struct wakeup *exits; // borrowed
    atomic_uint messages;
    ev_timer drain;     // the end of patience
    ev_prepare drained; // runs while draining or retiring: looks whether all has ended
};

// loop_thread_init makes a loop and a mailbox; the thread is not started. `index` counts the workers of the process
// from 0, for messages. ERR_SYSTEM.
// loop_thread_deinit must follow in any case.
enum err loop_thread_init(struct loop_thread *thread, const struct loop_thread_events *events,
                          void *owner, uint32_t index, struct errinfo *info) MUST_USE;

// loop_thread_start starts the thread. Its last act is to send `exits`, which must outlive it. ERR_SYSTEM.
enum err loop_thread_start(struct loop_thread *thread, const struct wakeup *exits,
                           struct errinfo *info) MUST_USE;

// loop_thread_post sends a message to the loop. A message that is sent again before the loop takes it is taken once. Any
// thread, from loop_thread_init to loop_thread_deinit.
void loop_thread_post(struct loop_thread *thread, unsigned message);

// loop_thread_join waits for the thread to exit.
void loop_thread_join(struct loop_thread *thread);

// loop_thread_deinit frees the loop and the mailbox. The thread never ran or has been joined, and the owner has
// stopped its watchers. A zeroed one is allowed.
void loop_thread_deinit(struct loop_thread *thread);
