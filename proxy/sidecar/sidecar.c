// Start order: limits, listeners, resolver library, sandbox, workers, watcher, ready. Stop order: the reverse. Signals are
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
#include "proxy/net/dns_channel.h"
#include "proxy/net/listener.h"
#include "proxy/net/loop_memory.h"
#include "proxy/process/limits.h"
#include "proxy/process/notify.h"
#include "proxy/process/scheduling.h"
#include "proxy/process/signals.h"
#include "proxy/process/watcher.h"
#include "proxy/sidecar/sidecar_cage.h"
#include "proxy/sidecar/sidecar_worker.h"

static const int handled_signals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};

enum {
    SIGNAL_COUNT = sizeof handled_signals / sizeof handled_signals[0],
    EXIT_FAILED = 1,
    RETRIES_MAX = 20,
    HOUR_S = 60 * 60,
    DAY_S = 24 * HOUR_S,
    WARN_BEFORE_S = 7 * DAY_S,
};
static const ev_tstamp retry_after_s = 0.5;
static const ev_tstamp look_every_s = 60. * 60.;

struct sidecar {
    struct sidecar_options *options; // borrowed
    struct credentials *credentials; // ref; today's
    struct ev_loop *loop;            // borrowed; libev's default loop
    size_t bound_count;              // listeners; the options then have the ports that were free
    int *fds; // owned; of listener l for worker w at [l * workers + w]; -1: taken
    struct sidecar_worker *workers; // owned
    uint32_t worker_count;          // started
    uint32_t exited_count;
    struct watcher *watcher; // owned
    ev_timer retry;          // files that did not fit together are read again
    int retry_count;
    ev_timer look;          // is the certificate near its end?
    struct signals signals; // owned
    struct wakeup exits;    // owned; a worker has ended
    bool is_stopping;
    bool is_interrupted; // asked to end at once, so that cutting is no failure
};

// warn_of_end says that the own certificate ends soon, or has ended.
static void warn_of_end(const struct sidecar *sidecar)
{
    const int64_t left_s = sidecar->credentials->own.not_after_s - (int64_t)time(NULL);
    if (left_s < 0)
        log_error(LOG_EXPIRED,
                  "the certificate %s has expired: the proxy will refuse it until it is renewed",
                  sidecar->options->way.paths.cert);
    else if (left_s < WARN_BEFORE_S && left_s < DAY_S)
        log_warning(LOG_ENDS_SOON, "the certificate %s expires in %.1f hours: renew it",
                    sidecar->options->way.paths.cert, (double)left_s / HOUR_S);
    else if (left_s < WARN_BEFORE_S)
        log_warning(LOG_ENDS_SOON, "the certificate %s expires in %.1f days: renew it",
                    sidecar->options->way.paths.cert, (double)left_s / DAY_S);
}

static void on_look(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    warn_of_end(timer->data);
}

static void watch_files(struct sidecar *sidecar)
{
    const struct credential_paths *paths = &sidecar->options->way.paths;
    watcher_begin(sidecar->watcher);
    watcher_add(sidecar->watcher, paths->cert);
    watcher_add(sidecar->watcher, paths->key);
    watcher_add(sidecar->watcher, paths->ca);
    watcher_commit(sidecar->watcher);
}

static void retry_later(struct sidecar *sidecar, const struct errinfo *info)
{
    if (sidecar->retry_count == RETRIES_MAX) {
        log_error(LOG_RELOAD_FAILED,
                  "the files have changed and cannot be used, the old ones stay in force: %s",
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
    if (credentials_load(&sidecar->options->way.paths, time(NULL), &read, &cause, &info) !=
        ERR_OK) {
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
        sidecar_worker_adopt(&sidecar->workers[i], read);
    credentials_unref(sidecar->credentials);
    sidecar->credentials = read;
    const int64_t left_s = read->own.not_after_s - (int64_t)time(NULL);
    log_info(LOG_RENEWED,
             "renewed: new connections use the new files; the certificate is valid for %.1f %s",
             (double)left_s / (left_s < DAY_S ? HOUR_S : DAY_S), left_s < DAY_S ? "hours" : "days");
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

static void post_to_all(struct sidecar *sidecar, unsigned message)
{
    for (uint32_t i = 0; i < sidecar->worker_count; i++)
        loop_thread_post(&sidecar->workers[i].thread, message);
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
    log_info(is_drain ? LOG_DRAINING : LOG_STOPPING, "%s",
             is_drain ? "draining: no new connections" : "stopping now");
    sidecar->is_stopping = true;
    sidecar->is_interrupted |= !is_drain;
    post_to_all(sidecar, is_drain ? LOOP_DRAIN : LOOP_STOP);
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
    struct sidecar_options *options = sidecar->options;
    sidecar->fds = calloc(options->listen_count * options->workers, sizeof *sidecar->fds);
    if (sidecar->fds == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory for the listeners");
    for (size_t l = 0; l < options->listen_count; l++) {
        struct endpoint *bound = &options->listen[l];
        TRY(listener_bind(&bound->address, bound->port, options->workers,
                          &sidecar->fds[l * options->workers], &bound->port, info));
        sidecar->bound_count++;
    }
    return ERR_OK;
}

static enum err start_workers(struct sidecar *sidecar, struct errinfo *info)
{
    const uint32_t count = sidecar->options->workers;
    sidecar->workers = calloc(count, sizeof *sidecar->workers);
    if (sidecar->workers == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory");
    for (uint32_t w = 0; w < count; w++) {
        TRY(sidecar_worker_start(&sidecar->workers[w], w, sidecar->options, sidecar->credentials,
                                 &sidecar->fds[w], &sidecar->exits, info));
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
    for (size_t l = 0; l < sidecar->bound_count; l++)
        text_append_format(&line, " connect=%s",
                           endpoint_format(&sidecar->options->listen[l], endpoint));
    text_append_string(&line, "\n");
    if (write(STDOUT_FILENO, line.data, line.len) < 0)
        log_warning(LOG_READY_FAILED, "cannot write the ready line to stdout: %m");
    notify_send("READY=1");
}

static enum err start(struct sidecar *sidecar, struct errinfo *info)
{
    sidecar->loop = loop_memory_start() ? ev_default_loop(EVFLAG_NOENV) : NULL;
    ev_timer_init(&sidecar->retry, on_retry, 0., 0.);
    ev_timer_init(&sidecar->look, on_look, look_every_s, look_every_s);
    sidecar->retry.data = sidecar;
    sidecar->look.data = sidecar;
    if (sidecar->loop != NULL)
        sidecar->watcher = watcher_create(sidecar->loop, on_files_changed, sidecar);
    if (sidecar->watcher == NULL ||
        !wakeup_start(&sidecar->exits, sidecar->loop, on_exits, sidecar))
        return errinfo_set(info, ERR_SYSTEM, "cannot make an event loop: %m");
    TRY(bind_all(sidecar, info));
    if (dns_channel_global_init() != ERR_OK)
        return errinfo_set(info, ERR_SYSTEM, "cannot start c-ares");
    if (system_resolver_fill(&sidecar->options->way.route.resolver) != ERR_OK)
        return errinfo_set(info, ERR_MEMORY, "no memory");
    TRY(sidecar_cage_enter(sidecar->options, info));
    TRY(start_workers(sidecar, info));
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
    post_to_all(sidecar, LOOP_STOP);
    for (uint32_t i = 0; i < sidecar->worker_count; i++) {
        loop_thread_join(&sidecar->workers[i].thread);
        cut_count += sidecar->workers[i].cut_count;
        sidecar_worker_deinit(&sidecar->workers[i]);
    }
    dns_channel_global_deinit();
    host_table_unref(sidecar->options->way.route.resolver.hosts);
    watcher_destroy(sidecar->watcher);
    if (sidecar->loop != NULL) {
        ev_timer_stop(sidecar->loop, &sidecar->retry);
        ev_timer_stop(sidecar->loop, &sidecar->look);
    }
    wakeup_stop(&sidecar->exits);
    signals_stop(&sidecar->signals, sidecar->loop);
    for (size_t i = 0; i < sidecar->bound_count * sidecar->options->workers; i++) {
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

int sidecar_run(struct sidecar_options *options, struct credentials *credentials)
{
    struct sidecar sidecar = {.options = options, .credentials = credentials};
    struct errinfo info = {.text = "no memory"};
    log_configure(&(struct log_options){.level = LOG_LEVEL_INFO});
    const uint64_t descriptors = limits_apply();
    scheduling_take_short_turns();
    signals_block(&sidecar.signals, handled_signals, SIGNAL_COUNT);
    if (start(&sidecar, &info) != ERR_OK) {
        log_error(LOG_START_FAILED, "%s", info.text);
        (void)stop(&sidecar);
        return EXIT_FAILED;
    }
    for (size_t i = 0; i < options->way.route.proxy_count; i++) {
        const struct target *proxy = &options->way.route.proxies[i];
        char host[TARGET_TEXT_CAP];
        log_info(LOG_SERVING,
                 "serving local clients through https://%s:%u with %u worker%s and at most %" PRIu64
                 " descriptors%s",
                 target_format_host(proxy, host), proxy->port, options->workers,
                 options->workers == 1 ? "" : "s", descriptors,
                 i == 0 ? "" : ", where the proxies before cannot be reached");
    }
    ev_run(sidecar.loop, 0);
    const size_t cut_count = stop(&sidecar);
    if (cut_count > 0)
        log_warning(LOG_STOPPED, "%zu connections were ended by the stop", cut_count);
    else
        log_info(LOG_STOPPED, "stopped; nothing was cut");
    return cut_count == 0 || sidecar.is_interrupted ? 0 : EXIT_FAILED;
}
