// One non-blocking connect at a time, with a timer for each attempt.
#include "proxy/net/dialer.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "proxy/net/sockaddr.h"

enum { DIALER_MAGIC = 0xD1A1E400 };

struct dialer {
    uint32_t magic;
    struct ev_loop *loop; // borrowed
    struct dialer_events events;
    ev_io io;       // the attempt under way
    ev_timer timer; // ends the attempt; also starts the first one, from the loop
    int fd;         // owned; -1 between attempts
    ev_tstamp attempt_s;
    uint16_t port;
    uint32_t attempts;
    size_t count;
    struct ip_addr addresses[DIALER_MAX_ADDRESSES];
    enum dial_result result; // of the last attempt
};

static void end_attempt(struct dialer *dialer)
{
    ev_io_stop(dialer->loop, &dialer->io);
    ev_timer_stop(dialer->loop, &dialer->timer);
    if (dialer->fd >= 0)
        (void)close(dialer->fd);
    dialer->fd = -1;
}

static bool is_ours(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

// begin_attempt starts a connect to the next address; false when it failed at once.
static bool begin_attempt(struct dialer *dialer)
{
    const struct ip_addr *addr = &dialer->addresses[dialer->attempts++];
    struct socket_address name;
    socket_address_make(addr, dialer->port, &name);
    dialer->result = DIAL_REFUSED;
    dialer->fd = socket(name.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (dialer->fd < 0) {
        dialer->result = is_ours(errno) ? DIAL_NO_RESOURCES : DIAL_REFUSED;
        return false;
    }
    const int on = 1;
    (void)setsockopt(dialer->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(dialer->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    if (connect(dialer->fd, (const struct sockaddr *)&name.storage, name.len) != 0 &&
        errno != EINPROGRESS) {
        end_attempt(dialer);
        return false;
    }
    ev_io_set(&dialer->io, dialer->fd, EV_WRITE);
    ev_io_start(dialer->loop, &dialer->io);
    ev_timer_set(&dialer->timer, dialer->attempt_s, 0.);
    ev_timer_start(dialer->loop, &dialer->timer);
    return true;
}

static void finish(struct dialer *dialer, enum dial_result result)
{
    const int fd = dialer->fd;
    dialer->fd = -1;
    end_attempt(dialer);
    dialer->events.on_done(dialer->events.arg, result, fd);
}

// go_on tries the addresses that are left until one connect is under way.
static void go_on(struct dialer *dialer)
{
    while (dialer->attempts < dialer->count) {
        if (begin_attempt(dialer))
            return;
    }
    finish(dialer, dialer->result);
}

// is_connected asks the socket how the connect went, and whom it reached.
static bool is_connected(const struct dialer *dialer)
{
    int error = 0;
    socklen_t len = sizeof error;
    struct ip_addr peer;
    struct ip_addr local;
    uint16_t port = 0;
    uint16_t local_port = 0;
    if (getsockopt(dialer->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0 ||
        !socket_peer_name(dialer->fd, &peer, &port) ||
        !socket_local_name(dialer->fd, &local, &local_port))
        return false;
    if (port == local_port && ip_addr_equal(&peer, &local))
        return false; // nobody listens there, and the socket has connected to itself
    return port == dialer->port && ip_addr_equal(&peer, &dialer->addresses[dialer->attempts - 1]);
}

static void on_writable(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    (void)events;
    struct dialer *dialer = io->data;
    ASSERT(dialer->magic == DIALER_MAGIC);
    if (is_connected(dialer)) {
        finish(dialer, DIAL_CONNECTED);
        return;
    }
    end_attempt(dialer);
    go_on(dialer);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct dialer *dialer = timer->data;
    ASSERT(dialer->magic == DIALER_MAGIC);
    if (dialer->fd >= 0) {
        end_attempt(dialer);
        dialer->result = DIAL_TIMED_OUT;
    }
    go_on(dialer);
}

struct dialer *dialer_start(struct ev_loop *loop, const struct ip_addr *addresses, size_t count,
                            uint16_t port, int64_t attempt_ms, const struct dialer_events *events)
{
    struct dialer *dialer = calloc(1, sizeof *dialer);
    if (dialer == NULL)
        return NULL;
    dialer->magic = DIALER_MAGIC;
    dialer->loop = loop;
    dialer->events = *events;
    dialer->fd = -1;
    dialer->attempt_s = (ev_tstamp)attempt_ms / 1000.;
    dialer->port = port;
    dialer->count = count < DIALER_MAX_ADDRESSES ? count : DIALER_MAX_ADDRESSES;
    dialer->result = DIAL_REFUSED;
    for (size_t i = 0; i < dialer->count; i++)
        dialer->addresses[i] = addresses[i];
    ev_io_init(&dialer->io, on_writable, -1, EV_WRITE);
    ev_timer_init(&dialer->timer, on_timer, 0., 0.);
    dialer->io.data = dialer;
    dialer->timer.data = dialer;
    ev_timer_start(loop, &dialer->timer);
    return dialer;
}

uint32_t dialer_attempts(const struct dialer *dialer)
{
    return dialer->attempts;
}

void dialer_destroy(struct dialer *dialer)
{
    if (dialer == NULL)
        return;
    end_attempt(dialer);
    dialer->magic = 0;
    free(dialer);
}
