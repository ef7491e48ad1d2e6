// A worker of the sidecar on its loop: listeners, renewed credentials, its end.
#include "proxy/sidecar/sidecar_worker.h"

#include <string.h>

#include "proxy/log/log.h"
#include "proxy/net/listener.h"

enum { SIDECAR_WORKER_MAGIC = 0x1A9E0000, MESSAGE_ADOPT = LOOP_FIRST_OWN };

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
    adopt(worker); // renewed files hold for every connection from now on
    bridge_accept(&worker->context, fd);
}

static void on_exhausted(void *arg, int error)
{
    (void)arg;
    log_error(LOG_ACCEPT_FAILED, "cannot accept: %s; waiting for connections to end",
              strerror(error));
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
    return worker->options->drain_ms;
}

static void on_messages(void *owner, unsigned messages)
{
    (void)messages; // there is one
    struct sidecar_worker *worker = owner;
    ASSERT(worker->magic == SIDECAR_WORKER_MAGIC);
    adopt(worker);
}

static const struct loop_thread_events thread_events = {
    .on_messages = on_messages,
    .begin_drain = begin_drain,
    .is_empty = is_empty,
    .end_all = end_all,
};

void sidecar_worker_adopt(struct sidecar_worker *worker, struct credentials *credentials)
{
    credentials_unref(atomic_exchange(&worker->renewed, credentials_ref(credentials)));
    loop_thread_post(&worker->thread, MESSAGE_ADOPT);
}

// open_parts makes everything that can fail. What was made is freed by sidecar_worker_deinit.
static enum err open_parts(struct sidecar_worker *worker, uint32_t index,
                           struct credentials *credentials, int *fds, const struct wakeup *exits,
                           struct errinfo *info)
{
    const struct sidecar_options *options = worker->options;
    const struct listener_events events = {
        .on_accept = on_accept, .on_exhausted = on_exhausted, .arg = worker};
    struct bridge_context *context = &worker->context;
    TRY(loop_thread_init(&worker->thread, &thread_events, worker, index, info));
    TRY(proxy_route_open(&context->route, &options->way.route, worker->thread.loop,
                         &context->buffers, credentials, info));
    bridge_context_start(context);
    context->route.resumes = true;
    for (size_t i = 0; i < options->listen_count; i++) {
        int *fd = &fds[i * options->workers];
        worker->listeners[i] = listener_start(worker->thread.loop, *fd, &events);
        if (worker->listeners[i] == NULL)
            return errinfo_set(info, ERR_MEMORY, "no memory for the listeners");
        *fd = -1;
    }
    return loop_thread_start(&worker->thread, exits, info);
}

enum err sidecar_worker_start(struct sidecar_worker *worker, uint32_t index,
                              const struct sidecar_options *options,
                              struct credentials *credentials, int *fds, const struct wakeup *exits,
                              struct errinfo *info)
{
    *worker = (struct sidecar_worker){
        .magic = SIDECAR_WORKER_MAGIC,
        .options = options,
        .context = {.pool.most = options->connections_most,
                    .idle_ms = options->idle_ms,
                    .live_max = options->live_max},
    };
    const enum err error = open_parts(worker, index, credentials, fds, exits, info);
    if (error != ERR_OK)
        sidecar_worker_deinit(worker);
    return error;
}

void sidecar_worker_deinit(struct sidecar_worker *worker)
{
    stop_listeners(worker);
    bridge_context_stop(&worker->context);
    proxy_route_close(&worker->context.route);
    credentials_unref(atomic_exchange(&worker->renewed, NULL));
    loop_thread_deinit(&worker->thread);
    worker->magic = 0;
}
