// listener: listening sockets: bound by main before any worker starts, accepted from by a worker.
//
// Every worker has a socket of its own on the same address (SO_REUSEPORT), so that the kernel spreads
// the connections. The first one is bound without sharing, which is how a second instance finds the
// address taken.
#pragma once

#include <ev.h>

#include "auth/ipaddr.h"

// listener_bind opens `count` non-blocking listening sockets on `addr`:`port` into `out_fds`, and writes
// the port in use (of interest when `port` is 0) to `*out_port`. All or nothing. ERR_SYSTEM with
// a sentence in `info`. Called by main; the caller owns the descriptors.
enum err listener_bind(const struct ip_addr *addr, uint16_t port, size_t count, int *out_fds,
                       uint16_t *out_port, struct errinfo *info) MUST_USE;

struct listener;

struct listener_events {
    // on_accept gets a new connected non-blocking socket, which it owns from then on.
    void (*on_accept)(void *arg, int fd, const struct ip_addr *peer, uint16_t peer_port);
    // may_accept is asked before each; false: accepting pauses for a moment. NULL: always.
    bool (*may_accept)(void *arg);
    // on_exhausted is told, at most every 5 s, that descriptors or memory ran out and accepting pauses for a moment.
    void (*on_exhausted)(void *arg, int error);
    void *arg; // borrowed
};

// listener_start begins to accept from `fd`, which is taken over. NULL without memory.
struct listener *listener_start(struct ev_loop *loop, int fd,
                                const struct listener_events *events) MUST_USE;

// listener_set_arg changes what the callbacks get as `arg`.
void listener_set_arg(struct listener *listener, void *arg);

// listener_accept_waiting accepts what waits in the queue now: the last thing before an address is given up.
void listener_accept_waiting(struct listener *listener);

// listener_move goes on on another loop. Not to be called from within on_accept.
void listener_move(struct listener *listener, struct ev_loop *loop);

// listener_stop stops accepting, closes the socket and frees. NULL is allowed. Not to be called from
// within on_accept.
void listener_stop(struct listener *listener);
