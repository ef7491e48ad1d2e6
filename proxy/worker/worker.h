// worker: a thread with a loop of its own, its share of the listening sockets, and its sessions.
//
// Sessions never move between workers. Workers share the snapshot, the audit queue and what is counted for limits. Other
// threads talk to a worker through its mailbox.
#pragma once

#include "proxy/loop/loop_thread.h"
#include "proxy/session/context.h"

struct worker;
struct survey;

struct worker_options {
    uint32_t index;          // from 0; for messages
    const int *listener_fds; // one for each listener of the snapshot, taken over
    // What the workers share, copied: snapshot (a reference is taken), audit, tickets, ledger, sources, refusals and
    // refused_requests (borrowed; must outlive the worker). The rest is zero.
    const struct session_context *context;
    uint64_t descriptors;      // that the process may have
    uint64_t base_descriptors; // that it has without any client
    // on_exit is called on the worker's thread as its last act, on_adopted when it has adopted a
    // snapshot. Either may be NULL.
    void (*on_exit)(void *arg);
    void (*on_adopted)(void *arg);
    void *arg; // borrowed
};

// worker_message is what a worker can be told without more.
enum worker_message {
    WORKER_DRAIN =
        LOOP_DRAIN, // accept no more, refuse new requests, exit when the last tunnel has ended or the drain time
                    // of the snapshot is over
    WORKER_STOP = LOOP_STOP,           // end everything and exit now
    WORKER_CLOCK_SET = LOOP_FIRST_OWN, // the wall clock was set: judge the live tunnels again
};

// worker_start makes a worker and starts its thread. On an error the descriptors are closed.
enum err worker_start(const struct worker_options *options, struct worker **out,
                      struct errinfo *info) MUST_USE;

// worker_adopt hands a new snapshot over: its worker takes a reference of its own, goes on with the
// sockets of the listeners that stay in their place (`listener_fds` has -1 for them), accepts from the
// new ones, empties and closes those that are gone, and judges its live tunnels again. The descriptors are
// taken over, also on an error. Only when every earlier one has been adopted. ERR_MEMORY changes nothing;
// ERR_EOF: the worker has ended, so that there is nothing to change.
enum err worker_adopt(struct worker *worker, struct snapshot *snapshot,
                      const int *listener_fds) MUST_USE;

// worker_survey hands a survey over. Its `on_done` answers on the worker's thread, also when the worker ends
// meanwhile. False: it has ended before, and only its counters are told. Only when every
// earlier one has been answered.
bool worker_survey(struct worker *worker, struct survey *survey);

// worker_take_pulse tells whether the worker's loop has turned since it was asked the last time (also when it was never
// asked, or has ended), and asks it again. For one thread only.
bool worker_take_pulse(struct worker *worker);

// worker_post tells the worker something. Any thread.
void worker_post(struct worker *worker, enum worker_message message);

// worker_join waits for the thread to exit, frees the worker, and tells how many exchanges had to be cut.
uint64_t worker_join(struct worker *worker);
