// A signalfd under a watcher.
#include "proxy/process/signals.h"

#include <pthread.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void on_readable(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    (void)events;
    const struct signals *signals = io->data;
    struct signalfd_siginfo info;
    while (read(io->fd, &info, sizeof info) == sizeof info)
        signals->on_signal(signals->arg, info.ssi_signo);
}

void signals_block(struct signals *signals, const int *numbers, size_t count)
{
    *signals = (struct signals){.io.fd = -1};
    (void)sigemptyset(&signals->set);
    for (size_t i = 0; i < count; i++)
        (void)sigaddset(&signals->set, numbers[i]);
    (void)pthread_sigmask(SIG_BLOCK, &signals->set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN);
}

bool signals_are_pending(const int *numbers, size_t count)
{
    sigset_t pending;
    bool is_pending = false;
    if (sigpending(&pending) != 0)
        return false;
    for (size_t i = 0; i < count; i++)
        is_pending |= sigismember(&pending, numbers[i]) == 1;
    return is_pending;
}

bool signals_start(struct signals *signals, struct ev_loop *loop,
                   void (*on_signal)(void *arg, uint32_t number), void *arg)
{
    signals->on_signal = on_signal;
    signals->arg = arg;
    ev_io_init(&signals->io, on_readable, signalfd(-1, &signals->set, SFD_NONBLOCK | SFD_CLOEXEC),
               EV_READ);
    signals->io.data = signals;
    if (signals->io.fd < 0)
        return false;
    ev_io_start(loop, &signals->io);
    return true;
}

void signals_stop(struct signals *signals, struct ev_loop *loop)
{
    if (signals->io.fd < 0)
        return;
    ev_io_stop(loop, &signals->io);
    (void)close(signals->io.fd);
    signals->io.fd = -1;
}
