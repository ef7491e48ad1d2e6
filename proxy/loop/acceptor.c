// A batch at a time, so that many who come at once do not keep the loop from its other work.
#include "proxy/loop/acceptor.h"

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>

enum { ACCEPT_BATCH = 16 };

static const ev_tstamp pause_s = 0.5;

static void pause_accepting(struct acceptor *acceptor)
{
    ev_io_stop(acceptor->loop, &acceptor->io);
    ev_timer_set(&acceptor->pause, pause_s, 0.);
    ev_timer_start(acceptor->loop, &acceptor->pause);
}

static void on_readable(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    (void)events;
    struct acceptor *acceptor = io->data;
    const struct acceptor_events *owner = &acceptor->events;
    for (size_t i = 0; i < ACCEPT_BATCH && owner->has_room(owner->arg); i++) {
        const int fd = accept4(io->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0)
            owner->on_accept(owner->arg, fd);
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            return;
        else if (errno != EINTR && errno != ECONNABORTED) {
            pause_accepting(acceptor);
            return;
        }
    }
    if (!owner->has_room(owner->arg))
        pause_accepting(acceptor);
}

static void on_pause_over(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)events;
    struct acceptor *acceptor = timer->data;
    if (!acceptor->is_held)
        ev_io_start(loop, &acceptor->io);
}

void acceptor_start(struct acceptor *acceptor, struct ev_loop *loop, int fd,
                    const struct acceptor_events *events)
{
    *acceptor = (struct acceptor){.loop = loop, .events = *events};
    ev_io_init(&acceptor->io, on_readable, fd, EV_READ);
    ev_timer_init(&acceptor->pause, on_pause_over, 0., 0.);
    acceptor->io.data = acceptor;
    acceptor->pause.data = acceptor;
    ev_io_start(loop, &acceptor->io);
}

void acceptor_hold(struct acceptor *acceptor)
{
    acceptor->is_held = true;
    ev_io_stop(acceptor->loop, &acceptor->io);
}

void acceptor_release(struct acceptor *acceptor)
{
    acceptor->is_held = false;
    if (!ev_is_active(&acceptor->pause))
        ev_io_start(acceptor->loop, &acceptor->io);
}

void acceptor_stop(struct acceptor *acceptor)
{
    if (acceptor->loop == NULL)
        return;
    ev_io_stop(acceptor->loop, &acceptor->io);
    ev_timer_stop(acceptor->loop, &acceptor->pause);
}
