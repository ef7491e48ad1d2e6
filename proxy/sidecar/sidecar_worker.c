// A worker of the sidecar on its loop: listeners, renewed credentials, its end.
#include "proxy/sidecar/sidecar_worker.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxy/log/log.h"
#include "proxy/loop/loop_thread.h"
#include "proxy/net/listener.h"

enum { SIDECAR_WORKER_MAGIC = 0x1A9E0000, MESSAGE_ADOPT = LOOP_FIRST_OWN };

struct sidecar_worker {
    uint32_t magic;
    struct loop_thread thread;
    struct bridge_context context; // its route's resolver, sessions and credentials are owned
    struct listener *listeners[SIDECAR_LISTENERS_MAX]; // owned; NULL when not accepting
    _Atomic(struct credentials *) renewed; // owned; put there by others, taken by the loop
    int64_t drain_ms;
    size_t cut_count;
    void (*on_exit)(void *arg);
    void *arg; // borrowed
};

// adopt takes renewed credentials out of the mailbox.
static void adopt(struct sidecar_worker *worker)
{
    if (atomic_load_explicit(&worker->renewed, memory_order_relaxed) == NULL)
        return;
    struct credentials *renewed = atomic_exchange(&worker->renewed, NULL);
    credentials_unref(worker->context.route.credentials);
    worker->context.route.credentials = renewed;
    bridge_retire(&worker->context);
}

static void on_accept(void *arg, int fd, const struct ip_addr *peer, uint16_t peer_port)
{
    (void)peer;
    (void)peer_port;
    struct sidecar_worker *worker = arg;
    adopt(worker); // what is renewed holds for every connection after it
    bridge_accept(&worker->context, fd);
}

static void on_exhausted(void *arg, int error)
{
    (void)arg;
    log_error("cannot accept: %s; waiting for connections to end", strerror(error));
}

static void stop_listeners(struct sidecar_worker *worker)
{
    for (size_t i = 0; i < SIDECAR_LISTENERS_MAX; i++) {
        listener_stop(worker->listeners[i]);
        worker->listeners[i] = NULL;
    }
}

static bool is_empty(void *owner)
{
    const struct sidecar_worker *worker = owner;
    return worker->context.live_count == 0;
}

static void end_all(void *owner, bool is_late)
{
    (void)is_late;
    struct sidecar_worker *worker = owner;
    stop_listeners(worker);
    worker->cut_count += bridge_end_all(&worker->context);
}

static int64_t begin_drain(void *owner)
{
    struct sidecar_worker *worker = owner;
    stop_listeners(worker);
    bridge_begin_drain(&worker->context);
    return worker->drain_ms;
}

static void on_messages(void *owner, unsigned messages)
{
    (void)messages; // there is one
    struct sidecar_worker *worker = owner;
    ASSERT(worker->magic == SIDECAR_WORKER_MAGIC);
    adopt(worker);
}

static void on_thread_exit(void *owner)
{
    const struct sidecar_worker *worker = owner;
    if (worker->on_exit != NULL)
        worker->on_exit(worker->arg);
}

static const struct loop_thread_events thread_events = {
    .on_messages = on_messages,
    .begin_drain = begin_drain,
    .is_empty = is_empty,
    .end_all = end_all,
    .on_exit = on_thread_exit,
};

void sidecar_worker_adopt(struct sidecar_worker *worker, struct credentials *credentials)
{
    credentials_unref(atomic_exchange(&worker->renewed, credentials_ref(credentials)));
    loop_thread_post(&worker->thread, MESSAGE_ADOPT);
}

void sidecar_worker_drain(struct sidecar_worker *worker)
{
    loop_thread_post(&worker->thread, LOOP_DRAIN);
}

void sidecar_worker_stop(struct sidecar_worker *worker)
{
    loop_thread_post(&worker->thread, LOOP_STOP);
}

static enum err open_parts(struct sidecar_worker *worker,
                           const struct sidecar_worker_options *options, struct errinfo *info)
{
    struct route *route = &worker->context.route;
    char name[LOOP_THREAD_NAME_CAP];
    (void)snprintf(name, sizeof name, "worker %u", options->index);
    TRY(loop_thread_init(&worker->thread, &thread_events, worker, name, info));
    route->loop = worker->thread.loop;
    bridge_context_start(&worker->context);
    route->sessions = tls_sessions_create();
    if (route->sessions == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory");
    return resolver_create(route->loop, &options->resolver, &route->resolver, info);
}

// take_listeners takes the descriptors over; those that cannot be used are closed.
static enum err take_listeners(struct sidecar_worker *worker,
                               const struct sidecar_worker_options *options, struct errinfo *info)
{
    const struct listener_events events = {
        .on_accept = on_accept, .on_exhausted = on_exhausted, .arg = worker};
    bool is_good = true;
    for (size_t i = 0; i < options->listener_count; i++) {
        worker->listeners[i] =
            listener_start(worker->thread.loop, options->listener_fds[i], &events);
        if (worker->listeners[i] == NULL) {
            (void)close(options->listener_fds[i]);
            is_good = false;
        }
    }
    return is_good ? ERR_OK : errinfo_set(info, ERR_MEMORY, "no memory for the listeners");
}

static void close_all(const struct sidecar_worker_options *options)
{
    for (size_t i = 0; i < options->listener_count; i++)
        (void)close(options->listener_fds[i]);
}

static void take_route(struct route *route, const struct sidecar_worker_options *options)
{
    ASSERT(options->proxy_count >= 1 && options->proxy_count <= ROUTE_PROXIES_MAX);
    for (size_t i = 0; i < options->proxy_count; i++)
        route->ways[i].proxy = options->proxies[i];
    route->way_count = options->proxy_count;
    route->pins = options->pins;
    route->retry_ms = options->retry_ms;
}

enum err sidecar_worker_create(const struct sidecar_worker_options *options,
                               struct sidecar_worker **out, struct errinfo *info)
{
    *out = NULL;
    ASSERT(options->listener_count <= SIDECAR_LISTENERS_MAX);
    struct sidecar_worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL) {
        close_all(options);
        return errinfo_set(info, ERR_MEMORY, "no memory");
    }
    worker->magic = SIDECAR_WORKER_MAGIC;
    worker->drain_ms = options->drain_ms;
    worker->on_exit = options->on_exit;
    worker->arg = options->arg;
    worker->context.live_max = options->live_max;
    worker->context.idle_ms = options->idle_ms;
    worker->context.route.credentials = credentials_ref(options->credentials);
    take_route(&worker->context.route, options);
    enum err error = open_parts(worker, options, info);
    if (error == ERR_OK)
        error = take_listeners(worker, options, info);
    else
        close_all(options);
    if (error == ERR_OK)
        *out = worker;
    else
        sidecar_worker_destroy(worker);
    return error;
}

enum err sidecar_worker_start(struct sidecar_worker *worker, struct errinfo *info)
{
    return loop_thread_start(&worker->thread, info);
}

size_t sidecar_worker_join(struct sidecar_worker *worker)
{
    loop_thread_join(&worker->thread);
    return worker->cut_count;
}

void sidecar_worker_destroy(struct sidecar_worker *worker)
{
    if (worker == NULL)
        return;
    struct route *route = &worker->context.route;
    if (route->loop != NULL) {
        stop_listeners(worker);
        (void)bridge_end_all(&worker->context);
        bridge_context_stop(&worker->context);
    }
    resolver_destroy(route->resolver);
    tls_sessions_destroy(route->sessions);
    credentials_unref(route->credentials);
    credentials_unref(atomic_exchange(&worker->renewed, NULL));
    loop_thread_deinit(&worker->thread);
    worker->magic = 0;
    free(worker);
}
