// A timer that repeats, and two variables of the environment.
#include "proxy/process/watchdog.h"

#include <stdlib.h>

enum { TURNS = 3 }; // in the time that the manager waits: two may come late

// read_number reads a whole decimal variable; 0 where it is missing or something else.
static unsigned long long read_number(const char *name)
{
    const char *text = getenv(name);
    char *end = NULL;
    if (text == NULL || *text < '0' || *text > '9')
        return 0;
    const unsigned long long number = strtoull(text, &end, 10);
    return *end == '\0' ? number : 0;
}

static void on_turn(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    const struct watchdog *watchdog = timer->data;
    watchdog->turn(watchdog->arg);
}

void watchdog_start(struct watchdog *watchdog, struct ev_loop *loop, watchdog_turn *turn, void *arg)
{
    const unsigned long long patience_us = read_number("WATCHDOG_USEC");
    if (patience_us == 0)
        return;
    const double every_s = (double)patience_us / 1e6 / TURNS;
    watchdog->turn = turn;
    watchdog->arg = arg;
    ev_timer_init(&watchdog->timer, on_turn, 0., every_s < 0.001 ? 0.001 : every_s);
    watchdog->timer.data = watchdog;
    ev_timer_again(loop, &watchdog->timer);
}

void watchdog_stop(struct watchdog *watchdog, struct ev_loop *loop)
{
    if (watchdog->turn != NULL)
        ev_timer_stop(loop, &watchdog->timer);
}
