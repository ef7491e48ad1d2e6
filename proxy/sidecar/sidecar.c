// Start order: limits, listeners, resolver library, workers, watcher, ready. Stop order: the reverse. Signals are
// blocked in every thread; the loop of this one reads them from a signalfd, and reads the files again when
// they have changed: a certificate without its key yet is normal while they are being renewed.
#include "proxy/sidecar/sidecar.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "proxy/config/endpoint_text.h"
#include "proxy/config/system_resolver.h"
#include "proxy/log/log.h"
#include "proxy/loop/wakeup.h"
#include "proxy/net/dns_client.h"
#include "proxy/net/listener.h"
#include "proxy/net/loop_memory.h"
#include "proxy/process/limits.h"
#include "proxy/process/notify.h"
#include "proxy/process/signals.h"
#include "proxy/process/watcher.h"
#include "proxy/sidecar/sidecar_worker.h"

static const int handled_signals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};

enum {
    SIGNAL_COUNT = sizeof handled_signals / sizeof handled_signals[0],
    EXIT_FAILED = 1,
    RETRIES_MAX = 20,
    DAY_S = 24 * 60 * 60,
    WARN_BEFORE_S = 7 * DAY_S,
};
static const ev_tstamp retry_after_s = 0.5;
static const ev_tstamp look_every_s = 60. * 60.;

struct sidecar {
    const struct sidecar_options *options; // borrowed
    struct credentials *credentials;       // ref; today's
    struct ev_loop *loop;                  // borrowed; libev's default loop
    struct endpoint bound[SIDECAR_LISTENERS_MAX];
    int *fds; // owned; of listener l for worker w at [w * listen_count + l]; -1: taken
    struct sidecar_worker **workers; // owned
    uint32_t worker_count;           // made and started
    uint32_t exited_count;
    struct resolver_options names; // its hosts are a ref
    struct watcher *watcher;       // owned
    ev_timer retry;                // files that did not fit together are read again
    int retry_count;
    ev_timer look;          // is the certificate near its end?
    struct signals signals; // owned
    struct wakeup exits;    // owned; a worker has ended
    bool is_stopping;
    bool is_interrupted; // asked to end at once, so that cutting is no failure
};

static void on_worker_exit(void *arg)
{
    struct sidecar *sidecar = arg;
    wakeup_send(&sidecar->exits);
}

// warn_of_end says that the own certificate ends soon, or has ended.
static void warn_of_end(const struct sidecar *sidecar)
{
    const int64_t left_s = sidecar->credentials->own.not_after_s - (int64_t)time(NULL);
    if (left_s < 0)
        log_error("the certificate %s has expired: the proxy will refuse it until it is renewed",
                  sidecar->options->paths.cert);
    else if (left_s < WARN_BEFORE_S)
        log_warning("the certificate %s expires in %.1f days: renew it",
                    sidecar->options->paths.cert, (double)left_s / DAY_S);
}

static void on_look(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    warn_of_end(timer->data);
}

static void watch_files(struct sidecar *sidecar)
{
    const struct credential_paths *paths = &sidecar->options->paths;
    watcher_begin(sidecar->watcher);
    watcher_add(sidecar->watcher, paths->cert);
    watcher_add(sidecar->watcher, paths->key);
    watcher_add(sidecar->watcher, paths->ca);
    watcher_commit(sidecar->watcher);
}

static void retry_later(struct sidecar *sidecar, const struct errinfo *info)
{
    if (sidecar->retry_count == RETRIES_MAX) {
        log_error("the files have changed and cannot be used, the old ones stay in force: %s",
                  info->text);
        return;
    }
    sidecar->retry_count++;
    ev_timer_stop(sidecar->loop, &sidecar->retry);
    ev_timer_set(&sidecar->retry, retry_after_s, 0.);
    ev_timer_start(sidecar->loop, &sidecar->retry);
}

// renew reads the files again and hands them to the workers, if they are good and other than before.
static void renew(struct sidecar *sidecar)
{
    struct credentials *read = NULL;
    struct errinfo info;
    enum cause cause = CAUSE_NONE;
    watch_files(sidecar); // links may lead elsewhere by now
    if (credentials_load(&sidecar->options->paths, time(NULL), &read, &cause, &info) != ERR_OK) {
        retry_later(sidecar, &info);
        return;
    }
    ev_timer_stop(sidecar->loop, &sidecar->retry);
    if (slice_equal(slice_of(read->digest, sizeof read->digest),
                    slice_of(sidecar->credentials->digest, sizeof read->digest))) {
        credentials_unref(read);
        return;
    }
    for (uint32_t i = 0; i < sidecar->worker_count; i++)
        sidecar_worker_adopt(sidecar->workers[i], read);
    credentials_unref(sidecar->credentials);
    sidecar->credentials = read;
    log_info("renewed: new connections use the new files; the certificate is valid for %.1f days",
             (double)(read->own.not_after_s - (int64_t)time(NULL)) / DAY_S);
    warn_of_end(sidecar);
}

static void on_files_changed(void *arg)
{
    struct sidecar *sidecar = arg;
    sidecar->retry_count = 0;
    renew(sidecar);
}

static void on_retry(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    renew(timer->data);
}

static void on_signal(void *arg, uint32_t number)
{
    struct sidecar *sidecar = arg;
    if (number == SIGHUP || number == SIGUSR1) {
        sidecar->retry_count = RETRIES_MAX; // the request is answered at once
        renew(sidecar);
        return;
    }
    const bool is_drain = number == SIGTERM;
    if (is_drain && sidecar->is_stopping)
        return;
    notify_send("STOPPING=1");
    log_info(is_drain ? "draining: no new connections" : "stopping now");
    sidecar->is_stopping = true;
    sidecar->is_interrupted |= !is_drain;
    for (uint32_t i = 0; i < sidecar->worker_count; i++) {
        if (is_drain)
            sidecar_worker_drain(sidecar->workers[i]);
        else
            sidecar_worker_stop(sidecar->workers[i]);
    }
}

static void on_exits(void *arg, uint32_t rung)
{
    struct sidecar *sidecar = arg;
    sidecar->exited_count += rung;
    if (sidecar->exited_count >= sidecar->worker_count)
        ev_break(sidecar->loop, EVBREAK_ALL);
}

static enum err bind_all(struct sidecar *sidecar, struct errinfo *info)
{
    const struct sidecar_options *options = sidecar->options;
    const size_t count = options->listen_count * options->workers;
    int *group = calloc(options->workers, sizeof *group);
    sidecar->fds = calloc(count, sizeof *sidecar->fds);
    enum err error = ERR_OK;
    if (group == NULL || sidecar->fds == NULL)
        error = errinfo_set(info, ERR_MEMORY, "no memory for the listeners");
    for (size_t i = 0; sidecar->fds != NULL && i < count; i++)
        sidecar->fds[i] = -1;
    for (size_t l = 0; l < options->listen_count && error == ERR_OK; l++) {
        struct endpoint *bound = &sidecar->bound[l];
        *bound = options->listen[l];
        error = listener_bind(&bound->address, bound->port, options->workers, group, &bound->port,
                              info);
        for (size_t w = 0; w < options->workers && error == ERR_OK; w++)
            sidecar->fds[w * options->listen_count + l] = group[w];
    }
    free(group);
    return error;
}

static enum err start_workers(struct sidecar *sidecar, struct errinfo *info)
{
    const struct sidecar_options *options = sidecar->options;
    const size_t listen_count = options->listen_count;
    sidecar->workers = calloc(options->workers, sizeof(struct sidecar_worker *));
    if (sidecar->workers == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory");
    for (uint32_t w = 0; w < options->workers; w++) {
        const struct sidecar_worker_options worker = {
            .index = w,
            .credentials = sidecar->credentials,
            .proxies = options->proxies,
            .proxy_count = options->proxy_count,
            .pins = &options->pins,
            .retry_ms = options->retry_ms,
            .idle_ms = options->idle_ms,
            .resolver = sidecar->names,
            .live_max = options->live_max,
            .drain_ms = options->drain_ms,
            .listener_fds = sidecar->fds + w * listen_count,
            .listener_count = listen_count,
            .on_exit = on_worker_exit,
            .arg = sidecar,
        };
        const enum err error = sidecar_worker_create(&worker, &sidecar->workers[w], info);
        for (size_t l = 0; l < listen_count; l++)
            sidecar->fds[w * listen_count + l] = -1;
        TRY(error);
        const enum err started = sidecar_worker_start(sidecar->workers[w], info);
        if (started != ERR_OK) {
            sidecar_worker_destroy(sidecar->workers[w]);
            return started;
        }
        sidecar->worker_count++;
    }
    return ERR_OK;
}

// say_ready prints the line that scripts wait for, in one write.
static void say_ready(const struct sidecar *sidecar)
{
    char data[16 + SIDECAR_LISTENERS_MAX * (ENDPOINT_TEXT_CAP + 10)];
    char endpoint[ENDPOINT_TEXT_CAP];
    struct text line;
    text_init(&line, data, sizeof data);
    text_append_string(&line, "ready");
    for (size_t l = 0; l < sidecar->options->listen_count; l++)
        text_append_format(&line, " connect=%s", endpoint_format(&sidecar->bound[l], endpoint));
    text_append_string(&line, "\n");
    if (write(STDOUT_FILENO, line.data, line.len) < 0)
        log_warning("cannot write the ready line to stdout: %m");
    notify_send("READY=1");
}

static enum err start(struct sidecar *sidecar, struct errinfo *info)
{
    const bool has_wakeup = wakeup_init(&sidecar->exits, on_exits, sidecar);
    sidecar->loop = loop_memory_start() ? ev_default_loop(EVFLAG_NOENV) : NULL;
    ev_timer_init(&sidecar->retry, on_retry, 0., 0.);
    ev_timer_init(&sidecar->look, on_look, look_every_s, look_every_s);
    sidecar->retry.data = sidecar;
    sidecar->look.data = sidecar;
    if (sidecar->loop != NULL)
        sidecar->watcher = watcher_create(sidecar->loop, on_files_changed, sidecar);
    if (sidecar->watcher == NULL || !has_wakeup)
        return errinfo_set(info, ERR_SYSTEM, "cannot make an event loop: %m");
    TRY(bind_all(sidecar, info));
    if (dns_client_global_init() != ERR_OK)
        return errinfo_set(info, ERR_SYSTEM, "cannot start c-ares");
    sidecar->names.server_count = sidecar->options->server_count;
    for (size_t i = 0; i < sidecar->names.server_count; i++)
        sidecar->names.servers[i] = sidecar->options->servers[i];
    if (system_resolver_fill(&sidecar->names) != ERR_OK)
        return errinfo_set(info, ERR_MEMORY, "no memory");
    TRY(start_workers(sidecar, info));
    wakeup_start(&sidecar->exits, sidecar->loop);
    if (!signals_start(&sidecar->signals, sidecar->loop, on_signal, sidecar))
        return errinfo_set(info, ERR_SYSTEM, "cannot receive signals: %m");
    ev_timer_start(sidecar->loop, &sidecar->look);
    watch_files(sidecar);
    warn_of_end(sidecar);
    say_ready(sidecar);
    return ERR_OK;
}

// stop undoes what start has done, as far as it came, and tells how many connections were cut.
static size_t stop(struct sidecar *sidecar)
{
    size_t cut_count = 0;
    for (uint32_t i = 0; i < sidecar->worker_count; i++)
        sidecar_worker_stop(sidecar->workers[i]);
    for (uint32_t i = 0; i < sidecar->worker_count; i++) {
        cut_count += sidecar_worker_join(sidecar->workers[i]);
        sidecar_worker_destroy(sidecar->workers[i]);
    }
    dns_client_global_deinit();
    host_table_unref(sidecar->names.hosts);
    watcher_destroy(sidecar->watcher);
    if (sidecar->loop != NULL) {
        ev_timer_stop(sidecar->loop, &sidecar->retry);
        ev_timer_stop(sidecar->loop, &sidecar->look);
        wakeup_stop(&sidecar->exits, sidecar->loop);
    }
    signals_stop(&sidecar->signals, sidecar->loop);
    wakeup_deinit(&sidecar->exits);
    const size_t count = sidecar->options->listen_count * sidecar->options->workers;
    for (size_t i = 0; sidecar->fds != NULL && i < count; i++) {
        if (sidecar->fds[i] >= 0)
            (void)close(sidecar->fds[i]);
    }
    if (sidecar->loop != NULL)
        ev_loop_destroy(sidecar->loop);
    free(sidecar->fds);
    free(sidecar->workers);
    credentials_unref(sidecar->credentials);
    return cut_count;
}

int sidecar_run(const struct sidecar_options *options)
{
    struct sidecar sidecar = {.options = options, .credentials = options->credentials};
    struct errinfo info = {.text = "no memory"};
    const uint64_t descriptors = limits_apply();
    signals_block(&sidecar.signals, handled_signals, SIGNAL_COUNT);
    if (start(&sidecar, &info) != ERR_OK) {
        log_error("%s", info.text);
        (void)stop(&sidecar);
        return EXIT_FAILED;
    }
    for (size_t i = 0; i < options->proxy_count; i++) {
        const struct target *proxy = &options->proxies[i];
        char host[TARGET_TEXT_CAP];
        log_info("serving local clients through https://%s:%u with %u workers and at most %" PRIu64
                 " descriptors%s",
                 target_format_host(proxy, host), proxy->port, options->workers, descriptors,
                 i == 0 ? "" : ", where the proxies before cannot be reached");
    }
    ev_run(sidecar.loop, 0);
    const size_t cut_count = stop(&sidecar);
    if (cut_count > 0)
        log_warning("%zu connections were ended by the stop", cut_count);
    else
        log_info("stopped; nothing was cut");
    return cut_count == 0 || sidecar.is_interrupted ? 0 : EXIT_FAILED;
}
