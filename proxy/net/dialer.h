// dialer: connects to the first of some addresses that answers (Happy Eyeballs, RFC 8305 5).
//
// It dials only the addresses that it is given: the caller has judged and sorted them. The next address is dialled 250 ms
// after the last one, or at once if that has failed. The first connection wins, and the others are closed. A connected
// socket must name the dialled address as its peer.
#pragma once

#include <ev.h>

#include "auth/ipaddr.h"

enum {
    DIALER_MAX_ADDRESSES = 32,
    DIALER_MAX_SOURCES = 16,
    DIALER_MAX_AT_ONCE = 6, // attempts under way; every one but the first needs a place
    DIALER_DELAY_MS = 250,  // from one attempt to the next
};

enum dial_result {
    DIAL_CONNECTED,
    DIAL_REFUSED,      // every address refused or was unreachable
    DIAL_TIMED_OUT,    // the address that failed last did not answer in time
    DIAL_NO_RESOURCES, // no descriptor or memory on our side
    DIAL_NO_SOURCE,    // no source could be used for any address: nothing was sent
};

// dial_result_name gives a few words, the same in answers and records; static memory.
const char *dial_result_name(enum dial_result result);

struct dialer;

struct dialer_options {
    const struct ip_addr *addresses; // borrowed for the call; in order
    size_t count;                    // those after DIALER_MAX_ADDRESSES are ignored
    uint16_t port;
    int64_t attempt_ms; // for each address
    // Our own addresses to dial from, in turns, only those of the target's family; borrowed for the call. Without any the
    // kernel chooses. With some the kernel never chooses, even if none can be used.
    const struct ip_addr *sources;
    size_t source_count;  // those after DIALER_MAX_SOURCES are ignored
    uint32_t source_turn; // the source to begin with, modulo their number
    bool expects_more;    // dialer_add will follow: the last failure is not the end
};

struct dialer_events {
    // on_done is called once, from the loop, never from within dialer_start or dialer_add. With DIAL_CONNECTED, `fd` is the
    // non-blocking socket connected to dialer_last_dialled, owned by the callee; otherwise it is -1. The owner still has to
    // destroy the dialer.
    void (*on_done)(void *arg, enum dial_result result, int fd);
    // take_place is called before each attempt that begins while another one is under way. False delays the attempt.
    // give_place is called once for each true. Both NULL: there is always a place.
    bool (*take_place)(void *arg);
    void (*give_place)(void *arg);
    void *arg; // borrowed
};

// dialer_start begins to dial. NULL without memory.
struct dialer *dialer_start(struct ev_loop *loop, const struct dialer_options *options,
                            const struct dialer_events *events) MUST_USE;

// dialer_add adds addresses, before on_done has been called. They take turns with those that still wait, the new ones
// first. `expects_more` as in dialer_options.
void dialer_add(struct dialer *dialer, const struct ip_addr *addresses, size_t count,
                bool expects_more);

// dialer_attempts gives the number of addresses dialled so far.
uint32_t dialer_attempts(const struct dialer *dialer);

// dialer_last_dialled gives the connected address, or else the one dialled last; its family is IP_NONE if there was none.
struct ip_addr dialer_last_dialled(const struct dialer *dialer);

// dialer_destroy ends the attempts under way without calling back, and frees the dialer. NULL is allowed.
void dialer_destroy(struct dialer *dialer);
