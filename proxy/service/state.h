// state: what main holds while the proxy serves. service.c starts and stops it, reload.c brings new configurations and
// blocks into force, control.c answers the control socket, status.c describes it.
#pragma once

#include <ev.h>

#include "proxy/admin/block_state.h"
#include "proxy/keeper/keeper_link.h"
#include "proxy/loop/wakeup.h"
#include "proxy/process/signals.h"
#include "proxy/process/watchdog.h"
#include "proxy/process/watcher.h"
#include "proxy/service/caging.h"
#include "proxy/service/clock_watch.h"
#include "proxy/service/horizon.h"
#include "proxy/service/memory.h"
#include "proxy/service/monitor_place.h"
#include "proxy/service/rollout.h"
#include "proxy/service/sockets.h"
#include "proxy/service/succession.h"
#include "proxy/service/survey.h"
#include "proxy/worker/spread.h"
#include "proxy/worker/worker.h"

struct control;
struct crl_fetches;
struct fleet;
struct key_line;
struct key_store;
struct parent_checks;
struct monitor;
struct ocsp_asker;

// reload_lead is what the process that serves lets an old one bring into force. What takes trust away does not ask for it.
struct reload_lead {
    bool is_led; // nothing but the configuration `wanted`; false: whatever is good
    bool
        is_first; // another one is no reason yet to take trust away: `wanted` is likely to be read next
    bool is_afresh;        // the next one is read as at a start
    bool is_other_partial; // `other` has an included file that is not good
    char wanted[17];       // id of the configuration that serves
    char other[17]; // of the good one that was read last, and left out; "": it was none of those
};

// reload_outcome is what became of the reloads so far.
struct reload_outcome {
    uint64_t begun;           // counts every one, also of files that turned out to be the same
    uint64_t done;            // the number of the last one that is over
    uint64_t good;            // those that came into force
    uint64_t failed;          // those that did not, but for tries that were repeated
    int64_t in_force_since_s; // Unix seconds; of the configuration in force
    int64_t last_at_s;        // Unix seconds; 0: there was none
    bool is_told;             // the service manager knows that one is under way
    bool is_last_good;        // of the last one that came into force or failed
    bool is_last_partial;     // it came into force, but for an included file
    bool is_refused;          // what was read last, also if that is tried again
    bool is_repeat;           // the same is read again after a refusal, which is not said once more
    int64_t failing_since_s;  // Unix seconds; what is on the disk is refused since; 0: it is not
    int64_t reminded_at_s;    // Unix seconds; when that was said last
    char message[700];        // about it
    struct diagnostics findings; // what loading it has found
};

// It is large because it is everything that main owns, and lives as long as the process.
struct service {
    struct snapshot *snapshot; // ref; in force
    struct blocklist *blocks;  // ref; what is, or will at once be, in force
    bool
        are_blocks_unknown; // the store was never reached, and nothing is kept of it: nobody is served
    struct fleet *fleet;    // owned; NULL before it is made
    struct block_state
        kept; // owned; all that is known of blocks; its words are NULL where nobody can be blocked
    struct ev_loop *loop;      // borrowed; libev's default loop
    struct key_store *keys;    // borrowed; of private keys that are apart
    struct key_line *key_line; // owned; on `loop`; NULL: no key is apart
    // what every worker has a copy of; owned, its snapshot is not set
    struct session_context shared;
    struct ocsp_asker *asker; // owned; asks OCSP responders for all workers
    bool is_asker_old;        // it finds them by the resolver before the last reload: no memory
    uint64_t descriptors;     // that the process may have
    struct memory_watch memory;
    struct sockets sockets;  // of `snapshot`
    struct spread *spread;   // owned; the workers' seats
    struct worker **workers; // owned
    uint32_t worker_count;   // made and started
    uint32_t exited_count;
    struct rollout rollout; // what comes into force next
    struct loader loader;   // of reloads; its result until it is taken: rollout.state tells
    struct loader taker;    // of what takes trust away, likewise: rollout.taking_state tells
    struct reload_outcome reloads;
    struct reload_lead lead;
    ev_timer tick;           // runs while the rollout has missed something, or reads a reload
    struct watcher *watcher; // owned; of the files that `snapshot` names
    struct horizon horizon;  // of the lists of `snapshot`
    struct crl_fetches *crl_fetches; // owned; of the lists that `snapshot` names by URL
    struct parent_checks
        *parent_checks; // owned; of the proxies that `snapshot` sends requests through
    struct clock_watch clock_watch;
    struct keeper_link keeper; // to the process that has started this one
    struct watchdog watchdog;
    struct caging caging;          // what this process has given up
    struct survey survey;          // asks the workers
    struct control *control;       // owned; NULL: there is no control socket
    struct succession succession;  // the processes before and after this one
    struct monitor *monitor;       // owned; answers for metrics and health
    struct monitor_place place;    // where it does; its settings are NULL where it does not
    struct errinfo blocks_problem; // why blocks could not be kept; "" when they are
    int64_t started_s;             // Unix seconds
    int64_t stopping_at_s;         // Unix seconds; since when it drains or stops; 0: it does not
    ev_timer lame_duck;     // runs until the drain that was announced begins; zeroed: none was
    bool is_interrupted;    // asked to end at once, so that cutting is no failure
    struct signals signals; // owned, like the wakeups
    struct wakeup exits;    // a worker has ended
    struct wakeup adopted;  // a worker has adopted the newest snapshot
};

// service_apply_limits makes the limits of the whole process those of `snapshot`, at once. A client's come with
// the snapshot itself.
void service_apply_limits(struct service *service, const struct snapshot *snapshot);

// service_post tells every worker something.
void service_post(struct service *service, enum worker_message message);
