// Reads and writes on a non-blocking socket, with readiness remembered: a short read or write has
// emptied or filled the socket's queue, so the next try waits for the event and costs nothing.
#include "proxy/net/tcp_stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/net/sockaddr.h"

enum { TCP_STREAM_MAGIC = 0x7C957EA1 };

static struct tcp_stream *tcp_of(struct stream *stream)
{
    struct tcp_stream *tcp = (struct tcp_stream *)stream;
    ASSERT(tcp->magic == TCP_STREAM_MAGIC);
    return tcp;
}

static bool is_again(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK;
}

// receive reads, or with MSG_PEEK only looks.
static enum err receive(struct tcp_stream *tcp, void *out, size_t cap, int flags, size_t *out_len)
{
    *out_len = 0;
    if (!tcp->is_open)
        return ERR_SYSTEM;
    if (!tcp->can_read)
        return ERR_AGAIN;
    ssize_t count = 0;
    do {
        count = recv(tcp->io.fd, out, cap, flags);
    } while (count < 0 && errno == EINTR);
    if (count > 0) {
        tcp->can_read = (size_t)count == cap || flags == MSG_PEEK;
        *out_len = (size_t)count;
        return ERR_OK;
    }
    if (count == 0)
        return tcp->is_reset ? ERR_SYSTEM : ERR_EOF;
    if (!is_again(errno))
        return ERR_SYSTEM;
    tcp->can_read = false;
    return ERR_AGAIN;
}

static enum err tcp_read(struct stream *stream, void *out, size_t cap, size_t *out_len)
{
    return receive(tcp_of(stream), out, cap, 0, out_len);
}

static enum err tcp_write(struct stream *stream, struct slice bytes, size_t *out_len)
{
    struct tcp_stream *tcp = tcp_of(stream);
    *out_len = 0;
    if (!tcp->is_open || tcp->is_finished)
        return ERR_SYSTEM;
    if (!tcp->can_write)
        return ERR_AGAIN;
    ssize_t count = 0;
    do {
        count = send(tcp->io.fd, bytes.data, bytes.len, MSG_NOSIGNAL);
    } while (count < 0 && errno == EINTR);
    if (count >= 0) {
        tcp->can_write = (size_t)count == bytes.len;
        *out_len = (size_t)count;
        return count > 0 || bytes.len == 0 ? ERR_OK : ERR_AGAIN;
    }
    if (errno == ECONNRESET)
        tcp->is_reset = true;
    if (!is_again(errno))
        return ERR_SYSTEM;
    tcp->can_write = false;
    return ERR_AGAIN;
}

static enum err tcp_flush(struct stream *stream)
{
    return tcp_of(stream)->is_open ? ERR_OK : ERR_SYSTEM;
}

static enum err tcp_finish(struct stream *stream)
{
    struct tcp_stream *tcp = tcp_of(stream);
    if (!tcp->is_open)
        return ERR_SYSTEM;
    if (tcp->is_finished)
        return ERR_OK;
    tcp->is_finished = true;
    return shutdown(tcp->io.fd, SHUT_WR) == 0 ? ERR_OK : ERR_SYSTEM;
}

static void tcp_want(struct stream *stream, bool read, bool write)
{
    struct tcp_stream *tcp = tcp_of(stream);
    if (!tcp->is_open)
        return;
    const int events = (read ? EV_READ : 0) | (write ? EV_WRITE : 0);
    const bool is_same = (tcp->io.events & (EV_READ | EV_WRITE)) == events;
    if (is_same && (ev_is_active(&tcp->io) != 0) == (events != 0))
        return;
    ev_io_stop(tcp->loop, &tcp->io);
    ev_io_set(&tcp->io, tcp->io.fd, events);
    if (events != 0)
        ev_io_start(tcp->loop, &tcp->io);
}

static void tcp_close(struct stream *stream, bool is_reset)
{
    struct tcp_stream *tcp = tcp_of(stream);
    if (!tcp->is_open)
        return;
    tcp->is_open = false;
    ev_io_stop(tcp->loop, &tcp->io);
    if (is_reset) {
        const struct linger now = {.l_onoff = 1, .l_linger = 0};
        (void)setsockopt(tcp->io.fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    (void)close(tcp->io.fd);
}

static const struct stream_ops tcp_ops = {
    .read = tcp_read,
    .write = tcp_write,
    .flush = tcp_flush,
    .finish = tcp_finish,
    .want = tcp_want,
    .close = tcp_close,
};

static void tcp_on_event(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    struct tcp_stream *tcp = io->data;
    ASSERT(tcp->magic == TCP_STREAM_MAGIC);
    if ((events & EV_READ) != 0)
        tcp->can_read = true;
    if ((events & EV_WRITE) != 0)
        tcp->can_write = true;
    tcp->stream.on_ready(tcp->stream.owner);
}

void tcp_stream_init(struct tcp_stream *tcp, struct ev_loop *loop, int fd)
{
    *tcp = (struct tcp_stream){
        .stream = {.ops = &tcp_ops},
        .magic = TCP_STREAM_MAGIC,
        .loop = loop,
        .is_open = true,
        .can_read = true,
        .can_write = true,
    };
    ev_io_init(&tcp->io, tcp_on_event, fd, 0);
    tcp->io.data = tcp;
}

void tcp_stream_discard(struct ev_loop *loop, int fd, bool is_reset)
{
    struct tcp_stream unwanted;
    tcp_stream_init(&unwanted, loop, fd);
    stream_close(&unwanted.stream, is_reset);
}

enum err tcp_stream_peek(struct tcp_stream *tcp, void *out, size_t cap, size_t *out_len)
{
    return receive(tcp, out, cap, MSG_PEEK, out_len);
}

enum err tcp_stream_send_first(int fd, struct slice bytes)
{
    ssize_t count = 0;
    do {
        count = send(fd, bytes.data, bytes.len, MSG_NOSIGNAL);
    } while (count < 0 && errno == EINTR);
    return count >= 0 && (size_t)count == bytes.len ? ERR_OK : ERR_SYSTEM;
}

int tcp_stream_fd(const struct tcp_stream *tcp)
{
    return tcp->is_open ? tcp->io.fd : -1;
}

void tcp_stream_await_bytes(struct tcp_stream *tcp)
{
    tcp->can_read = false;
}

void tcp_stream_acknowledge(const struct tcp_stream *tcp)
{
    if (tcp->is_open)
        (void)socket_set(tcp->io.fd, IPPROTO_TCP, TCP_QUICKACK);
}

void tcp_stream_limit_unsent(const struct tcp_stream *tcp, int len)
{
    if (tcp->is_open)
        (void)setsockopt(tcp->io.fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &len, sizeof len);
}

bool tcp_stream_is_unwatched(const struct tcp_stream *tcp)
{
    return tcp->is_open && !ev_is_active(&tcp->io);
}

bool tcp_stream_has_failed(const struct tcp_stream *tcp)
{
    struct pollfd failed = {.fd = tcp->io.fd, .events = 0}; // errors are told unasked
    return poll(&failed, 1, 0) == 1 && (failed.revents & POLLERR) != 0;
}

bool tcp_stream_has_peer_end(const struct tcp_stream *tcp)
{
    struct pollfd ended = {.fd = tcp->io.fd, .events = POLLRDHUP}; // errors are told unasked
    return poll(&ended, 1, 0) == 1;
}

bool tcp_stream_is_silent(int fd)
{
    struct pollfd said = {.fd = fd, .events = POLLIN | POLLRDHUP}; // errors are told unasked
    return poll(&said, 1, 0) == 0;
}

int tcp_stream_take_fd(struct tcp_stream *tcp)
{
    ASSERT(tcp->magic == TCP_STREAM_MAGIC && tcp->is_open);
    tcp->is_open = false;
    ev_io_stop(tcp->loop, &tcp->io);
    return tcp->io.fd;
}
