// A timer and the time at which it fires.
#include "proxy/loop/deadline.h"

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    const struct deadline *deadline = timer->data;
    deadline->on_timer(deadline->owner);
}

void deadline_init(struct deadline *deadline, void (*function)(void *owner), void *owner)
{
    *deadline = (struct deadline){.on_timer = function, .owner = owner};
    ev_timer_init(&deadline->timer, on_timer, 0., 0.);
    deadline->timer.data = deadline;
}

void deadline_set(struct deadline *deadline, struct ev_loop *loop, int64_t due_ms, int64_t now_ms)
{
    if (ev_is_active(&deadline->timer) && due_ms >= deadline->due_ms)
        return;
    if (due_ms == INT64_MAX)
        return;
    const int64_t wait_ms = due_ms > now_ms ? due_ms - now_ms : 0;
    ev_timer_stop(loop, &deadline->timer);
    ev_timer_set(&deadline->timer, (ev_tstamp)wait_ms / 1000., 0.);
    ev_timer_start(loop, &deadline->timer);
    deadline->due_ms = due_ms;
}

void deadline_stop(struct deadline *deadline, struct ev_loop *loop)
{
    ev_timer_stop(loop, &deadline->timer);
}
