// What the files of the process share and nobody else sees. service.c owns start, stop and signals, reload.c
// how a new configuration or block comes into force, control.c what is asked at the control socket, status.c
// how the process is told about.
#pragma once

#include <ev.h>

#include "proxy/audit/audit_log.h"
#include "proxy/loop/wakeup.h"
#include "proxy/process/signals.h"
#include "proxy/process/watchdog.h"
#include "proxy/process/watcher.h"
#include "proxy/service/clock_watch.h"
#include "proxy/service/horizon.h"
#include "proxy/service/loader.h"
#include "proxy/service/memory.h"
#include "proxy/service/sockets.h"
#include "proxy/session/survey.h"
#include "proxy/worker/worker.h"

struct control;

// reload_outcome is what became of the reloads so far.
struct reload_outcome {
    uint64_t begun;              // counts every one, also of files that turned out to be the same
    uint64_t done;               // the number of the last one that is over
    uint64_t good;               // those that came into force
    uint64_t failed;             // those that did not, but for tries that were repeated
    int64_t last_at_s;           // Unix seconds; 0: there was none
    bool is_told;                // the service manager knows that one is under way
    bool is_last_good;           // of the last one that came into force or failed
    int64_t failing_since_s;     // Unix seconds; what is on the disk is refused since; 0: it is not
    int64_t reminded_at_s;       // Unix seconds; when that was said last
    char message[700];           // about it
    struct diagnostics findings; // what loading it has found
};

struct service {
    struct snapshot *snapshot;         // ref
    struct ev_loop *loop;              // borrowed; libev's default loop
    struct audit_log *audit;           // owned
    struct ticket_keys *tickets;       // owned
    struct ledger *ledger;             // owned
    struct sources *sources;           // owned
    struct refusals *refusals;         // owned
    struct refusals *refused_requests; // owned
    struct memory_watch memory;
    uint64_t descriptors;    // that the process may have
    struct sockets sockets;  // of `snapshot`
    struct worker **workers; // owned
    uint32_t worker_count;   // made and started
    uint32_t exited_count;
    struct loader *loader;     // owned; NULL when no reload is being loaded
    bool is_loaded;            // it is done, and waits for workers that are still adopting
    uint32_t adopting_count;   // workers that have not adopted the newest snapshot yet
    bool is_adopting_reload;   // that snapshot is a reload's
    bool is_handed_to_all;     // no worker lacked the memory for the newest snapshot
    bool must_revise;          // other blocks wait for workers that are still adopting
    bool has_failed_to_revise; // there was no memory for them
    bool must_reload_again;    // asked for while one was under way
    enum loader_scope again;   // and then how much
    bool has_refused_file;     // the configuration file as it was read last is not the one in force
    bool is_adopting_taking;   // what takes trust away is on its way to the workers
    bool must_take;            // there was no memory for it, and it is read again
    enum loader_scope taking_scope; // of the last one: LOADER_TAKING or LOADER_TAKING_ALL
    struct watcher *watcher;        // owned; of the files that `snapshot` names
    struct horizon *horizon;        // owned; of the lists of `snapshot`
    struct clock_watch clock_watch;
    struct watchdog watchdog;
    ev_timer retry;              // files that did not fit together are read again
    int retry_count;             // how often they have been
    ev_timer missed;             // runs until every worker has what is in force
    uint64_t generation;         // of the newest snapshot
    uint64_t adopted_generation; // of the newest one that every worker has
    struct reload_outcome reloads;
    struct blocklist *blocks; // ref; what is, or will at once be, in force
    struct control *control;  // owned; NULL: there is no control socket
    int64_t started_s;        // Unix seconds
    int64_t snapshot_at_s;    // Unix seconds; since when this configuration is in force
    int64_t draining_at_s;    // Unix seconds; since when it drains; 0: it does not
    uint64_t cut_count;
    bool is_stopping;
    bool is_interrupted;    // asked to end at once, so that cutting is no failure
    struct signals signals; // owned, like the wakeups
    struct wakeup exits;    // a worker has ended
    struct wakeup loaded;   // the loader is done
    struct wakeup adopted;  // a worker has adopted the newest snapshot
};

// service_apply_limits makes the limits of the whole process those of `snapshot`, at once. A client's come with
// the snapshot itself.
void service_apply_limits(struct service *service, const struct snapshot *snapshot);

// service_begin_drain does what SIGTERM does. Once.
void service_begin_drain(struct service *service);

// reload_refusal tells why nobody may ask for a reload of everything; static memory. NULL: he may.
const char *reload_refusal(const struct service *service);

// reload_request begins a reload, or notes that there has to be another one after the one under way. Gives
// the number that reloads.done will have reached when it is over; 0 when the process is stopping.
uint64_t reload_request(struct service *service, enum loader_scope scope);

// reload_revise brings service->blocks into force, at once or when the workers have adopted what they are
// adopting. Gives the generation with which they are; 0 without memory: then some workers go on without, and it is
// tried twice a second until each has them.
uint64_t reload_revise(struct service *service);

// reload_remind says once an hour that what is on the disk is still refused.
void reload_remind(struct service *service, int64_t now_s);

// reload_watch_files watches what the snapshot in force was made of.
void reload_watch_files(struct service *service);

// The callbacks of the wakeups `loaded` and `adopted`, of `retry` and `missed`, and of the watcher of files.
void reload_on_loaded(void *arg, uint32_t rung);
void reload_on_adopted(void *arg, uint32_t rung);
void reload_on_retry(struct ev_loop *loop, ev_timer *timer, int events);
void reload_on_missed(struct ev_loop *loop, ev_timer *timer, int events);
void reload_on_files_changed(void *arg);

// reload_drop waits for a reload that nobody wants any more.
void reload_drop(struct service *service);

// control_create opens the control socket of the configuration, but serves nobody yet; `*out` is NULL where
// there is none. ERR_DENIED or ERR_SYSTEM with a sentence in `info`.
enum err control_create(struct service *service, struct control **out,
                        struct errinfo *info) MUST_USE;

// control_serve begins to answer. The workers run.
enum err control_serve(struct control *control, struct errinfo *info) MUST_USE;

// control_go_on answers those who have waited for a reload or a generation. NULL is allowed.
void control_go_on(struct control *control);

// control_follow_audit lets those who follow the audit log go on in the file of the configuration in force. NULL
// is allowed.
void control_follow_audit(struct control *control);

// control_destroy tells everybody who still waits that the process ends, and removes the socket. The workers
// have ended, the audit log has not. NULL is allowed.
void control_destroy(struct control *control);

// control_path and control_state_problem are for the status: where it is, and why blocks could not be kept
// ("": they are).
const char *control_path(const struct control *control);
const char *control_state_problem(const struct control *control);

// status_write adds the line of `status` to `out`, status_write_top that of `top`.
void status_write(const struct service *service, const struct survey *survey, struct text *out);
void status_write_top(const struct survey *survey, struct text *out);
