// acceptor: takes connections off a listening socket, for the few that ask main for something. Where there is no room, or no
// descriptor, they wait in the socket's queue for half a second, and the loop does not spin.
//
// Workers have proxy/net/listener.h, which also knows addresses.
#pragma once

#include <ev.h>
#include <stdbool.h>

struct acceptor_events {
    bool (*has_room)(void *arg);          // for one more; asked before each
    void (*on_accept)(void *arg, int fd); // a new connection, not blocking, which is the owner's
    void *arg;                            // borrowed
};

// Embedded, zeroed at first; the fields are private to acceptor.c.
struct acceptor {
    struct ev_loop *loop; // borrowed
    struct acceptor_events events;
    ev_io io;       // its descriptor is borrowed
    ev_timer pause; // nobody is accepted for a while
    bool is_held;   // by the owner
};

// acceptor_start accepts from `fd`, a listening socket that does not block and that stays the owner's. Not to be stopped from
// within its events.
void acceptor_start(struct acceptor *acceptor, struct ev_loop *loop, int fd,
                    const struct acceptor_events *events);

// acceptor_hold leaves the connections in the queue until acceptor_release.
void acceptor_hold(struct acceptor *acceptor);
void acceptor_release(struct acceptor *acceptor);

// acceptor_stop stops for good. The socket stays open.
void acceptor_stop(struct acceptor *acceptor);
