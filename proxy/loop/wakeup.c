// An eventfd under a watcher.
#include "proxy/loop/wakeup.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void on_readable(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    (void)events;
    const struct wakeup *wakeup = io->data;
    uint64_t count = 0;
    if (read(io->fd, &count, sizeof count) == sizeof count)
        wakeup->on_wakeup(wakeup->arg, (uint32_t)count);
}

bool wakeup_start(struct wakeup *wakeup, struct ev_loop *loop, wakeup_function *on_wakeup,
                  void *arg)
{
    *wakeup = (struct wakeup){.on_wakeup = on_wakeup, .arg = arg};
    ev_io_init(&wakeup->io, on_readable, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), EV_READ);
    wakeup->io.data = wakeup;
    if (wakeup->io.fd < 0)
        return false;
    wakeup->loop = loop;
    ev_io_start(loop, &wakeup->io);
    return true;
}

void wakeup_move(struct wakeup *wakeup, struct ev_loop *loop)
{
    ev_io_stop(wakeup->loop, &wakeup->io);
    wakeup->loop = loop;
    ev_io_start(loop, &wakeup->io);
}

void wakeup_stop(struct wakeup *wakeup)
{
    if (wakeup->loop == NULL)
        return;
    ev_io_stop(wakeup->loop, &wakeup->io);
    (void)close(wakeup->io.fd);
    wakeup->loop = NULL;
}

void wakeup_send(const struct wakeup *wakeup)
{
    const uint64_t one = 1;
    while (write(wakeup->io.fd, &one, sizeof one) < 0 && errno == EINTR) {
    }
}
