// Buffers that grow to the largest message, and no further.
#include "proxy/keys/key_wire.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    INBOX_FIRST = 16 * 1024,
    OUTBOX_FIRST = 4 * 1024,
    OUTBOX_MAX = 16 * 1024 * 1024,
};

bool key_wire_pair(int out_fds[2])
{
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, out_fds) == 0;
}

// grow doubles a buffer until `need` bytes fit. False without memory, or beyond `max`.
static bool grow(uint8_t **data, size_t *cap, size_t first, size_t need, size_t max)
{
    size_t more = *cap == 0 ? first : *cap;
    while (more < need && more < max)
        more *= 2;
    if (more < need)
        return false;
    uint8_t *grown = realloc(*data, more);
    if (grown == NULL)
        return false;
    *data = grown;
    *cap = more;
    return true;
}

// make_room moves what is left to the front, and grows the inbox where it is full.
static bool make_room(struct key_inbox *inbox)
{
    bytes_drop_front(inbox->data, inbox->end, inbox->begin);
    inbox->end -= inbox->begin;
    inbox->begin = 0;
    return inbox->end < inbox->cap || grow(&inbox->data, &inbox->cap, INBOX_FIRST, inbox->cap + 1,
                                           (size_t)2 * KEY_MESSAGE_MAX);
}

// keep_one keeps the first descriptor that came, in the place of any that nobody has taken, and closes all others: there may be room
// for one more than was meant, for the kernel pads.
static void keep_one(struct key_inbox *inbox, const struct cmsghdr *header)
{
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof inbox->fd;
    for (size_t i = 0; i < count; i++) {
        int fd = -1;
        (void)bytes_copy(&fd, sizeof fd, slice_of(CMSG_DATA(header) + i * sizeof fd, sizeof fd));
        if (i > 0) {
            (void)close(fd);
            continue;
        }
        if (inbox->fd > 0)
            (void)close(inbox->fd);
        inbox->fd = fd;
    }
}

static void take_descriptor(struct key_inbox *inbox, struct msghdr *header)
{
    for (struct cmsghdr *at = CMSG_FIRSTHDR(header); at != NULL; at = CMSG_NXTHDR(header, at)) {
        if (at->cmsg_level == SOL_SOCKET && at->cmsg_type == SCM_RIGHTS)
            keep_one(inbox, at);
    }
}

enum err key_inbox_fill(struct key_inbox *inbox, int fd)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    if (!make_room(inbox))
        return ERR_MEMORY;
    struct iovec bytes = {inbox->data + inbox->end, inbox->cap - inbox->end};
    struct msghdr header = {.msg_iov = &bytes,
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = sizeof control};
    const ssize_t count = recvmsg(fd, &header, MSG_CMSG_CLOEXEC);
    if (count < 0)
        return errno == EAGAIN || errno == EINTR ? ERR_AGAIN : ERR_SYSTEM;
    take_descriptor(inbox, &header);
    inbox->end += (size_t)count;
    return count == 0 ? ERR_EOF : ERR_OK;
}

enum key_parse key_inbox_take(struct key_inbox *inbox, struct key_message *out)
{
    size_t len = 0;
    if (inbox->data == NULL)
        return KEY_PARSE_MORE;
    const struct slice left = slice_of(inbox->data + inbox->begin, inbox->end - inbox->begin);
    const enum key_parse parsed = key_message_parse(left, out, &len);
    if (parsed == KEY_PARSE_GOOD)
        inbox->begin += len;
    return parsed;
}

bool key_outbox_add(struct key_outbox *outbox, const struct key_message *message)
{
    uint8_t head[KEY_HEAD_MAX];
    const size_t head_len = key_message_head(message, head);
    size_t need = outbox->end + head_len + message->bytes.len;
    if (need > outbox->cap && outbox->begin > 0) { // what was sent makes room
        bytes_drop_front(outbox->data, outbox->end, outbox->begin);
        outbox->end -= outbox->begin;
        need -= outbox->begin;
        outbox->begin = 0;
    }
    if (need > outbox->cap && !grow(&outbox->data, &outbox->cap, OUTBOX_FIRST, need, OUTBOX_MAX))
        return false;
    (void)bytes_copy(outbox->data + outbox->end, outbox->cap - outbox->end,
                     slice_of(head, head_len));
    outbox->end += head_len;
    (void)bytes_copy(outbox->data + outbox->end, outbox->cap - outbox->end, message->bytes);
    outbox->end += message->bytes.len;
    return true;
}

enum err key_outbox_send(struct key_outbox *outbox, int fd)
{
    while (outbox->begin < outbox->end) {
        const ssize_t count =
            send(fd, outbox->data + outbox->begin, outbox->end - outbox->begin, MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return errno == EAGAIN ? ERR_AGAIN : ERR_SYSTEM;
        outbox->begin += (size_t)count;
    }
    outbox->begin = outbox->end = 0;
    return ERR_OK;
}

bool key_outbox_is_empty(const struct key_outbox *outbox)
{
    return outbox->begin == outbox->end;
}

bool key_wire_send_with(int fd, const struct key_message *message, int beside)
{
    uint8_t head[KEY_HEAD_MAX];
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.room = {0}};
    ASSERT(message->bytes.len == 0);
    struct iovec bytes = {head, key_message_head(message, head)};
    struct msghdr header = {.msg_iov = &bytes,
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = sizeof control};
    struct cmsghdr *at = CMSG_FIRSTHDR(&header);
    at->cmsg_level = SOL_SOCKET;
    at->cmsg_type = SCM_RIGHTS;
    at->cmsg_len = CMSG_LEN(sizeof beside);
    (void)bytes_copy(CMSG_DATA(at), sizeof beside, slice_of(&beside, sizeof beside));
    return sendmsg(fd, &header, MSG_NOSIGNAL) == (ssize_t)bytes.iov_len;
}

void key_inbox_deinit(struct key_inbox *inbox)
{
    if (inbox->fd > 0)
        (void)close(inbox->fd);
    free(inbox->data);
    *inbox = (struct key_inbox){0};
}

void key_outbox_deinit(struct key_outbox *outbox)
{
    free(outbox->data);
    *outbox = (struct key_outbox){0};
}
