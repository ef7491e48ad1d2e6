// The loop of a lane: listeners, mailbox, drain.
#include "proxy/sidecar/lane.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxy/clock/clock.h"
#include "proxy/log/log.h"
#include "proxy/loop/wakeup.h"
#include "proxy/net/listener.h"

enum { LANE_MAGIC = 0x1A9E0000, EXHAUSTED_LOG_EVERY_MS = 5000 };

enum mail { MAIL_DRAIN = 1, MAIL_STOP = 2, MAIL_ADOPT = 4 };

struct lane {
    uint32_t magic;
    pthread_t thread;
    struct ev_loop *loop;          // owned
    struct bridge_context context; // its route's resolver, sessions and credentials are owned
    struct listener *listeners[LANE_LISTENERS_MAX]; // owned; NULL when not accepting
    struct wakeup mail;                             // owned
    _Atomic(struct credentials *) renewed;          // owned; put there by others, taken by the loop
    atomic_uint letters;                            // of enum mail
    int64_t drain_ms;
    ev_timer drain;     // the end of patience
    ev_prepare drained; // runs while draining: leaves the loop when nothing lives
    size_t cut_count;
    int64_t exhausted_ms; // monotonic; when it was last logged
    void (*on_exit)(void *arg);
    void *arg; // borrowed
};

// adopt takes renewed credentials out of the mailbox.
static void adopt(struct lane *lane)
{
    if (atomic_load_explicit(&lane->renewed, memory_order_relaxed) == NULL)
        return;
    struct credentials *renewed = atomic_exchange(&lane->renewed, NULL);
    credentials_unref(lane->context.route.credentials);
    lane->context.route.credentials = renewed;
    bridge_retire(&lane->context);
}

static void on_accept(void *arg, int fd, const struct ip_addr *peer, uint16_t peer_port)
{
    (void)peer;
    (void)peer_port;
    struct lane *lane = arg;
    adopt(lane); // what is renewed holds for every connection after it
    bridge_accept(&lane->context, fd);
}

static void on_exhausted(void *arg, int error)
{
    struct lane *lane = arg;
    const int64_t now_ms = monotonic_ms();
    if (lane->exhausted_ms != 0 && now_ms - lane->exhausted_ms < EXHAUSTED_LOG_EVERY_MS)
        return;
    lane->exhausted_ms = now_ms;
    log_error("cannot accept: %s; waiting for connections to end", strerror(error));
}

static void stop_listeners(struct lane *lane)
{
    for (size_t i = 0; i < LANE_LISTENERS_MAX; i++) {
        listener_stop(lane->listeners[i]);
        lane->listeners[i] = NULL;
    }
}

static void end_all(struct lane *lane)
{
    stop_listeners(lane);
    lane->cut_count += bridge_end_all(&lane->context);
    ev_break(lane->loop, EVBREAK_ALL);
}

static void on_drain_over(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct lane *lane = timer->data;
    ASSERT(lane->magic == LANE_MAGIC);
    end_all(lane);
}

static void on_drained(struct ev_loop *loop, ev_prepare *prepare, int events)
{
    (void)events;
    struct lane *lane = prepare->data;
    ASSERT(lane->magic == LANE_MAGIC);
    if (lane->context.live_count == 0)
        ev_break(loop, EVBREAK_ALL);
}

static void begin_drain(struct lane *lane)
{
    if (lane->context.is_draining)
        return;
    stop_listeners(lane);
    bridge_begin_drain(&lane->context);
    ev_timer_set(&lane->drain, (ev_tstamp)lane->drain_ms / 1000., 0.);
    ev_timer_start(lane->loop, &lane->drain);
    ev_prepare_start(lane->loop, &lane->drained);
}

static void on_mail(void *arg, uint32_t rung)
{
    (void)rung;
    struct lane *lane = arg;
    ASSERT(lane->magic == LANE_MAGIC);
    const unsigned letters = atomic_exchange(&lane->letters, 0);
    if ((letters & MAIL_ADOPT) != 0)
        adopt(lane);
    if ((letters & MAIL_DRAIN) != 0)
        begin_drain(lane);
    if ((letters & MAIL_STOP) != 0)
        end_all(lane);
}

static void post(struct lane *lane, enum mail letter)
{
    (void)atomic_fetch_or(&lane->letters, (unsigned)letter);
    wakeup_send(&lane->mail);
}

void lane_adopt(struct lane *lane, struct credentials *credentials)
{
    credentials_unref(atomic_exchange(&lane->renewed, credentials_ref(credentials)));
    post(lane, MAIL_ADOPT);
}

void lane_drain(struct lane *lane)
{
    post(lane, MAIL_DRAIN);
}

void lane_stop(struct lane *lane)
{
    post(lane, MAIL_STOP);
}

static enum err open_parts(struct lane *lane, const struct lane_options *options,
                           struct errinfo *info)
{
    struct route *route = &lane->context.route;
    lane->loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    const bool has_mail = wakeup_init(&lane->mail, on_mail, lane);
    ev_timer_init(&lane->drain, on_drain_over, 0., 0.);
    ev_prepare_init(&lane->drained, on_drained);
    lane->drain.data = lane;
    lane->drained.data = lane;
    if (lane->loop == NULL || !has_mail)
        return errinfo_set(info, ERR_SYSTEM, "cannot make an event loop: %s", strerror(errno));
    route->loop = lane->loop;
    bridge_context_start(&lane->context);
    wakeup_start(&lane->mail, lane->loop);
    route->sessions = tls_sessions_create();
    if (route->sessions == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory");
    return resolver_create(lane->loop, &options->resolver, &route->resolver, info);
}

// take_listeners takes the descriptors over; those that cannot be used are closed.
static enum err take_listeners(struct lane *lane, const struct lane_options *options,
                               struct errinfo *info)
{
    const struct listener_events events = {
        .on_accept = on_accept, .on_exhausted = on_exhausted, .arg = lane};
    bool is_good = true;
    for (size_t i = 0; i < options->listener_count; i++) {
        lane->listeners[i] = listener_start(lane->loop, options->listener_fds[i], &events);
        if (lane->listeners[i] == NULL) {
            (void)close(options->listener_fds[i]);
            is_good = false;
        }
    }
    return is_good ? ERR_OK : errinfo_set(info, ERR_MEMORY, "no memory for the listeners");
}

static void close_all(const struct lane_options *options)
{
    for (size_t i = 0; i < options->listener_count; i++)
        (void)close(options->listener_fds[i]);
}

static void take_route(struct route *route, const struct lane_options *options)
{
    ASSERT(options->proxy_count >= 1 && options->proxy_count <= ROUTE_PROXIES_MAX);
    for (size_t i = 0; i < options->proxy_count; i++)
        route->ways[i].proxy = options->proxies[i];
    route->way_count = options->proxy_count;
    route->pins = options->pins;
    route->timeouts = options->reach;
    route->retry_ms = options->retry_ms;
}

enum err lane_create(const struct lane_options *options, struct lane **out, struct errinfo *info)
{
    *out = NULL;
    ASSERT(options->listener_count <= LANE_LISTENERS_MAX);
    struct lane *lane = calloc(1, sizeof *lane);
    if (lane == NULL) {
        close_all(options);
        return errinfo_set(info, ERR_MEMORY, "no memory");
    }
    lane->magic = LANE_MAGIC;
    lane->drain_ms = options->drain_ms;
    lane->on_exit = options->on_exit;
    lane->arg = options->arg;
    lane->context.live_max = options->live_max;
    lane->context.timeouts = options->bridges;
    lane->context.route.credentials = credentials_ref(options->credentials);
    take_route(&lane->context.route, options);
    enum err error = open_parts(lane, options, info);
    if (error == ERR_OK)
        error = take_listeners(lane, options, info);
    else
        close_all(options);
    if (error == ERR_OK)
        *out = lane;
    else
        lane_destroy(lane);
    return error;
}

static void *run(void *arg)
{
    struct lane *lane = arg;
    ev_run(lane->loop, 0);
    if (lane->on_exit != NULL)
        lane->on_exit(lane->arg);
    return NULL;
}

enum err lane_start(struct lane *lane, struct errinfo *info)
{
    const int error = pthread_create(&lane->thread, NULL, run, lane);
    if (error != 0)
        return errinfo_set(info, ERR_SYSTEM, "cannot start a thread: %s", strerror(error));
    return ERR_OK;
}

size_t lane_join(struct lane *lane)
{
    (void)pthread_join(lane->thread, NULL);
    return lane->cut_count;
}

void lane_destroy(struct lane *lane)
{
    if (lane == NULL)
        return;
    struct route *route = &lane->context.route;
    if (lane->loop != NULL) {
        stop_listeners(lane);
        if (route->loop != NULL) {
            (void)bridge_end_all(&lane->context);
            bridge_context_stop(&lane->context);
        }
    }
    resolver_destroy(route->resolver);
    tls_sessions_destroy(route->sessions);
    credentials_unref(route->credentials);
    credentials_unref(atomic_exchange(&lane->renewed, NULL));
    if (lane->loop != NULL)
        ev_loop_destroy(lane->loop);
    wakeup_deinit(&lane->mail);
    lane->magic = 0;
    free(lane);
}
