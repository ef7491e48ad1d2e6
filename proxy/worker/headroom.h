// headroom: tells whether there are descriptors left for another client. Asked before each accept, so the process never
// runs into EMFILE: live tunnels go on, and every accepted client can reach its target.
//
// The larger of two counts holds. The first comes from the ledger: two for each session, since each may want a connection
// to a target. The second is the number of the last descriptor: the kernel gives the lowest free one, so at least as many
// are in use.
#pragma once

#include "proxy/limits/ledger.h"

// Private to headroom.c, except for the first two, which the worker sets.
struct headroom {
    uint64_t descriptors; // that the process may have; 0: unknown, never asked for
    uint64_t base;        // those that are open without any client
    bool is_tight;
    int64_t logged_ms; // monotonic; when it was last logged
};

// headroom_note looks at the descriptor `fd` of a connection that was just accepted.
void headroom_note(struct headroom *headroom, const struct ledger *ledger, int fd);

// headroom_has_room tells whether another connection may be accepted: there are descriptors, and the memory reserve of the
// loops is whole. `any_fd` is any open descriptor. Logs at most every 10 s that accepting stops.
bool headroom_has_room(struct headroom *headroom, const struct ledger *ledger, int any_fd,
                       int64_t now_ms);

// headroom_sessions_max gives how many connections of clients there can be; 0: unknown.
uint32_t headroom_sessions_max(const struct headroom *headroom);

// headroom_dials_max gives how many connects of a worker may be under way at a time, not counting the first of each
// request.
size_t headroom_dials_max(const struct headroom *headroom);

// headroom_pooled_max gives how many connections to targets a worker may keep for a next request: few enough to fit into
// what is kept free.
size_t headroom_pooled_max(const struct headroom *headroom);
