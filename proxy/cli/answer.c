// One deadline for all reads; nothing is told of what comes before the end.
#include "proxy/cli/answer.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>

#include "auth/base/array.h"
#include "proxy/clock/clock.h"

enum { ANSWER_MAX = 64 * 1024 * 1024 }; // a power of two, as the room is

// await waits until there is something to read. ERR_TIMEOUT, ERR_SYSTEM.
static enum err await(int fd, int64_t until_ms)
{
    struct pollfd socket = {.fd = fd, .events = POLLIN};
    for (;;) {
        const int64_t left_ms = until_ms - monotonic_ms();
        if (until_ms != INT64_MAX && left_ms <= 0)
            return ERR_TIMEOUT;
        const int count = poll(&socket, 1, left_ms < INT_MAX ? (int)left_ms : -1);
        if (count > 0)
            return ERR_OK;
        if (count < 0 && errno != EINTR)
            return ERR_SYSTEM;
    }
}

enum err answer_hear(struct answer *answer, int fd, int64_t patience_ms)
{
    const int64_t until_ms = patience_ms == 0 ? INT64_MAX : monotonic_ms() + patience_ms;
    for (;;) {
        if (answer->len == ANSWER_MAX)
            return ERR_LIMIT;
        char *room = array_make_room(answer->data, answer->len, &answer->cap, 1);
        if (room == NULL)
            return ERR_MEMORY;
        answer->data = room;
        TRY(await(fd, until_ms));
        const ssize_t count =
            recv(fd, answer->data + answer->len, answer->cap - answer->len, MSG_DONTWAIT);
        if (count > 0)
            answer->len += (size_t)count;
        else if (count == 0 || errno == ECONNRESET)
            return ERR_OK;
        else if (errno != EINTR && errno != EAGAIN)
            return ERR_SYSTEM;
    }
}
