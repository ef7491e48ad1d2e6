// While an idle watcher is active libev does not wait in its backend, and calls it in each round that has found nothing else.
#include "proxy/loop/busy_poll.h"

static void on_nothing(struct ev_loop *loop, ev_idle *look, int events)
{
    (void)events;
    struct busy_poll *poll = look->data;
    const unsigned iteration = ev_iteration(loop);
    if (iteration != poll->iteration + 1)
        poll->since = ev_now(loop); // the round before had work
    poll->iteration = iteration;
    if ((ev_now(loop) - poll->since) * 1e6 >= (double)poll->spin_us)
        ev_idle_stop(loop, look);
}

static void on_woken(struct ev_loop *loop, ev_check *woken, int events)
{
    (void)events;
    struct busy_poll *poll = woken->data;
    if (!ev_is_active(&poll->look))
        ev_idle_start(loop, &poll->look);
}

void busy_poll_start(struct busy_poll *poll, struct ev_loop *loop, int64_t spin_us)
{
    busy_poll_stop(poll);
    *poll = (struct busy_poll){.spin_us = spin_us};
    if (spin_us == 0)
        return;
    poll->loop = loop;
    ev_idle_init(&poll->look, on_nothing);
    ev_set_priority(&poll->look, EV_MINPRI);
    ev_check_init(&poll->woken, on_woken);
    poll->look.data = poll;
    poll->woken.data = poll;
    ev_check_start(loop, &poll->woken);
}

void busy_poll_stop(struct busy_poll *poll)
{
    if (poll->loop == NULL)
        return;
    ev_idle_stop(poll->loop, &poll->look);
    ev_check_stop(poll->loop, &poll->woken);
    poll->loop = NULL;
}
