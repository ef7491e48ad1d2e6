// dialer: connects to the first of some addresses that answers, one after the other.
//
// It dials what it is given and nothing else: the caller has judged every address. After connecting,
// the peer is asked for its name and must be the address that was dialled.
#pragma once

#include <ev.h>

#include "auth/ipaddr.h"

enum { DIALER_MAX_ADDRESSES = 32 };

enum dial_result {
    DIAL_CONNECTED,
    DIAL_REFUSED,     // every address refused or was unreachable
    DIAL_TIMED_OUT,   // the last one did not answer in time
    DIAL_NO_RESOURCES // no descriptor or memory on our side
};

struct dialer;

struct dialer_events {
    // on_done is called once, from the loop, never from within dialer_start. With DIAL_CONNECTED, `fd`
    // is the connected non-blocking socket, owned by the callee, to the address dialled last; otherwise
    // `fd` is -1. The dialer is still to be destroyed by its owner.
    void (*on_done)(void *arg, enum dial_result result, int fd);
    void *arg; // borrowed
};

// dialer_start dials `addresses[0..count)` at `port` in order, each for at most `attempt_ms`. The
// addresses are copied (at most DIALER_MAX_ADDRESSES of them). NULL without memory.
struct dialer *dialer_start(struct ev_loop *loop, const struct ip_addr *addresses, size_t count,
                            uint16_t port, int64_t attempt_ms,
                            const struct dialer_events *events) MUST_USE;

// dialer_attempts tells how many addresses have been dialled so far.
uint32_t dialer_attempts(const struct dialer *dialer);

// dialer_destroy ends the attempt under way, if any, without calling back, and frees. NULL is allowed.
void dialer_destroy(struct dialer *dialer);
