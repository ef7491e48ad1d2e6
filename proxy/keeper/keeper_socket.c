// SOCK_SEQPACKET: a datagram is whole, in order, and its end is seen.
#include "proxy/keeper/keeper_socket.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FDS_MAX = 4 }; // that are taken, to be closed; one is used

union control_room {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int) * FDS_MAX)];
};

bool keeper_socket_pair(int out_fds[2])
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, out_fds) == 0;
}

bool keeper_socket_send(int fd, const struct keeper_message *message, int beside)
{
    uint8_t data[KEEPER_MESSAGE_LEN];
    union control_room control = {0};
    struct iovec part = {.iov_base = data, .iov_len = sizeof data};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    keeper_message_format(message, data);
    if (beside >= 0) {
        header.msg_control = control.room;
        header.msg_controllen = CMSG_SPACE(sizeof beside);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof beside);
        (void)bytes_copy(CMSG_DATA(&control.header), sizeof beside,
                         slice_of(&beside, sizeof beside));
    }
    ssize_t sent = -1;
    do
        sent = sendmsg(fd, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)sizeof data;
}

void keeper_socket_discard(int fd)
{
    const struct linger none = {0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    (void)close(fd);
}

// take_fd gives the first descriptor that came along, and closes all others.
static int take_fd(struct msghdr *header)
{
    int fds[FDS_MAX];
    int taken = -1;
    for (struct cmsghdr *at = CMSG_FIRSTHDR(header); at != NULL; at = CMSG_NXTHDR(header, at)) {
        const struct slice bytes = slice_of(CMSG_DATA(at), at->cmsg_len - CMSG_LEN(0));
        if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SCM_RIGHTS ||
            !bytes_copy(fds, sizeof fds, bytes))
            continue;
        for (size_t i = 0; i < bytes.len / sizeof *fds; i++) {
            if (taken < 0)
                taken = fds[i];
            else
                keeper_socket_discard(fds[i]);
        }
    }
    return taken;
}

enum err keeper_socket_receive(int fd, struct keeper_message *out, int *out_beside,
                               struct errinfo *info)
{
    uint8_t data[KEEPER_MESSAGE_LEN + 1]; // one more, so that what is too long shows
    union control_room control = {0};
    struct iovec part = {.iov_base = data, .iov_len = sizeof data};
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = control.room,
                            .msg_controllen = sizeof control.room};
    *out_beside = -1;
    ssize_t len = -1;
    do // who ends without having listened resets; the kernel tells that once, before the last words
        len = recvmsg(fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (len < 0 && (errno == EINTR || errno == ECONNRESET));
    if (len < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return ERR_AGAIN;
    if (len < 0)
        return errinfo_set(info, ERR_SYSTEM, "cannot hear the other process: %m");
    if (len == 0)
        return errinfo_set(info, ERR_EOF, "the other process has ended");
    int beside = take_fd(&header);
    enum err error = keeper_message_parse(slice_of(data, (size_t)len), out, info);
    const bool needs_fd = out->kind == KEEPER_START || out->kind == KEEPER_HOLD;
    if (error == ERR_OK && (beside >= 0) != needs_fd)
        error = errinfo_set(info, ERR_INPUT, "a message with a descriptor too few or too many");
    if (error == ERR_OK)
        *out_beside = beside;
    else if (beside >= 0)
        keeper_socket_discard(beside);
    return error;
}
