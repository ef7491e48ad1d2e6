// Each firing of the timer is a pass. An entry knows the pass in which it was queued.
#include "proxy/loop/turn.h"

#include "proxy/clock/clock.h"

static void schedule(struct turn *turn)
{
    if (ev_is_active(&turn->timer))
        return;
    ev_timer_set(&turn->timer, 0., 0.);
    ev_timer_start(turn->loop, &turn->timer);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct turn *turn = timer->data;
    struct turn_entry *entry = NULL;
    int64_t begun_us = monotonic_us();
    turn->spent_us = 0;
    turn->pass++;
    while ((entry = TAILQ_FIRST(&turn->entries)) != NULL && entry->pass != turn->pass &&
           !turn_is_spent(turn)) {
        turn_leave(entry);
        turn->work(entry->owner);
        const int64_t now_us = monotonic_us();
        turn->spent_us += now_us - begun_us;
        begun_us = now_us;
    }
    if (!TAILQ_EMPTY(&turn->entries))
        schedule(turn);
}

void turn_init(struct turn *turn, struct ev_loop *loop, int priority, int64_t budget_us,
               void (*work)(void *owner))
{
    *turn = (struct turn){.loop = loop, .work = work, .budget_us = budget_us};
    TAILQ_INIT(&turn->entries);
    ev_timer_init(&turn->timer, on_timer, 0., 0.);
    ev_set_priority(&turn->timer, priority);
    turn->timer.data = turn;
}

void turn_enqueue(struct turn *turn, struct turn_entry *entry, void *owner)
{
    if (entry->turn != NULL)
        return;
    entry->turn = turn;
    entry->owner = owner;
    entry->pass = turn->pass;
    TAILQ_INSERT_TAIL(&turn->entries, entry, link);
    schedule(turn);
}

void turn_leave(struct turn_entry *entry)
{
    if (entry->turn == NULL)
        return;
    TAILQ_REMOVE(&entry->turn->entries, entry, link);
    entry->turn = NULL;
}

void turn_begin_pass(struct turn *turn)
{
    turn->spent_us = 0;
}

bool turn_is_spent(const struct turn *turn)
{
    return turn->spent_us >= turn->budget_us;
}

void turn_stop(struct turn *turn)
{
    ev_timer_stop(turn->loop, &turn->timer);
}
