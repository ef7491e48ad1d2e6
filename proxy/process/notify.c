// One datagram to a Unix socket; a leading `@` stands for the abstract namespace.
#include "proxy/process/notify.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "auth/base/slice.h"
#include "proxy/clock/clock.h"

void notify_send(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    if (path == NULL || (path[0] != '/' && path[0] != '@'))
        return;
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    const struct slice text = slice_of_string(path);
    if (!bytes_copy(name.sun_path, sizeof name.sun_path, text))
        return;
    if (name.sun_path[0] == '@')
        name.sun_path[0] = '\0';
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    const struct slice bytes = slice_of_string(state);
    const socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + text.len);
    (void)!sendto(fd, bytes.data, bytes.len, MSG_NOSIGNAL, (const struct sockaddr *)&name, len);
    (void)close(fd);
}

void notify_send_reloading(void)
{
    char state[64];
    (void)snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, monotonic_us());
    notify_send(state);
}
