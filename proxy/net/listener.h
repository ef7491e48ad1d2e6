// listener: listening sockets. main binds them before any worker starts; a worker accepts from them.
//
// Every worker has its own socket on the same address (SO_REUSEPORT), so the kernel spreads the connections. The first
// socket is bound without sharing, so a second instance of the program finds the address taken.
#pragma once

#include <ev.h>

#include "auth/ipaddr.h"

// listener_bind opens `count` non-blocking listening sockets on `addr`:`port`, and writes the descriptors, which the caller
// owns, to `out_fds` and the port (which the kernel picks for 0) to `*out_port`. ERR_DENIED, where somebody has the address, or
// ERR_SYSTEM, with a sentence in `info`: then no socket is open. Called by main.
enum err listener_bind(const struct ip_addr *addr, uint16_t port, size_t count, int *out_fds,
                       uint16_t *out_port, struct errinfo *info) MUST_USE;

// listener_join opens `count` more sockets beside those that listen on `addr`:`port` already, in this process or in one of
// the same user, and shares their connections. They all allow it (SO_REUSEPORT). Otherwise as listener_bind.
enum err listener_join(const struct ip_addr *addr, uint16_t port, size_t count, int *out_fds,
                       struct errinfo *info) MUST_USE;

struct listener;

struct listener_events {
    // on_accept gets a new connected non-blocking socket and owns it.
    void (*on_accept)(void *arg, int fd, const struct ip_addr *peer, uint16_t peer_port);
    // may_accept is called before each accept. False: accepting pauses for 0.1 s. NULL: always true.
    bool (*may_accept)(void *arg);
    // on_exhausted is called, at most every 5 s, when descriptors or memory ran out and accepting pauses.
    void (*on_exhausted)(void *arg, int error);
    void *arg; // borrowed
};

// listener_start begins to accept from `fd` and takes it over. NULL without memory: then `fd` stays the caller's.
struct listener *listener_start(struct ev_loop *loop, int fd,
                                const struct listener_events *events) MUST_USE;

// listener_hold accepts nobody until listener_release; connections wait in the queue meanwhile.
void listener_hold(struct listener *listener);
void listener_release(struct listener *listener);

// listener_set_arg changes the `arg` of the callbacks.
void listener_set_arg(struct listener *listener, void *arg);

// listener_accept_waiting accepts the connections that wait in the queue. Call it before an address is given up.
void listener_accept_waiting(struct listener *listener);

// listener_move moves the listener to another loop. Not to be called from within on_accept.
void listener_move(struct listener *listener, struct ev_loop *loop);

// listener_stop stops accepting, closes the socket and frees. NULL is allowed. Not to be called from
// within on_accept.
void listener_stop(struct listener *listener);
