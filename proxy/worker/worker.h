// worker: a thread with its own loop, its share of the listening sockets, and its sessions.
//
// Sessions never move between workers; a connection may, before its session begins (spread.h). Workers share the snapshot, the
// audit queue and the counts for limits. Other threads talk to a worker through its mailbox.
#pragma once

#include "proxy/loop/loop_thread.h"
#include "proxy/session/context.h"

struct key_desk;
struct scan;
struct spread;
struct worker;

struct worker_options {
    uint32_t index; // from 0; for messages
    // `shares` for each listener of the snapshot, that of listener l at [share * listener_count + l]; -1: none. -1 is left in
    // place of what was taken
    int *listener_fds;
    uint32_t shares; // at least 1
    // What the workers share, copied: snapshot (a reference is taken), audit, tickets, ledger, sources, refusals and
    // refused_requests, overlaps (borrowed; must outlive the worker). The rest is zero.
    const struct session_context *context;
    struct spread *spread;     // borrowed; must outlive the worker; `index` is its seat
    struct key_desk *keys;     // borrowed; must outlive the worker; NULL: no private key is apart
    uint64_t descriptors;      // that the process may have
    uint64_t base_descriptors; // that it has without any client
    // Sent by the worker's thread; borrowed, must outlive the worker.
    const struct wakeup *exits;   // as its last act
    const struct wakeup *adopted; // when it has adopted a snapshot
};

// worker_message is a message without content.
enum worker_message {
    // Accept no more, refuse new requests, and exit when the last tunnel has ended or the snapshot's drain time is over.
    WORKER_DRAIN = LOOP_DRAIN,
    // Accept no more, end what waits for a further request, and exit when the last connection has ended. The address lives on
    // in another process. WORKER_DRAIN may follow.
    WORKER_RETIRE = LOOP_RETIRE,
    WORKER_STOP = LOOP_STOP,           // end everything and exit now
    WORKER_CLOCK_SET = LOOP_FIRST_OWN, // the wall clock was set: judge the live tunnels again
    WORKER_OCSP_ANSWERED = LOOP_FIRST_OWN
                           << 4, // OCSP: look again whether a handshake has waited for it
    WORKER_OCSP_LOST = LOOP_FIRST_OWN
                       << 5, // OCSP: somebody's certificate is not good any more: judge again
    WORKER_LEASES = LOOP_FIRST_OWN
                    << 6, // the fleet: look again whether a request has waited for its limits
    WORKER_ACCEPT = LOOP_FIRST_OWN << 8, // begin to accept
};

// worker_start makes a worker and starts its thread. It accepts nobody before WORKER_ACCEPT. On an error what it had taken of the descriptors is closed.
enum err worker_start(const struct worker_options *options, struct worker **out,
                      struct errinfo *info) MUST_USE;

// worker_adopt sends a new snapshot. The worker takes its own reference, keeps the sockets of the listeners whose address
// stays (`listener_fds` has -1 for them), accepts from the new ones, empties and closes those that are gone, and judges its
// live tunnels again. It takes the descriptors and leaves -1 in their place. Call it only after every earlier snapshot has
// been adopted. ERR_MEMORY: nothing changes, and no descriptor is taken. ERR_EOF: the worker has ended, so there is nothing
// to change; the descriptors are closed.
enum err worker_adopt(struct worker *worker, struct snapshot *snapshot, int *listener_fds) MUST_USE;

// worker_scan sends a scan. Its `on_done` is called on the worker's thread, even if the worker ends meanwhile. False: the
// worker has ended already, and the scan has its counters only. Call it only after every earlier scan has been answered.
bool worker_scan(struct worker *worker, struct scan *scan);

// worker_take_pulse tells whether the worker's loop has run since the last call, and asks it again. True for the first call,
// and if the worker has ended. For one thread only.
bool worker_take_pulse(struct worker *worker);

// worker_post sends a message. Any thread.
void worker_post(struct worker *worker, enum worker_message message);

// worker_join waits for the thread to exit, frees the worker, and gives the number of exchanges that it had to cut.
uint64_t worker_join(struct worker *worker);
