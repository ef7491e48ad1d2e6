// An eventfd under a watcher.
#include "proxy/net/bell.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void on_readable(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    (void)events;
    const struct bell *bell = io->data;
    uint64_t rung = 0;
    if (read(io->fd, &rung, sizeof rung) == sizeof rung)
        bell->on_ring(bell->arg, (uint32_t)rung);
}

bool bell_init(struct bell *bell, bell_function *on_ring, void *arg)
{
    *bell = (struct bell){.on_ring = on_ring, .arg = arg};
    ev_io_init(&bell->io, on_readable, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), EV_READ);
    bell->io.data = bell;
    return bell->io.fd >= 0;
}

void bell_start(struct bell *bell, struct ev_loop *loop)
{
    ev_io_start(loop, &bell->io);
}

void bell_stop(struct bell *bell, struct ev_loop *loop)
{
    ev_io_stop(loop, &bell->io);
}

void bell_ring(const struct bell *bell)
{
    const uint64_t one = 1;
    while (write(bell->io.fd, &one, sizeof one) < 0 && errno == EINTR) {
    }
}

void bell_deinit(struct bell *bell)
{
    if (bell->io.fd >= 0)
        (void)close(bell->io.fd);
    bell->io.fd = -1;
}
