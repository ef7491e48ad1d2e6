// busy_poll: has an event loop look again and again for a while, before it sleeps until something happens.
//
// A thread that sleeps is woken late: the scheduler, and a processor that has to leave its idle state. One that looks is there
// at once, and uses its processor meanwhile. Knows nothing of what runs on the loop. One thread.
#pragma once

#include <ev.h>
#include <stdint.h>

// Embedded; zeroed it does nothing. Private to busy_poll.c.
struct busy_poll {
    struct ev_loop *loop; // borrowed; NULL: not started
    int64_t spin_us;
    ev_idle look;       // active: the loop does not sleep
    ev_check woken;     // starts to look after a sleep
    ev_tstamp since;    // loop time; when nothing was left to do
    unsigned iteration; // of the loop, when there was nothing to do last
};

// busy_poll_start has `loop` look for `spin_us` microseconds after the last event; 0: it sleeps at once, as it does by
// itself. busy_poll_stop must follow, before the loop ends.
void busy_poll_start(struct busy_poll *poll, struct ev_loop *loop, int64_t spin_us);

// busy_poll_stop has the loop sleep at once again. One that was never started is allowed.
void busy_poll_stop(struct busy_poll *poll);
