// A timer of the kernel for a day that never comes, which is cancelled when the wall clock jumps
// (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET). Waking from sleep is such a jump too.
#include "proxy/service/clock_watch.h"

#include <stdint.h>
#include <sys/timerfd.h>
#include <unistd.h>

static const struct itimerspec never = {.it_value = {.tv_sec = INT32_MAX * INT64_C(100)}};

static bool arm(int fd)
{
    return timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL) == 0;
}

static void on_cancelled(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    (void)events;
    const struct clock_watch *watch = io->data;
    uint64_t count = 0;
    (void)!read(io->fd, &count, sizeof count); // ECANCELED: that is the news
    (void)arm(io->fd);
    watch->on_set(watch->arg);
}

bool clock_watch_start(struct clock_watch *watch, struct ev_loop *loop, void (*on_set)(void *arg),
                       void *arg)
{
    const int fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (fd < 0)
        return false;
    if (!arm(fd)) {
        (void)close(fd);
        return false;
    }
    watch->on_set = on_set;
    watch->arg = arg;
    ev_io_init(&watch->io, on_cancelled, fd, EV_READ);
    watch->io.data = watch;
    ev_io_start(loop, &watch->io);
    watch->is_started = true;
    return true;
}

void clock_watch_stop(struct clock_watch *watch, struct ev_loop *loop)
{
    if (!watch->is_started)
        return;
    ev_io_stop(loop, &watch->io);
    (void)close(watch->io.fd);
    watch->is_started = false;
}
