// Start order: limits, listeners, audit log, resolver library, workers, ready. Stop order: the reverse.
// A reload builds a whole new snapshot on a thread of its own; only when all of it is good, its new
// sockets are open and its audit log too, does each worker get it. Until then nothing has changed.
// Signals are blocked in every thread; the loop of this one reads them from a signalfd.
#include "proxy/service/service.h"

#include <ev.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "proxy/audit/audit_log.h"
#include "proxy/config/endpoint_text.h"
#include "proxy/log/log.h"
#include "proxy/net/resolver.h"
#include "proxy/service/crl_alarm.h"
#include "proxy/service/limits.h"
#include "proxy/service/loader.h"
#include "proxy/service/notify.h"
#include "proxy/service/sockets.h"
#include "proxy/service/watcher.h"
#include "proxy/worker/worker.h"

enum { EXIT_FAILED = 1, EXIT_CONFIG = 3, SIGNAL_COUNT = 5, RETRIES_MAX = 20 };
static const ev_tstamp retry_after_s = 0.5;

struct service {
    struct snapshot *snapshot;   // ref
    struct ev_loop *loop;        // borrowed; libev's default loop
    struct audit_log *audit;     // owned
    struct ticket_keys *tickets; // owned
    struct sockets sockets;      // of `snapshot`
    struct worker **workers;     // owned
    uint32_t worker_count;       // made and started
    uint32_t exited_count;
    struct loader *loader;       // owned; NULL when no reload is being loaded
    uint32_t adopting_count;     // workers that have not adopted the newest snapshot yet
    bool must_reload_again;      // asked for while one was under way
    enum loader_scope again;     // and then how much
    struct watcher *watcher;     // owned; of the files that `snapshot` names
    struct crl_alarm *crl_alarm; // owned; of the lists of `snapshot`
    ev_timer retry;              // files that did not fit together are read again
    int retry_count;             // how often they have been
    uint64_t generation;         // of the newest snapshot
    uint64_t cut_count;
    bool is_stopping;
    bool is_interrupted; // asked to end at once, so that cutting is no failure
    ev_io signals;       // its descriptor, a signalfd, is owned
    ev_io exits;         // these three descriptors, eventfds, are owned
    ev_io loaded;        // the loader is done
    ev_io adopted;       // a worker has adopted the newest snapshot
};

// tell adds to an eventfd; on any thread.
static void tell(int fd)
{
    const uint64_t one = 1;
    (void)!write(fd, &one, sizeof one);
}

// told takes what others have added.
static uint32_t told(const ev_io *io)
{
    uint64_t count = 0;
    return read(io->fd, &count, sizeof count) == sizeof count ? (uint32_t)count : 0;
}

static void on_problem(const char *path, int error)
{
    if (error == 0)
        log_info("audit log %s: writing works again", path);
    else
        log_error("audit log %s: %s; see `audit.on_full` for what happens to requests meanwhile",
                  path, strerror(error));
}

// on_worker_exit and on_worker_adopted run on the worker's thread.
static void on_worker_exit(void *arg)
{
    struct service *service = arg;
    tell(service->exits.fd);
}

static void on_worker_adopted(void *arg)
{
    struct service *service = arg;
    tell(service->adopted.fd);
}

static enum err start_workers(struct service *service, struct errinfo *info)
{
    service->workers = calloc(service->snapshot->workers, sizeof(struct worker *));
    if (service->workers == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory for the workers");
    for (uint32_t w = 0; w < service->snapshot->workers; w++) {
        const struct worker_options options = {
            .index = w,
            .snapshot = service->snapshot,
            .listener_fds = sockets_take(&service->sockets, w),
            .audit = service->audit,
            .tickets = service->tickets,
            .on_exit = on_worker_exit,
            .on_adopted = on_worker_adopted,
            .arg = service,
        };
        const enum err error = worker_create(&options, &service->workers[w], info);
        sockets_taken(&service->sockets, w); // the worker has them, or has closed them
        TRY(error);
        const enum err started = worker_start(service->workers[w], info);
        if (started != ERR_OK) {
            worker_destroy(service->workers[w]);
            return started;
        }
        service->worker_count++;
    }
    return ERR_OK;
}

static void stop_workers(struct service *service)
{
    for (uint32_t w = 0; w < service->worker_count; w++)
        worker_stop(service->workers[w]);
}

static void begin_drain(struct service *service)
{
    service->is_stopping = true;
    notify_send("STOPPING=1");
    log_info("draining: no new connections; live tunnels have %.1f s (timeouts.drain); SIGINT ends "
             "them now",
             (double)service->snapshot->timeouts.drain_ms / 1000.);
    for (uint32_t w = 0; w < service->worker_count; w++)
        worker_drain(service->workers[w]);
}

// log_findings writes what loading has found where operators look; notes are for `check`.
static void log_findings(const struct diagnostics *diagnostics)
{
    for (size_t i = 0; i < diagnostics->count; i++) {
        const struct diagnostic *item = &diagnostics->items[i];
        char text[DIAGNOSTIC_TEXT_CAP];
        diagnostic_format(item, text, sizeof text);
        if (item->severity == SEVERITY_ERROR)
            log_error("reload: %s", text);
        else if (item->severity == SEVERITY_WARNING)
            log_warning("reload: %s", text);
    }
}

static void begin_reload(struct service *service, enum loader_scope scope)
{
    if (service->is_stopping)
        return;
    if (service->loader != NULL || service->adopting_count > 0) {
        const bool is_whole = service->must_reload_again && service->again == LOADER_ALL;
        service->again = is_whole ? LOADER_ALL : scope;
        service->must_reload_again = true;
        return;
    }
    service->loader = loader_start(service->snapshot, scope, service->loaded.fd);
    if (service->loader == NULL)
        log_error("reload: no memory; the old configuration stays in force");
}

// reload_again starts the reload that was asked for while another one was under way.
static void reload_again(struct service *service)
{
    if (!service->must_reload_again)
        return;
    service->must_reload_again = false;
    begin_reload(service, service->again);
}

// watch_files watches what the snapshot in force was made of.
static void watch_files(struct service *service)
{
    watcher_begin(service->watcher);
    const struct snapshot_file *file = service->snapshot->files;
    for (; file != NULL; file = file->next)
        watcher_add(service->watcher, file->path);
    watcher_commit(service->watcher);
    crl_alarm_watch(service->crl_alarm, service->snapshot);
}

static void on_files_changed(void *arg)
{
    struct service *service = arg;
    service->retry_count = 0;
    begin_reload(service, LOADER_FILES);
}

static void on_retry(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    begin_reload(timer->data, LOADER_FILES);
}

// may_retry: a certificate without its key yet, or half a file, is normal while files are being changed.
static bool may_retry(struct service *service, enum loader_scope scope)
{
    if (scope != LOADER_FILES || service->retry_count == RETRIES_MAX)
        return false;
    service->retry_count++;
    ev_timer_set(&service->retry, retry_after_s, 0.);
    ev_timer_start(service->loop, &service->retry);
    return true;
}

// prepare does all of a reload that can fail, beside the loading itself.
static enum err prepare(struct service *service, struct snapshot *snapshot, struct sockets *out,
                        struct errinfo *info)
{
    const struct snapshot *old = service->snapshot;
    TRY(snapshot_may_follow(snapshot, old, info));
    TRY(sockets_open(snapshot, service->worker_count, old, &service->sockets, out, info));
    enum err error = snapshot_set_own_endpoints(snapshot, out->bound, out->listener_count);
    if (error == ERR_OK && strcmp(snapshot->audit_path, old->audit_path) != 0)
        error = audit_log_move(service->audit, snapshot->audit_path, info);
    if (error != ERR_OK)
        sockets_close(out);
    return error;
}

// hand_over gives the snapshot to every worker.
static void hand_over(struct service *service, struct snapshot *snapshot, struct sockets *sockets)
{
    snapshot->generation = ++service->generation;
    ticket_keys_configure(service->tickets, &snapshot->tickets);
    for (uint32_t w = 0; w < service->worker_count; w++) {
        if (worker_adopt(service->workers[w], snapshot, sockets_take(sockets, w)) == ERR_OK)
            service->adopting_count++;
        else
            log_error("reload: worker %" PRIu32 ": no memory; it goes on as before", w);
        sockets_taken(sockets, w);
    }
    sockets_close(&service->sockets);
    service->sockets = *sockets;
    snapshot_unref(service->snapshot);
    service->snapshot = snapshot;
    watch_files(service);
}

// refuse_reload keeps what is in force, and says so unless it will be tried again soon.
static void refuse_reload(struct service *service, enum loader_scope scope,
                          const struct diagnostics *diagnostics, const struct errinfo *info)
{
    watch_files(service); // links may lead elsewhere by now
    if (may_retry(service, scope))
        return;
    log_findings(diagnostics);
    log_error("reload failed, the old configuration (%s) stays in force: %s", service->snapshot->id,
              info->text);
    reload_again(service);
}

// finish_reload takes the loader's result.
static void finish_reload(struct service *service)
{
    struct diagnostics diagnostics;
    struct snapshot *snapshot = NULL;
    struct sockets sockets;
    struct errinfo info = {.text = "see above"};
    const enum loader_scope scope = loader_scope_of(service->loader);
    enum err error = loader_finish(service->loader, &diagnostics, &snapshot);
    service->loader = NULL;
    ev_timer_stop(service->loop, &service->retry);
    const bool is_same = error == ERR_OK && scope == LOADER_FILES &&
                         snapshot_has_same_files(snapshot, service->snapshot);
    if (error == ERR_OK && !is_same)
        error = prepare(service, snapshot, &sockets, &info);
    if (error != ERR_OK)
        refuse_reload(service, scope, &diagnostics, &info);
    else if (is_same)
        watch_files(service);
    else
        log_findings(&diagnostics);
    diagnostics_deinit(&diagnostics);
    if (error != ERR_OK || is_same) {
        snapshot_unref(snapshot);
        if (is_same)
            reload_again(service);
        return;
    }
    if (snapshot->workers != service->worker_count)
        log_warning("reload: `workers` cannot change without a restart; it stays %" PRIu32,
                    service->worker_count);
    hand_over(service, snapshot, &sockets);
}

static void on_loaded(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    (void)events;
    struct service *service = io->data;
    if (told(io) > 0 && service->loader != NULL)
        finish_reload(service);
}

static void on_adopted(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    (void)events;
    struct service *service = io->data;
    const uint32_t count = told(io);
    service->adopting_count -= count < service->adopting_count ? count : service->adopting_count;
    if (service->adopting_count > 0)
        return;
    log_info("reloaded: config %s (%s), generation %" PRIu64, service->snapshot->path,
             service->snapshot->id, service->generation);
    reload_again(service);
}

static void act_on_signal(struct service *service, uint32_t number)
{
    switch (number) {
    case SIGTERM:
        if (!service->is_stopping)
            begin_drain(service);
        break;
    case SIGINT:
        service->is_stopping = true;
        service->is_interrupted = true;
        log_info("stopping now");
        stop_workers(service);
        break;
    case SIGUSR1:
        log_info("reopening the audit log %s", service->snapshot->audit_path);
        audit_log_reopen(service->audit);
        break;
    case SIGHUP:
        log_info("SIGHUP: reloading %s", service->snapshot->path);
        begin_reload(service, LOADER_ALL);
        break;
    case SIGUSR2:
        log_warning("SIGUSR2: handing over to a new binary is not supported yet by this version");
        break;
    default:
        break;
    }
}

static void on_exits(struct ev_loop *loop, ev_io *io, int events)
{
    (void)events;
    struct service *service = io->data;
    service->exited_count += told(io);
    if (service->exited_count >= service->worker_count)
        ev_break(loop, EVBREAK_ALL);
}

static const int handled_signals[SIGNAL_COUNT] = {SIGTERM, SIGINT, SIGUSR1, SIGHUP, SIGUSR2};

// signal_set gives the signals that are taken from the signalfd.
static sigset_t signal_set(void)
{
    sigset_t set;
    (void)sigemptyset(&set);
    for (size_t i = 0; i < SIGNAL_COUNT; i++)
        (void)sigaddset(&set, handled_signals[i]);
    return set;
}

// block_signals keeps them from every thread, this one too, for good: none interrupts anything, and
// none is lost.
static void block_signals(void)
{
    const sigset_t set = signal_set();
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); // an audit log at its size limit is a failed write, not the end
}

static void on_signals(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    (void)events;
    struct signalfd_siginfo info;
    while (read(io->fd, &info, sizeof info) == sizeof info)
        act_on_signal(io->data, info.ssi_signo);
}

static bool watch_signals(struct service *service)
{
    const sigset_t set = signal_set();
    ev_io_init(&service->signals, on_signals, signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC),
               EV_READ);
    service->signals.data = service;
    if (service->signals.fd < 0)
        return false;
    ev_io_start(service->loop, &service->signals);
    return true;
}

// say_ready prints the line that scripts wait for. One write, so that nobody reads half of it.
static enum err say_ready(const struct service *service, struct errinfo *info)
{
    const size_t cap = 16 + service->snapshot->listener_count * 128;
    char *data = malloc(cap);
    if (data == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory for the ready line");
    struct text line;
    text_init(&line, data, cap);
    text_append_string(&line, "ready");
    for (size_t l = 0; l < service->snapshot->listener_count; l++) {
        char endpoint[ENDPOINT_TEXT_CAP];
        text_append_format(&line, " %s=%s", service->snapshot->listeners[l].name,
                           endpoint_format(&service->sockets.bound[l], endpoint));
    }
    text_append_string(&line, "\n");
    if (write(STDOUT_FILENO, line.data, line.len) < 0)
        log_warning("cannot write the ready line to stdout: %m");
    free(data);
    notify_send("READY=1");
    return ERR_OK;
}

// watch_eventfd makes an eventfd and a watcher for it; false when there is none.
static bool watch_eventfd(struct service *service, ev_io *io,
                          void (*callback)(struct ev_loop *loop, ev_io *io, int events))
{
    ev_io_init(io, callback, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), EV_READ);
    io->data = service;
    if (io->fd < 0 || service->loop == NULL)
        return false;
    ev_io_start(service->loop, io);
    return true;
}

static enum err start(struct service *service, struct errinfo *info)
{
    service->loop = ev_default_loop(EVFLAG_NOENV);
    const bool has_exits = watch_eventfd(service, &service->exits, on_exits);
    const bool has_loaded = watch_eventfd(service, &service->loaded, on_loaded);
    const bool has_adopted = watch_eventfd(service, &service->adopted, on_adopted);
    if (service->loop != NULL) {
        service->watcher = watcher_create(service->loop, on_files_changed, service);
        service->crl_alarm = crl_alarm_create(service->loop);
    }
    ev_timer_init(&service->retry, on_retry, 0., 0.);
    service->retry.data = service;
    if (!has_exits || !has_loaded || !has_adopted || service->watcher == NULL ||
        service->crl_alarm == NULL)
        return errinfo_set(info, ERR_SYSTEM, "cannot make an event loop");
    TRY(sockets_open(service->snapshot, service->snapshot->workers, NULL, NULL, &service->sockets,
                     info));
    TRY(snapshot_set_own_endpoints(service->snapshot, service->sockets.bound,
                                   service->sockets.listener_count));
    const struct audit_log_options audit = {.path = service->snapshot->audit_path,
                                            .on_problem = on_problem};
    const enum err opened = audit_log_open(&audit, &service->audit, info);
    if (opened != ERR_OK)
        return ERR_INPUT;
    service->tickets = ticket_keys_create(&service->snapshot->tickets);
    if (service->tickets == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory for the ticket keys");
    if (resolver_global_init() != ERR_OK)
        return errinfo_set(info, ERR_SYSTEM, "cannot start c-ares");
    TRY(start_workers(service, info));
    if (!watch_signals(service))
        return errinfo_set(info, ERR_SYSTEM, "cannot take signals: %m");
    watch_files(service);
    return say_ready(service, info);
}

static void close_watched(struct service *service, ev_io *io)
{
    if (io->fd < 0)
        return;
    if (service->loop != NULL)
        ev_io_stop(service->loop, io);
    (void)close(io->fd);
}

// drop_loader waits for a reload that nobody wants any more.
static void drop_loader(struct service *service)
{
    struct diagnostics diagnostics;
    struct snapshot *snapshot = NULL;
    if (service->loader == NULL)
        return;
    if (loader_finish(service->loader, &diagnostics, &snapshot) == ERR_OK)
        snapshot_unref(snapshot);
    diagnostics_deinit(&diagnostics);
}

// stop undoes what start has done, as far as it came.
static bool stop(struct service *service)
{
    stop_workers(service);
    for (uint32_t w = 0; w < service->worker_count; w++) {
        service->cut_count += worker_join(service->workers[w]);
        worker_destroy(service->workers[w]);
    }
    drop_loader(service);
    watcher_destroy(service->watcher);
    crl_alarm_destroy(service->crl_alarm);
    if (service->loop != NULL)
        ev_timer_stop(service->loop, &service->retry);
    close_watched(service, &service->signals);
    uint64_t unwritten = 0;
    if (service->audit != NULL)
        unwritten = audit_log_close(service->audit);
    if (unwritten > 0)
        log_error("%" PRIu64 " audit records could not be written", unwritten);
    ticket_keys_destroy(service->tickets);
    resolver_global_deinit();
    sockets_close(&service->sockets);
    close_watched(service, &service->exits);
    close_watched(service, &service->loaded);
    close_watched(service, &service->adopted);
    if (service->loop != NULL)
        ev_loop_destroy(service->loop);
    free(service->workers);
    snapshot_unref(service->snapshot);
    return unwritten == 0;
}

int service_run(struct snapshot *snapshot)
{
    struct service service = {.snapshot = snapshot, .signals = {.fd = -1}};
    struct errinfo info = {.text = "no memory"};
    const uint64_t descriptors = limits_apply();
    block_signals();
    const enum err error = start(&service, &info);
    if (error != ERR_OK) {
        log_error("%s", info.text);
        (void)stop(&service);
        return error == ERR_INPUT ? EXIT_CONFIG : EXIT_FAILED;
    }
    log_info("serving with %" PRIu32 " workers and at most %" PRIu64 " descriptors; config %s (%s)",
             snapshot->workers, descriptors, snapshot->path, snapshot->id);
    ev_run(service.loop, 0);
    const bool is_whole = stop(&service);
    if (service.cut_count > 0)
        log_warning("%" PRIu64 " requests or tunnels were ended by the stop", service.cut_count);
    else
        log_info("stopped; nothing was cut");
    const bool is_clean = service.cut_count == 0 || service.is_interrupted;
    return is_whole && is_clean ? 0 : EXIT_FAILED;
}
