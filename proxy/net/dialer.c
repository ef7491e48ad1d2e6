// Non-blocking connects, a few at a time:
//
//   1. begin_due begins the attempts that are due: one when none is under way, another each 250 ms.
//   2. A writable socket is asked how its connect went. Good: it is the result. Bad: the next is due.
//   3. The one timer stands at whatever comes first: the next attempt, or the end of the oldest one.
//   4. When nothing is under way, left or expected, the timer tells the result: that of the last failure. It also tells of a
//      socket that has connected at once, as those to this machine do.
#include "proxy/net/dialer.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "proxy/net/sockaddr.h"

enum { DIALER_MAGIC = 0xD1A1E400 };

const char *dial_result_name(enum dial_result result)
{
    static const char *const names[] = {
        [DIAL_CONNECTED] = "connected",         [DIAL_REFUSED] = "connection refused",
        [DIAL_TIMED_OUT] = "no answer",         [DIAL_NO_RESOURCES] = "out of descriptors",
        [DIAL_NO_SOURCE] = "no egress address",
    };
    return names[result];
}

// attempt is one connect under way, or a free place for one.
struct attempt {
    ev_io io;              // its descriptor is owned; -1: a free place
    struct dialer *dialer; // borrowed
    ev_tstamp end_s;       // loop time at which its patience ends
    struct ip_addr address;
};

struct dialer {
    uint32_t magic;
    struct ev_loop *loop; // borrowed
    struct dialer_events events;
    ev_timer timer;
    ev_tstamp due_s;     // loop time of the next attempt, where one is under way
    ev_tstamp attempt_s; // how long one may take
    uint16_t port;
    bool expects_more;
    uint32_t attempt_count;
    uint32_t source_turn;
    size_t next; // index of the next address
    size_t count;
    size_t source_count;
    size_t live_count;         // attempts under way
    size_t place_count;        // places taken for them, see dialer_events
    struct attempt *connected; // one of `attempts`: connected at once; the timer tells it
    enum dial_result result;
    struct ip_addr last_dialled;
    struct ip_addr addresses[DIALER_MAX_ADDRESSES];
    struct ip_addr sources[DIALER_MAX_SOURCES];
    struct attempt attempts[DIALER_MAX_AT_ONCE];
};

static void on_writable(struct ev_loop *loop, ev_io *io, int events);

static bool is_ours(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

// give_places gives back those that are no longer needed: the first attempt needs none.
static void give_places(struct dialer *dialer)
{
    while (dialer->place_count > 0 && dialer->place_count >= dialer->live_count) {
        dialer->place_count--;
        dialer->events.give_place(dialer->events.arg);
    }
}

// take_place takes one for another attempt; false: it is put off.
static bool take_place(struct dialer *dialer)
{
    if (dialer->live_count == 0 || dialer->events.take_place == NULL)
        return true;
    if (!dialer->events.take_place(dialer->events.arg))
        return false;
    dialer->place_count++;
    return true;
}

// release_attempt makes the place free again and gives the descriptor, which is the caller's.
static int release_attempt(struct attempt *attempt)
{
    struct dialer *dialer = attempt->dialer;
    const int fd = attempt->io.fd;
    ev_io_stop(dialer->loop, &attempt->io);
    ev_io_set(&attempt->io, -1, EV_WRITE);
    dialer->live_count--;
    give_places(dialer);
    return fd;
}

// end_attempt closes one, if it is under way.
static void end_attempt(struct attempt *attempt)
{
    if (attempt->io.fd >= 0)
        (void)close(release_attempt(attempt));
}

static void end_all(struct dialer *dialer)
{
    for (size_t i = 0; i < DIALER_MAX_AT_ONCE; i++)
        end_attempt(&dialer->attempts[i]);
}

// connect_from begins a connect to `addr` from `source` (NULL: the kernel chooses). The source port is left to connect(),
// which may then use one for each target: bind() would need one for all of them.
static enum dial_result connect_from(struct dialer *dialer, const struct ip_addr *addr,
                                     const struct ip_addr *source, int *out_fd)
{
    struct socket_address to;
    struct socket_address from;
    bool is_bound = true;
    socket_address_make(addr, dialer->port, &to);
    const int fd = socket(to.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return is_ours(errno) ? DIAL_NO_RESOURCES : DIAL_REFUSED;
    (void)socket_set(fd, IPPROTO_TCP, TCP_NODELAY);
    (void)socket_set(fd, SOL_SOCKET, SO_KEEPALIVE);
    if (source != NULL) {
        socket_address_make(source, 0, &from);
        (void)socket_set(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT);
        is_bound = bind(fd, (const struct sockaddr *)&from.storage, from.len) == 0;
    }
    *out_fd = fd;
    if (is_bound &&
        (connect(fd, (const struct sockaddr *)&to.storage, to.len) == 0 || errno == EINPROGRESS))
        return DIAL_CONNECTED;
    const int error = errno;
    (void)close(fd);
    *out_fd = -1;
    if (!is_bound || (error == EADDRNOTAVAIL && source != NULL))
        return DIAL_NO_SOURCE; // it is not ours, or has no port left for this target
    return is_ours(error) ? DIAL_NO_RESOURCES : DIAL_REFUSED;
}

// connect_to does so from the source that has its turn, or the next one that can be used.
static enum dial_result connect_to(struct dialer *dialer, const struct ip_addr *addr, int *out_fd)
{
    if (dialer->source_count == 0)
        return connect_from(dialer, addr, NULL, out_fd);
    const uint32_t turn = dialer->source_turn++;
    for (size_t i = 0; i < dialer->source_count; i++) {
        const struct ip_addr *source = &dialer->sources[(turn + i) % dialer->source_count];
        if (source->family != addr->family)
            continue;
        const enum dial_result result = connect_from(dialer, addr, source, out_fd);
        if (result != DIAL_NO_SOURCE)
            return result;
    }
    return DIAL_NO_SOURCE;
}

static struct attempt *free_place(struct dialer *dialer)
{
    for (size_t i = 0; i < DIALER_MAX_AT_ONCE; i++) {
        if (dialer->attempts[i].io.fd < 0)
            return &dialer->attempts[i];
    }
    return NULL;
}

// is_connected asks the socket whom it has reached; one whose connect has failed has no peer.
static bool is_connected(const struct attempt *attempt)
{
    const int fd = attempt->io.fd;
    struct ip_addr peer;
    struct ip_addr local;
    uint16_t port = 0;
    uint16_t local_port = 0;
    if (!socket_name(fd, SOCKET_PEER, &peer, &port) ||
        !socket_name(fd, SOCKET_LOCAL, &local, &local_port))
        return false;
    if (port == local_port && ip_addr_equal(&peer, &local))
        return false; // nobody listens there, and the socket has connected to itself
    return port == attempt->dialer->port && ip_addr_equal(&peer, &attempt->address);
}

// begin_attempt starts a connect to the next address, if it can be started at all.
static void begin_attempt(struct dialer *dialer, struct attempt *attempt)
{
    const struct ip_addr *addr = &dialer->addresses[dialer->next++];
    int fd = -1;
    const enum dial_result result = connect_to(dialer, addr, &fd);
    if (result != DIAL_NO_SOURCE) {
        dialer->attempt_count++;
        dialer->last_dialled = *addr;
    }
    if (result != DIAL_CONNECTED) {
        if (result != DIAL_NO_SOURCE || dialer->attempt_count == 0)
            dialer->result = result;
        return;
    }
    attempt->address = *addr;
    attempt->end_s = ev_now(dialer->loop) + dialer->attempt_s;
    ev_io_set(&attempt->io, fd, EV_WRITE);
    if (is_connected(attempt)) // at once: a target on this machine
        dialer->connected = attempt;
    else
        ev_io_start(dialer->loop, &attempt->io);
    dialer->live_count++;
    dialer->due_s = ev_now(dialer->loop) + DIALER_DELAY_MS / 1000.;
}

// is_over tells whether nothing is under way or left.
static bool is_over(const struct dialer *dialer)
{
    return dialer->live_count == 0 && dialer->next == dialer->count;
}

// begin_due begins what is due now. Each start moves the next one away, a failure at once does not.
static void begin_due(struct dialer *dialer)
{
    while (dialer->next < dialer->count && dialer->live_count < DIALER_MAX_AT_ONCE &&
           (dialer->live_count == 0 || ev_now(dialer->loop) >= dialer->due_s)) {
        if (!take_place(dialer)) {
            dialer->due_s = ev_now(dialer->loop) + DIALER_DELAY_MS / 1000.;
            return;
        }
        begin_attempt(dialer, free_place(dialer));
        give_places(dialer); // of one that failed at once
    }
}

// rearm sets the timer at what comes first; at once, where only the end is left to be told.
static void rearm(struct dialer *dialer)
{
    const ev_tstamp now_s = ev_now(dialer->loop);
    ev_tstamp first_s = now_s + dialer->attempt_s;
    ev_timer_stop(dialer->loop, &dialer->timer);
    if (is_over(dialer) && dialer->expects_more)
        return;
    for (size_t i = 0; i < DIALER_MAX_AT_ONCE; i++) {
        const struct attempt *attempt = &dialer->attempts[i];
        if (attempt->io.fd >= 0 && attempt->end_s < first_s)
            first_s = attempt->end_s;
    }
    if (dialer->next < dialer->count && dialer->live_count < DIALER_MAX_AT_ONCE &&
        dialer->due_s < first_s)
        first_s = dialer->due_s;
    if (is_over(dialer) || dialer->connected != NULL || first_s < now_s)
        first_s = now_s;
    ev_timer_set(&dialer->timer, first_s - now_s, 0.);
    ev_timer_start(dialer->loop, &dialer->timer);
}

static void go_on(struct dialer *dialer)
{
    begin_due(dialer);
    rearm(dialer);
}

static void finish(struct dialer *dialer, enum dial_result result, int fd)
{
    end_all(dialer);
    ev_timer_stop(dialer->loop, &dialer->timer);
    dialer->result = result;
    dialer->events.on_done(dialer->events.arg, result, fd);
}

// win ends the dialling with an attempt that is connected.
static void win(struct attempt *attempt)
{
    attempt->dialer->last_dialled = attempt->address;
    finish(attempt->dialer, DIAL_CONNECTED, release_attempt(attempt));
}

static void on_writable(struct ev_loop *loop, ev_io *io, int events)
{
    (void)events;
    struct attempt *attempt = io->data;
    struct dialer *dialer = attempt->dialer;
    ASSERT(dialer->magic == DIALER_MAGIC);
    if (!is_connected(attempt)) {
        end_attempt(attempt);
        dialer->result = DIAL_REFUSED;
        dialer->due_s = ev_now(loop);
        go_on(dialer);
        return;
    }
    win(attempt);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)events;
    struct dialer *dialer = timer->data;
    ASSERT(dialer->magic == DIALER_MAGIC);
    if (dialer->connected != NULL) {
        win(dialer->connected);
        return;
    }
    for (size_t i = 0; i < DIALER_MAX_AT_ONCE; i++) {
        struct attempt *attempt = &dialer->attempts[i];
        if (attempt->io.fd < 0 || attempt->end_s > ev_now(loop))
            continue;
        end_attempt(attempt);
        dialer->result = DIAL_TIMED_OUT;
        dialer->due_s = ev_now(loop);
    }
    if (is_over(dialer) && !dialer->expects_more)
        finish(dialer, dialer->result, -1);
    else
        go_on(dialer);
}

struct dialer *dialer_start(struct ev_loop *loop, const struct dialer_options *options,
                            const struct dialer_events *events)
{
    struct dialer *dialer = calloc(1, sizeof *dialer);
    if (dialer == NULL)
        return NULL;
    dialer->magic = DIALER_MAGIC;
    dialer->loop = loop;
    dialer->events = *events;
    dialer->attempt_s = (ev_tstamp)options->attempt_ms / 1000.;
    dialer->port = options->port;
    dialer->source_turn = options->source_turn;
    dialer->result = DIAL_REFUSED;
    dialer->source_count =
        options->source_count < DIALER_MAX_SOURCES ? options->source_count : DIALER_MAX_SOURCES;
    for (size_t i = 0; i < dialer->source_count; i++)
        dialer->sources[i] = options->sources[i];
    for (size_t i = 0; i < DIALER_MAX_AT_ONCE; i++) {
        ev_io_init(&dialer->attempts[i].io, on_writable, -1, EV_WRITE);
        dialer->attempts[i].io.data = &dialer->attempts[i];
        dialer->attempts[i].dialer = dialer;
    }
    ev_timer_init(&dialer->timer, on_timer, 0., 0.);
    dialer->timer.data = dialer;
    dialer_add(dialer, options->addresses, options->count, options->expects_more);
    return dialer;
}

void dialer_add(struct dialer *dialer, const struct ip_addr *addresses, size_t count,
                bool expects_more)
{
    struct ip_addr waiting[DIALER_MAX_ADDRESSES];
    const size_t waiting_count = dialer->count - dialer->next;
    for (size_t i = 0; i < waiting_count; i++)
        waiting[i] = dialer->addresses[dialer->next + i];
    dialer->count = dialer->next;
    for (size_t i = 0; i < count || i < waiting_count; i++) {
        if (i < count && dialer->count < DIALER_MAX_ADDRESSES)
            dialer->addresses[dialer->count++] = addresses[i];
        if (i < waiting_count && dialer->count < DIALER_MAX_ADDRESSES)
            dialer->addresses[dialer->count++] = waiting[i];
    }
    dialer->expects_more = expects_more;
    go_on(dialer);
}

uint32_t dialer_attempts(const struct dialer *dialer)
{
    return dialer->attempt_count;
}

struct ip_addr dialer_last_dialled(const struct dialer *dialer)
{
    return dialer->last_dialled;
}

void dialer_destroy(struct dialer *dialer)
{
    if (dialer == NULL)
        return;
    end_all(dialer);
    ev_timer_stop(dialer->loop, &dialer->timer);
    dialer->magic = 0;
    free(dialer);
}
