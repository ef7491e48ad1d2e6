// Start order: limits, listeners, audit log, resolver library, workers, ready. Stop order: the reverse.
// Signals are blocked in every thread but this one, whose loop takes them.
#include "proxy/service/service.h"

#include <ev.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "proxy/audit/audit_log.h"
#include "proxy/config/endpoint_text.h"
#include "proxy/log/log.h"
#include "proxy/net/listener.h"
#include "proxy/net/resolver.h"
#include "proxy/service/limits.h"
#include "proxy/service/notify.h"
#include "proxy/worker/worker.h"

enum { EXIT_FAILED = 1, EXIT_CONFIG = 3, SIGNAL_COUNT = 5 };

struct service {
    struct snapshot *snapshot; // ref
    struct ev_loop *loop;      // borrowed; libev's default loop
    struct audit_log *audit;   // owned
    int *fds;                  // owned; of listener l for worker w at [w * listener_count + l]
    struct endpoint *bound;    // owned; where each listener listens
    struct worker **workers;   // owned
    uint32_t worker_count;     // made and started
    uint32_t exited_count;
    uint64_t cut_count;
    bool is_stopping;
    bool is_interrupted; // asked to end at once, so that cutting is no failure
    ev_signal signals[SIGNAL_COUNT];
    ev_io exits; // its descriptor, an eventfd, is owned
};

static void on_problem(const char *path, int error)
{
    if (error == 0)
        log_info("audit log %s: writing works again", path);
    else
        log_error("audit log %s: %s; see `audit.on_full` for what happens to requests meanwhile",
                  path, strerror(error));
}

// bind_listeners opens every worker's socket of every listener.
static enum err bind_listeners(struct service *service, struct errinfo *info)
{
    const struct snapshot *snapshot = service->snapshot;
    const size_t listeners = snapshot->listener_count;
    const size_t workers = snapshot->workers;
    int *group = calloc(workers, sizeof *group);
    service->fds = calloc(workers * listeners, sizeof *service->fds);
    service->bound = calloc(listeners, sizeof *service->bound);
    if (group == NULL || service->fds == NULL || service->bound == NULL) {
        free(group);
        return errinfo_set(info, ERR_MEMORY, "no memory for the listeners");
    }
    for (size_t i = 0; i < workers * listeners; i++)
        service->fds[i] = -1;
    enum err error = ERR_OK;
    for (size_t l = 0; l < listeners && error == ERR_OK; l++) {
        const struct endpoint *wanted = &snapshot->listeners[l].address;
        service->bound[l] = *wanted;
        error = listener_bind(&wanted->address, wanted->port, workers, group,
                              &service->bound[l].port, info);
        for (size_t w = 0; w < workers && error == ERR_OK; w++)
            service->fds[w * listeners + l] = group[w];
    }
    free(group);
    return error;
}

// on_worker_exit runs on the worker's thread.
static void on_worker_exit(void *arg)
{
    struct service *service = arg;
    const uint64_t one = 1;
    (void)!write(service->exits.fd, &one, sizeof one);
}

static enum err start_workers(struct service *service, struct errinfo *info)
{
    const size_t listeners = service->snapshot->listener_count;
    service->workers = calloc(service->snapshot->workers, sizeof(struct worker *));
    if (service->workers == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory for the workers");
    for (uint32_t w = 0; w < service->snapshot->workers; w++) {
        int *fds = service->fds + w * listeners;
        const struct worker_options options = {
            .index = w,
            .snapshot = service->snapshot,
            .listener_fds = fds,
            .audit = service->audit,
            .on_exit = on_worker_exit,
            .arg = service,
        };
        const enum err error = worker_create(&options, &service->workers[w], info);
        for (size_t l = 0; l < listeners; l++)
            fds[l] = -1; // the worker has them, or has closed them
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

static void on_signal(struct ev_loop *loop, ev_signal *signal_watcher, int events)
{
    (void)loop;
    (void)events;
    struct service *service = signal_watcher->data;
    switch (signal_watcher->signum) {
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
        log_warning("SIGHUP: reload is not supported yet by this version; the configuration stays "
                    "as it is until a restart");
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
    uint64_t count = 0;
    if (read(io->fd, &count, sizeof count) == sizeof count)
        service->exited_count += (uint32_t)count;
    if (service->exited_count >= service->worker_count)
        ev_break(loop, EVBREAK_ALL);
}

static const int handled_signals[SIGNAL_COUNT] = {SIGTERM, SIGINT, SIGUSR1, SIGHUP, SIGUSR2};

// mask_signals blocks or unblocks them for this thread and those that it starts afterwards.
static void mask_signals(int how)
{
    sigset_t set;
    (void)sigemptyset(&set);
    for (size_t i = 0; i < SIGNAL_COUNT; i++)
        (void)sigaddset(&set, handled_signals[i]);
    (void)pthread_sigmask(how, &set, NULL);
}

static void watch_signals(struct service *service)
{
    for (size_t i = 0; i < SIGNAL_COUNT; i++) {
        ev_signal_init(&service->signals[i], on_signal, handled_signals[i]);
        service->signals[i].data = service;
        ev_signal_start(service->loop, &service->signals[i]);
    }
    mask_signals(SIG_UNBLOCK); // what came before now is delivered here, and to no other thread
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
                           endpoint_format(&service->bound[l], endpoint));
    }
    text_append_string(&line, "\n");
    if (write(STDOUT_FILENO, line.data, line.len) < 0)
        log_warning("cannot write the ready line to stdout: %m");
    free(data);
    notify_send("READY=1");
    return ERR_OK;
}

static enum err start(struct service *service, struct errinfo *info)
{
    service->loop = ev_default_loop(EVFLAG_NOENV);
    const int exits_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ev_io_init(&service->exits, on_exits, exits_fd, EV_READ);
    service->exits.data = service;
    if (service->loop == NULL || exits_fd < 0)
        return errinfo_set(info, ERR_SYSTEM, "cannot make an event loop");
    TRY(bind_listeners(service, info));
    TRY(snapshot_set_own_endpoints(service->snapshot, service->bound,
                                   service->snapshot->listener_count));
    const struct audit_log_options audit = {.path = service->snapshot->audit_path,
                                            .on_problem = on_problem};
    const enum err opened = audit_log_open(&audit, &service->audit, info);
    if (opened != ERR_OK)
        return ERR_INPUT;
    if (resolver_global_init() != ERR_OK)
        return errinfo_set(info, ERR_SYSTEM, "cannot start c-ares");
    TRY(start_workers(service, info));
    ev_io_start(service->loop, &service->exits);
    watch_signals(service);
    return say_ready(service, info);
}

// stop undoes what start has done, as far as it came.
static bool stop(struct service *service)
{
    stop_workers(service);
    for (uint32_t w = 0; w < service->worker_count; w++) {
        service->cut_count += worker_join(service->workers[w]);
        worker_destroy(service->workers[w]);
    }
    if (service->loop != NULL) {
        ev_io_stop(service->loop, &service->exits);
        for (size_t i = 0; i < SIGNAL_COUNT; i++)
            ev_signal_stop(service->loop, &service->signals[i]);
    }
    uint64_t unwritten = 0;
    if (service->audit != NULL)
        unwritten = audit_log_close(service->audit);
    if (unwritten > 0)
        log_error("%" PRIu64 " audit records could not be written", unwritten);
    resolver_global_deinit();
    const size_t fd_count = service->snapshot->workers * service->snapshot->listener_count;
    for (size_t i = 0; service->fds != NULL && i < fd_count; i++) {
        if (service->fds[i] >= 0)
            (void)close(service->fds[i]);
    }
    if (service->exits.fd >= 0)
        (void)close(service->exits.fd);
    if (service->loop != NULL)
        ev_loop_destroy(service->loop);
    free(service->fds);
    free(service->bound);
    free(service->workers);
    snapshot_unref(service->snapshot);
    return unwritten == 0;
}

int service_run(struct snapshot *snapshot)
{
    struct service service = {.snapshot = snapshot_ref(snapshot)};
    struct errinfo info = {.text = "no memory"};
    const uint64_t descriptors = limits_apply();
    mask_signals(SIG_BLOCK);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); // an audit log at its size limit is a failed write, not the end
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
