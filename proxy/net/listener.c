// Binding, accepting a bounded batch an event, and a pause when descriptors run out.
#include "proxy/net/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxy/clock/clock.h"
#include "proxy/net/sockaddr.h"

enum {
    LISTENER_MAGIC = 0x715EA1E4,
    LISTEN_BACKLOG = 4096,
    ACCEPT_BATCH = 16,
    EXHAUSTED_EVERY_MS = 5000,
};
static const ev_tstamp exhausted_pause_s = 0.1;

struct listener {
    uint32_t magic;
    struct ev_loop *loop; // borrowed
    struct listener_events events;
    ev_io io;
    ev_timer pause;
    int64_t exhausted_ms; // monotonic; when the owner was last told
};

// bind_one opens one socket. The first of a group is bound alone, then opened to the others.
static int bind_one(const struct socket_address *name, bool is_first)
{
    const int family = name->storage.ss_family;
    const int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    const int dual = 0;
    if (socket_set(fd, SOL_SOCKET, SO_REUSEADDR) &&
        (is_first || socket_set(fd, SOL_SOCKET, SO_REUSEPORT)) &&
        (family != AF_INET6 ||
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &dual, sizeof dual) == 0) &&
        bind(fd, (const struct sockaddr *)&name->storage, name->len) == 0 &&
        listen(fd, LISTEN_BACKLOG) == 0 && socket_set(fd, SOL_SOCKET, SO_REUSEPORT))
        return fd;
    const int error = errno;
    (void)close(fd);
    errno = error;
    return -1;
}

static enum err bind_failed(const struct ip_addr *addr, uint16_t port, int error,
                            struct errinfo *info)
{
    char text[IP_TEXT_CAP];
    (void)ip_addr_format(addr, text);
    const char *format =
        addr->family == IP_V6 ? "cannot listen on [%s]:%u: %s%s" : "cannot listen on %s:%u: %s%s";
    const char *hint = "";
    if (error == EADDRINUSE)
        hint = ": another program, or another sallyport, has this address; see `ss -ltnp`";
    else if (error == EACCES)
        hint =
            ": ports below 1024 need CAP_NET_BIND_SERVICE, which a proxy gives up at its start where "
            "it has no such port; `sallyport upgrade`, or restart it, with that right";
    else if (error == EADDRNOTAVAIL)
        hint = ": this machine has no such address";
    return errinfo_set(info, error == EADDRINUSE ? ERR_DENIED : ERR_SYSTEM, format, text, port,
                       strerror(error), hint);
}

// bind_all opens `count` sockets; the first one alone on its address, or beside others that are there.
static enum err bind_all(const struct ip_addr *addr, uint16_t port, bool is_alone, size_t count,
                         int *out_fds, uint16_t *out_port, struct errinfo *info)
{
    *out_port = port;
    for (size_t i = 0; i < count; i++) {
        struct socket_address name;
        socket_address_make(addr, *out_port, &name);
        out_fds[i] = bind_one(&name, is_alone && i == 0);
        struct ip_addr bound;
        if (out_fds[i] >= 0 && socket_name(out_fds[i], SOCKET_LOCAL, &bound, out_port))
            continue;
        const int error = errno;
        for (size_t opened = 0; opened <= i; opened++) {
            if (out_fds[opened] >= 0)
                (void)close(out_fds[opened]);
        }
        return bind_failed(addr, port, error, info);
    }
    return ERR_OK;
}

enum err listener_bind(const struct ip_addr *addr, uint16_t port, size_t count, int *out_fds,
                       uint16_t *out_port, struct errinfo *info)
{
    return bind_all(addr, port, true, count, out_fds, out_port, info);
}

enum err listener_join(const struct ip_addr *addr, uint16_t port, size_t count, int *out_fds,
                       struct errinfo *info)
{
    uint16_t bound = 0;
    return bind_all(addr, port, false, count, out_fds, &bound, info);
}

// is_passing tells the errors that concern one connection only (accept(2), "Error handling").
static bool is_passing(int error)
{
    static const int errors[] = {
        EINTR,  ECONNABORTED, EPROTO,     ENETDOWN,    ENOPROTOOPT, EHOSTDOWN,
        ENONET, EHOSTUNREACH, EOPNOTSUPP, ENETUNREACH, EPERM,
    };
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        if (errors[i] == error)
            return true;
    }
    return false;
}

static void accept_one(struct listener *listener, int fd, const struct socket_address *name)
{
    struct ip_addr peer;
    uint16_t port = 0;
    if (!socket_address_read((const struct sockaddr *)&name->storage, &peer, &port)) {
        (void)close(fd);
        return;
    }
    const struct ip_addr canonical = ip_addr_canonical(&peer);
    listener->events.on_accept(listener->events.arg, fd, &canonical, port);
}

static void pause_accepting(struct listener *listener)
{
    ev_io_stop(listener->loop, &listener->io);
    ev_timer_again(listener->loop, &listener->pause);
}

// tell_exhausted tells the owner, but not each time.
static void tell_exhausted(struct listener *listener, int error)
{
    const int64_t now_ms = monotonic_ms();
    if (listener->exhausted_ms != 0 && now_ms - listener->exhausted_ms < EXHAUSTED_EVERY_MS)
        return;
    listener->exhausted_ms = now_ms;
    listener->events.on_exhausted(listener->events.arg, error);
}

// accept_batch accepts at most `count` connections of those that wait.
static void accept_batch(struct listener *listener, size_t count)
{
    const struct listener_events *events = &listener->events;
    for (size_t i = 0; i < count; i++) {
        struct socket_address name = {.len = sizeof name.storage};
        if (events->may_accept != NULL && !events->may_accept(events->arg)) {
            pause_accepting(listener);
            return;
        }
        const int fd = accept4(listener->io.fd, (struct sockaddr *)&name.storage, &name.len,
                               SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            accept_one(listener, fd, &name);
            continue;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return;
        if (is_passing(errno))
            continue;
        tell_exhausted(listener, errno);
        pause_accepting(listener);
        return;
    }
}

static void on_readable(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    (void)events;
    struct listener *listener = io->data;
    ASSERT(listener->magic == LISTENER_MAGIC);
    accept_batch(listener, ACCEPT_BATCH);
}

static void on_pause_over(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)events;
    struct listener *listener = timer->data;
    ASSERT(listener->magic == LISTENER_MAGIC);
    ev_timer_stop(loop, timer);
    ev_io_start(loop, &listener->io);
}

struct listener *listener_start(struct ev_loop *loop, int fd, const struct listener_events *events)
{
    struct listener *listener = calloc(1, sizeof *listener);
    if (listener == NULL)
        return NULL;
    (void)socket_set(fd, IPPROTO_TCP, TCP_NODELAY); // what is accepted inherits both
    (void)socket_set(fd, SOL_SOCKET, SO_KEEPALIVE);
    listener->magic = LISTENER_MAGIC;
    listener->loop = loop;
    listener->events = *events;
    ev_io_init(&listener->io, on_readable, fd, EV_READ);
    ev_timer_init(&listener->pause, on_pause_over, 0., exhausted_pause_s);
    listener->io.data = listener;
    listener->pause.data = listener;
    ev_io_start(loop, &listener->io);
    return listener;
}

void listener_hold(struct listener *listener)
{
    ev_io_stop(listener->loop, &listener->io);
}

void listener_release(struct listener *listener)
{
    ev_io_start(listener->loop, &listener->io);
}

void listener_set_arg(struct listener *listener, void *arg)
{
    listener->events.arg = arg;
}

void listener_accept_waiting(struct listener *listener)
{
    accept_batch(listener, LISTEN_BACKLOG);
}

void listener_move(struct listener *listener, struct ev_loop *loop)
{
    ev_io_stop(listener->loop, &listener->io);
    ev_timer_stop(listener->loop, &listener->pause);
    listener->loop = loop;
    ev_io_start(loop, &listener->io);
}

void listener_stop(struct listener *listener)
{
    if (listener == NULL)
        return;
    ev_io_stop(listener->loop, &listener->io);
    ev_timer_stop(listener->loop, &listener->pause);
    (void)close(listener->io.fd);
    listener->magic = 0;
    free(listener);
}
