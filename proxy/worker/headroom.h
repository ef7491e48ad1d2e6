// headroom: are there descriptors left for another client? Asked before each accept, so that the process
// never runs into EMFILE: live tunnels go on, and every client that was let in can reach its target.
//
// Two counts, and the larger one holds: those of which the ledger knows, two for each session, since every one may
// want a connection to a target; and the number of the last descriptor, for the kernel gives the lowest that is
// free, so that at least as many are in use, by us or by others.
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

// headroom_has_room tells whether another one may be accepted: there are descriptors, and the
// reserve of the loops' memory is whole. `any_fd` is some open descriptor. Logs that accepting stops, at most every
// 10 s.
bool headroom_has_room(struct headroom *headroom, const struct ledger *ledger, int any_fd,
                       int64_t now_ms);

// headroom_sessions_max gives how many connections of clients there can be; 0: unknown.
uint32_t headroom_sessions_max(const struct headroom *headroom);

// headroom_dials_max gives how many connects of a worker may be under way at a time, but for the first of each request.
size_t headroom_dials_max(const struct headroom *headroom);

// headroom_pooled_max gives how many connections to targets may wait, in all sessions of a worker, for a next request:
// few enough that they come out of what is kept free.
size_t headroom_pooled_max(const struct headroom *headroom);
