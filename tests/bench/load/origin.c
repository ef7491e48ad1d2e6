// One loop, one small struct a connection. A connection that cannot be served is closed: the load
// generator notices.
#include "tests/bench/load/origin.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "auth/base/err.h"
#include "auth/base/slice.h"

enum {
    CHUNK = 256 * 1024,
    RECORD_BODY = 16384 + 17, // a full TLS 1.3 record
    RECORD_LEN = 5 + RECORD_BODY,
    SHARE = 4, // system calls for one connection in a pass of the loop
    // Ports that echo, beside the first one: to one port the kernel of a proxy makes no more than some thousand connections
    // a second without a long search, because each keeps its own port for a minute.
    MORE_ECHOES = 15,
};

enum kind { KIND_ECHO, KIND_SINK, KIND_SOURCE, KIND_RECORDS, KIND_COUNT };

struct service {
    ev_io io;
    enum kind kind;
};

struct visitor {
    ev_io io;
    enum kind kind;
    size_t pending_len; // of an echo that waits for room
    size_t pending_at;
    size_t record_at; // within the record that goes out
    size_t skip_len;  // bytes of a ClientHello that are still to be dropped
    bool has_begun;   // something has come
    uint8_t *pending; // owned; NULL: nothing waits
};

static uint8_t chunk[CHUNK];                // of the client being served; one thread
static uint8_t records[CHUNK + RECORD_LEN]; // records, one after the other

static void end_visitor(struct ev_loop *loop, struct visitor *visitor)
{
    ev_io_stop(loop, &visitor->io);
    (void)close(visitor->io.fd);
    free(visitor->pending);
    free(visitor);
}

static void want(struct ev_loop *loop, struct visitor *visitor, int events)
{
    if ((visitor->io.events & (EV_READ | EV_WRITE)) == events)
        return;
    ev_io_stop(loop, &visitor->io);
    ev_io_set(&visitor->io, visitor->io.fd, events);
    ev_io_start(loop, &visitor->io);
}

// keep_pending puts aside what an echo could not write.
static bool keep_pending(struct visitor *visitor, const uint8_t *bytes, size_t len)
{
    uint8_t *kept = malloc(len);
    if (kept == NULL || !bytes_copy(kept, len, slice_of(bytes, len)))
        return false;
    free(visitor->pending);
    visitor->pending = kept;
    visitor->pending_len = len;
    visitor->pending_at = 0;
    return true;
}

// write_pending gives false when the connection is over.
static bool write_pending(struct visitor *visitor)
{
    const ssize_t count = send(visitor->io.fd, visitor->pending + visitor->pending_at,
                               visitor->pending_len - visitor->pending_at, MSG_NOSIGNAL);
    if (count < 0)
        return errno == EAGAIN;
    visitor->pending_at += (size_t)count;
    if (visitor->pending_at == visitor->pending_len) {
        free(visitor->pending);
        visitor->pending = NULL;
    }
    return true;
}

// drop_hello gives how many of the bytes that have come belong to a client's handshake: see client_make_hello.
static size_t drop_hello(struct visitor *visitor, size_t len)
{
    enum { HEADER = 5, HANDSHAKE = 22, FINISHED = HEADER + 1 };
    if (!visitor->has_begun && len >= HEADER && chunk[0] == HANDSHAKE)
        visitor->skip_len = HEADER + ((size_t)chunk[3] << 8 | chunk[4]) + FINISHED;
    visitor->has_begun = true;
    const size_t dropped = len < visitor->skip_len ? len : visitor->skip_len;
    visitor->skip_len -= dropped;
    return dropped;
}

static bool serve_echo(struct visitor *visitor)
{
    for (int turn = 0; turn < SHARE; turn++) {
        if (visitor->pending != NULL) {
            if (!write_pending(visitor))
                return false;
            if (visitor->pending != NULL)
                return true;
        }
        const ssize_t count = recv(visitor->io.fd, chunk, 64 * 1024, 0);
        if (count <= 0)
            return count < 0 && errno == EAGAIN;
        const size_t dropped = drop_hello(visitor, (size_t)count);
        const uint8_t *bytes = chunk + dropped;
        const size_t len = (size_t)count - dropped;
        if (len == 0)
            return true;
        const ssize_t sent = send(visitor->io.fd, bytes, len, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            return false;
        const size_t done = sent < 0 ? 0 : (size_t)sent;
        if (done < len && !keep_pending(visitor, bytes + done, len - done))
            return false;
        if (count < 64 * 1024)
            return true;
    }
    return true;
}

static bool serve_sink(struct visitor *visitor)
{
    for (int turn = 0; turn < SHARE; turn++) {
        const ssize_t count = recv(visitor->io.fd, chunk, CHUNK, 0);
        if (count <= 0)
            return count < 0 && errno == EAGAIN;
    }
    return true;
}

static bool serve_source(struct visitor *visitor)
{
    const uint8_t *from = visitor->kind == KIND_RECORDS ? records + visitor->record_at : chunk;
    for (int turn = 0; turn < SHARE; turn++) {
        const ssize_t count = send(visitor->io.fd, from, CHUNK, MSG_NOSIGNAL);
        if (count < 0)
            return errno == EAGAIN;
        visitor->record_at = (visitor->record_at + (size_t)count) % RECORD_LEN;
        if (visitor->kind == KIND_RECORDS)
            from = records + visitor->record_at;
    }
    return true;
}

// has_left tells whether the peer of a source has gone.
static bool has_left(const struct visitor *visitor)
{
    uint8_t byte = 0;
    const ssize_t count = recv(visitor->io.fd, &byte, 1, MSG_DONTWAIT);
    return count == 0 || (count < 0 && errno != EAGAIN);
}

static void on_visitor(struct ev_loop *loop, ev_io *io, int events)
{
    struct visitor *visitor = io->data;
    bool lives = true;
    switch (visitor->kind) {
    case KIND_ECHO:
        lives = serve_echo(visitor);
        break;
    case KIND_SINK:
        lives = serve_sink(visitor);
        break;
    case KIND_SOURCE:
    case KIND_RECORDS:
        lives = ((events & EV_READ) == 0 || !has_left(visitor)) && serve_source(visitor);
        break;
    case KIND_COUNT:
        break;
    }
    if (!lives) {
        end_visitor(loop, visitor);
        return;
    }
    if (visitor->kind == KIND_ECHO)
        want(loop, visitor, visitor->pending != NULL ? EV_WRITE : EV_READ);
}

static void on_accept(struct ev_loop *loop, ev_io *io, int events)
{
    (void)events;
    const struct service *service = io->data;
    for (int turn = 0; turn < 64; turn++) {
        const int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        struct visitor *visitor = calloc(1, sizeof *visitor);
        if (visitor == NULL) {
            (void)close(fd);
            return;
        }
        const int one = 1;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        visitor->kind = service->kind;
        const bool is_source = service->kind == KIND_SOURCE || service->kind == KIND_RECORDS;
        ev_io_init(&visitor->io, on_visitor, fd, is_source ? EV_READ | EV_WRITE : EV_READ);
        visitor->io.data = visitor;
        ev_io_start(loop, &visitor->io);
    }
}

// listen_on gives a listening socket and its port, or -1.
static int listen_on(uint16_t *out_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_ANY); // of a network that has only its loopback
    socklen_t len = sizeof address;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        listen(fd, 4096) != 0 || getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
        perror("origin");
        return -1;
    }
    *out_port = ntohs(address.sin_port);
    return fd;
}

static void fill_records(void)
{
    for (size_t at = 0; at < sizeof records; at++) {
        static const uint8_t header[5] = {23, 3, 3, RECORD_BODY >> 8, RECORD_BODY & 0xFF};
        const size_t within = at % RECORD_LEN;
        records[at] = within < sizeof header ? header[within] : (uint8_t)at;
    }
}

static void on_stdin(struct ev_loop *loop, ev_io *io, int events)
{
    (void)events;
    char byte = 0;
    if (read(io->fd, &byte, 1) <= 0)
        ev_break(loop, EVBREAK_ALL);
}

// serve begins to serve on a port of its own, and tells it. False: it could not.
static bool serve(struct ev_loop *loop, struct service *service, enum kind kind)
{
    uint16_t port = 0;
    const int fd = listen_on(&port);
    if (fd < 0)
        return false;
    service->kind = kind;
    ev_io_init(&service->io, on_accept, fd, EV_READ);
    service->io.data = service;
    ev_io_start(loop, &service->io);
    printf("%u", port);
    return true;
}

int origin_run(void)
{
    static const char *const names[KIND_COUNT] = {"echo", "sink", "source", "records"};
    struct ev_loop *loop = ev_loop_new(EVBACKEND_EPOLL);
    struct service services[KIND_COUNT + MORE_ECHOES];
    ev_io input;
    if (loop == NULL)
        return 1;
    fill_records();
    printf("ready");
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        printf(" %s=", names[kind]);
        if (!serve(loop, &services[kind], (enum kind)kind))
            return 1;
    }
    for (int i = 0; i < MORE_ECHOES; i++) {
        printf(" echo%d=", i + 1);
        if (!serve(loop, &services[KIND_COUNT + i], KIND_ECHO))
            return 1;
    }
    printf("\n");
    (void)fflush(stdout);
    ev_io_init(&input, on_stdin, STDIN_FILENO, EV_READ);
    ev_io_start(loop, &input);
    ev_run(loop, 0);
    return 0;
}
