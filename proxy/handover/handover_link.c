// A socket of datagrams in order (SOCK_SEQPACKET) under a watcher; a queue of what it has not taken.
#include "proxy/handover/handover_link.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/mem.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LINK_MAGIC = 0x11A7D0F5, READ_BATCH = 16 };

// packet is one datagram that waits.
struct packet {
    STAILQ_ENTRY(packet) link;
    int fds[HANDOVER_FDS_MAX]; // owned; copies
    size_t fd_count;
    size_t len;
    uint8_t data[];
};

STAILQ_HEAD(packet_list, packet);

struct handover_link {
    uint32_t magic;
    struct ev_loop *loop; // borrowed
    struct handover_events events;
    ev_io readable; // its descriptor is owned
    ev_io writable;
    struct packet_list waiting;
    size_t waiting_len;
    bool is_ended;   // on_end was called, or is about to be
    bool *destroyed; // set when the link goes while a callback runs
};

// A control message with room for all descriptors of a datagram.
union control_room {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int) * HANDOVER_FDS_MAX)];
};

bool handover_pair(int out_fds[2])
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, out_fds) == 0;
}

static void close_all(int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (fds[i] >= 0)
            (void)close(fds[i]);
        fds[i] = -1;
    }
}

// ---- sending ------------------------------------------------------------------------------------

// send_packet gives the datagram to the kernel; false with errno set.
static bool send_packet(int fd, const uint8_t *data, size_t len, const int *fds, size_t fd_count)
{
    union control_room control = {0};
    struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd_count > 0) {
        const size_t fds_len = fd_count * sizeof *fds;
        message.msg_control = control.room;
        message.msg_controllen = CMSG_SPACE(fds_len);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(fds_len);
        (void)bytes_copy(CMSG_DATA(&control.header), fds_len, slice_of(fds, fds_len));
    }
    ssize_t sent = -1;
    do
        sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)len;
}

static void drop_first(struct handover_link *link)
{
    struct packet *packet = STAILQ_FIRST(&link->waiting);
    STAILQ_REMOVE_HEAD(&link->waiting, link);
    link->waiting_len -= packet->len;
    close_all(packet->fds, packet->fd_count);
    OPENSSL_cleanse(packet->data, packet->len);
    free(packet);
}

// is_unreachable tells whether the other end has gone, by what sending has said.
static bool is_unreachable(int error)
{
    return error == EPIPE || error == ECONNRESET || error == ENOTCONN;
}

// flush sends what the socket takes. Who cannot be reached any more is found out by reading. Whatever else is wrong, memory
// for instance, is tried again: a list without one of its pieces would be another list.
static void flush(struct handover_link *link)
{
    while (!STAILQ_EMPTY(&link->waiting)) {
        const struct packet *packet = STAILQ_FIRST(&link->waiting);
        if (!send_packet(link->readable.fd, packet->data, packet->len, packet->fds,
                         packet->fd_count) &&
            !is_unreachable(errno)) {
            ev_io_start(link->loop, &link->writable);
            return;
        }
        drop_first(link);
    }
    ev_io_stop(link->loop, &link->writable);
}

static void on_writable(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    (void)events;
    struct handover_link *link = io->data;
    ASSERT(link->magic == LINK_MAGIC);
    flush(link);
}

// copy_fds makes copies of descriptors for a packet. False: there are none left.
static bool copy_fds(struct packet *packet, const int *fds, size_t fd_count)
{
    for (; packet->fd_count < fd_count; packet->fd_count++) {
        const int copy = fcntl(fds[packet->fd_count], F_DUPFD_CLOEXEC, 0);
        if (copy < 0)
            return false;
        packet->fds[packet->fd_count] = copy;
    }
    return true;
}

bool handover_link_send(struct handover_link *link, const struct handover_message *message,
                        const int *fds, size_t fd_count)
{
    uint8_t data[HANDOVER_MESSAGE_MAX];
    const size_t len = handover_message_format(message, data);
    ASSERT(len > 0 && fd_count <= HANDOVER_FDS_MAX);
    struct packet *packet =
        link->waiting_len + len > HANDOVER_QUEUE_MAX ? NULL : calloc(1, sizeof *packet + len);
    if (packet != NULL && !copy_fds(packet, fds, fd_count)) {
        close_all(packet->fds, packet->fd_count);
        free(packet);
        packet = NULL;
    }
    if (packet != NULL) {
        packet->len = len;
        (void)bytes_copy(packet->data, len, slice_of(data, len));
        STAILQ_INSERT_TAIL(&link->waiting, packet, link);
        link->waiting_len += len;
        flush(link);
    }
    OPENSSL_cleanse(data, len);
    return packet != NULL;
}

bool handover_link_say(struct handover_link *link, enum handover_kind kind, uint64_t number)
{
    const struct handover_message message = {.kind = kind, .number = number};
    return handover_link_send(link, &message, NULL, 0);
}

void handover_link_set_events(struct handover_link *link, const struct handover_events *events)
{
    link->events = *events;
}

bool handover_link_is_sent(const struct handover_link *link)
{
    return STAILQ_EMPTY(&link->waiting);
}

bool handover_link_has_ended(const struct handover_link *link)
{
    return link->is_ended;
}

bool handover_link_is_held(const struct handover_link *link)
{
    struct pollfd end = {.fd = link->readable.fd};
    return poll(&end, 1, 0) == 0; // POLLHUP needs not be asked for
}

bool handover_tell(int fd, const struct handover_message *message)
{
    uint8_t data[HANDOVER_MESSAGE_MAX];
    const size_t len = handover_message_format(message, data);
    const bool is_sent = len > 0 && send_packet(fd, data, len, NULL, 0);
    OPENSSL_cleanse(data, len);
    return is_sent;
}

// ---- receiving ----------------------------------------------------------------------------------

// take_fds takes the descriptors out of a control message.
static void take_fds(struct msghdr *message, int *fds, size_t *out_count)
{
    *out_count = 0;
    for (struct cmsghdr *at = CMSG_FIRSTHDR(message); at != NULL; at = CMSG_NXTHDR(message, at)) {
        if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SCM_RIGHTS)
            continue;
        const size_t len = at->cmsg_len - CMSG_LEN(0);
        const size_t room = (HANDOVER_FDS_MAX - *out_count) * sizeof *fds;
        if (bytes_copy(fds + *out_count, room, slice_of(CMSG_DATA(at), len)))
            *out_count += len / sizeof *fds;
    }
}

// receive reads one datagram. ERR_AGAIN, ERR_EOF, ERR_INPUT or ERR_SYSTEM; then there are no descriptors.
static enum err receive(int fd, uint8_t *data, struct handover_message *out, int *fds,
                        size_t *out_count, struct errinfo *info)
{
    union control_room control = {0};
    struct iovec part = {.iov_base = data, .iov_len = HANDOVER_MESSAGE_MAX};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.room,
                             .msg_controllen = sizeof control.room};
    bool needs_fd = false;
    *out_count = 0;
    ssize_t len = -1;
    do // who ends without having listened resets; the kernel tells that once, before the last words
        len = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (len < 0 && (errno == EINTR || errno == ECONNRESET));
    if (len < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return ERR_AGAIN;
    if (len == 0)
        return errinfo_set(info, ERR_EOF, "the other process has ended");
    if (len < 0)
        return errinfo_set(info, ERR_SYSTEM, "cannot hear the other process: %m");
    take_fds(&message, fds, out_count);
    enum err error = ERR_OK;
    if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
        error = errinfo_set(info, ERR_INPUT, "a message is cut short");
    else
        error = handover_message_parse(slice_of(data, (size_t)len), out, info);
    if (error == ERR_OK &&
        (*out_count > handover_message_fds(out->kind, &needs_fd) || (needs_fd && *out_count == 0)))
        error = errinfo_set(info, ERR_INPUT, "the message `%s` has not the descriptors it needs",
                            handover_kind_name(out->kind));
    if (error != ERR_OK) {
        close_all(fds, *out_count);
        *out_count = 0;
    }
    return error;
}

enum err handover_receive(int fd, int patience_ms, uint8_t *data, struct handover_message *out,
                          int *fds, size_t *out_fd_count, struct errinfo *info)
{
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    enum err error = ERR_AGAIN;
    while (error == ERR_AGAIN) {
        const int ready = poll(&readable, 1, patience_ms);
        if (ready == 0)
            return errinfo_set(info, ERR_TIMEOUT, "the other process says nothing");
        if (ready < 0 && errno != EINTR)
            return errinfo_set(info, ERR_SYSTEM, "cannot wait for the other process: %m");
        error = receive(fd, data, out, fds, out_fd_count, info);
    }
    return error;
}

static void end(struct handover_link *link, const char *why)
{
    if (link->is_ended)
        return;
    link->is_ended = true;
    ev_io_stop(link->loop, &link->readable);
    ev_io_stop(link->loop, &link->writable);
    link->events.on_end(link->events.arg, why);
}

// read_one reads one message and passes it on. False: there is none now, or the link is gone.
static bool read_one(struct handover_link *link)
{
    uint8_t data[HANDOVER_MESSAGE_MAX];
    int fds[HANDOVER_FDS_MAX];
    size_t fd_count = 0;
    struct handover_message message;
    struct errinfo info;
    bool is_destroyed = false;
    const enum err error = receive(link->readable.fd, data, &message, fds, &fd_count, &info);
    if (error == ERR_AGAIN)
        return false;
    if (error != ERR_OK) {
        end(link, error == ERR_EOF ? NULL : info.text);
        return false;
    }
    link->destroyed = &is_destroyed;
    link->events.on_message(link->events.arg, &message, fds, fd_count);
    close_all(fds, fd_count);
    OPENSSL_cleanse(data, sizeof data);
    if (is_destroyed)
        return false;
    link->destroyed = NULL;
    return ev_is_active(&link->readable);
}

static void on_readable(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    (void)events;
    struct handover_link *link = io->data;
    ASSERT(link->magic == LINK_MAGIC);
    for (size_t i = 0; i < READ_BATCH && read_one(link); i++) {
    }
}

void handover_link_hear(struct handover_link *link)
{
    while (read_one(link)) {
    }
}

// ---- life ---------------------------------------------------------------------------------------

struct handover_link *handover_link_create(struct ev_loop *loop, int fd,
                                           const struct handover_events *events)
{
    struct handover_link *link = calloc(1, sizeof *link);
    if (link == NULL) {
        (void)close(fd);
        return NULL;
    }
    link->magic = LINK_MAGIC;
    link->loop = loop;
    link->events = *events;
    STAILQ_INIT(&link->waiting);
    ev_io_init(&link->readable, on_readable, fd, EV_READ);
    ev_io_init(&link->writable, on_writable, fd, EV_WRITE);
    link->readable.data = link;
    link->writable.data = link;
    ev_io_start(loop, &link->readable);
    return link;
}

void handover_link_destroy(struct handover_link *link)
{
    if (link == NULL)
        return;
    ev_io_stop(link->loop, &link->readable);
    ev_io_stop(link->loop, &link->writable);
    while (!STAILQ_EMPTY(&link->waiting))
        drop_first(link);
    (void)close(link->readable.fd);
    if (link->destroyed != NULL)
        *link->destroyed = true;
    link->magic = 0;
    free(link);
}

void handover_link_pause(struct handover_link *link)
{
    ev_io_stop(link->loop, &link->readable);
}

void handover_link_resume(struct handover_link *link)
{
    if (!link->is_ended)
        ev_io_start(link->loop, &link->readable);
}

int handover_link_fd(const struct handover_link *link)
{
    return link->readable.fd;
}
