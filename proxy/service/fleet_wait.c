// The loop is left ten times a second, to look whether it has been long enough.
#include "proxy/service/fleet_wait.h"

#include <ev.h>
#include <signal.h>

#include "proxy/clock/clock.h"
#include "proxy/process/signals.h"

static const double LOOK_S = 0.1;

static void on_look(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)timer;
    (void)events; // the loop is left, and that is all
}

bool fleet_wait_is_over(const struct fleet_wait *wait)
{
    return fleet_blocking_has_compared(wait->blocking) && fleet_tickets_has_any(wait->tickets);
}

// is_told_to_end tells whether somebody wants the process to end before it serves.
static bool is_told_to_end(void)
{
    static const int endings[] = {SIGTERM, SIGINT};
    return signals_are_pending(endings, sizeof endings / sizeof *endings);
}

void fleet_wait_run(const struct fleet_wait *wait, int64_t patience_ms)
{
    int64_t until_ms = monotonic_ms() + patience_ms;
    const int64_t end_ms = until_ms + FLEET_FRESH_MS + patience_ms; // whatever the store says
    ev_timer look;
    ev_timer_init(&look, on_look, LOOK_S, LOOK_S);
    ev_timer_start(wait->loop, &look);
    while (!fleet_wait_is_over(wait) && monotonic_ms() < until_ms && !is_told_to_end()) {
        ev_run(wait->loop, EVRUN_ONCE);
        if (fleet_greeting_trust(wait->greeting) == FLEET_FRESH)
            until_ms = monotonic_ms() + patience_ms;
        if (until_ms > end_ms)
            until_ms = end_ms;
    }
    ev_timer_stop(wait->loop, &look);
}
