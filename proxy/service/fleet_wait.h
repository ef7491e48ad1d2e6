// fleet_wait: how a start waits for what it needs from the store, on main's loop, before anybody is served.
//
// It ends whatever the store says, and as soon as somebody wants the process to end. Knows no link.
#pragma once

#include "proxy/service/fleet_blocking.h"
#include "proxy/service/fleet_greeting.h"
#include "proxy/service/fleet_tickets.h"

struct fleet_wait {
    struct ev_loop *loop;                  // borrowed, like all of these
    const struct fleet_greeting *greeting; // while it is FRESH the patience begins again
    const struct fleet_blocking *blocking;
    const struct fleet_tickets *tickets;
};

// fleet_wait_is_over tells whether all was read that a start needs: blocks and ticket secrets.
bool fleet_wait_is_over(const struct fleet_wait *wait);

// fleet_wait_run runs the loop until that is so, or `patience_ms` are over; twice that and FLEET_FRESH_MS at most. SIGTERM and SIGINT, which
// are blocked, end it, too.
void fleet_wait_run(const struct fleet_wait *wait, int64_t patience_ms);
