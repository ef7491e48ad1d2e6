// dialer: connects to the first of some addresses that answers (Happy Eyeballs, RFC 8305 5).
//
// It dials what it is given and nothing else: the caller has judged every address, and put them into
// their order. The next one is dialled 250 ms after the last, or at once when that has failed; the
// first connection wins, and the others are closed. After connecting, the peer is asked for its name
// and must be the address that was dialled.
#pragma once

#include <ev.h>

#include "auth/ipaddr.h"

enum {
    DIALER_MAX_ADDRESSES = 32,
    DIALER_MAX_SOURCES = 16,
    DIALER_MAX_AT_ONCE =
        6, // attempts under way; each but the first one only where there is a place for it
    DIALER_DELAY_MS = 250, // from one attempt to the next
};

enum dial_result {
    DIAL_CONNECTED,
    DIAL_REFUSED,      // every address refused or was unreachable
    DIAL_TIMED_OUT,    // the one that ended last did not answer in time
    DIAL_NO_RESOURCES, // no descriptor or memory on our side
    DIAL_NO_SOURCE,    // none of `sources` could be used for any address: nothing was sent
};

struct dialer;

struct dialer_options {
    const struct ip_addr *addresses; // borrowed for the call; in order
    size_t count;                    // further than DIALER_MAX_ADDRESSES is not looked at
    uint16_t port;
    int64_t attempt_ms; // for each address
    // Our own addresses to dial from, in turns, those of the target's family only; borrowed for the call.
    // Without any the kernel chooses. With some it never does, not even when none can be used.
    const struct ip_addr *sources;
    size_t source_count;  // further than DIALER_MAX_SOURCES is not looked at
    uint32_t source_turn; // which one has its turn; any number
    bool expects_more;    // dialer_add will follow: the last failure is not the end
};

struct dialer_events {
    // on_done is called once, from the loop, never from within dialer_start or dialer_add. With
    // DIAL_CONNECTED, `fd` is the connected non-blocking socket, owned by the callee, to
    // dialer_last_dialled; otherwise `fd` is -1. The dialer is still to be destroyed by its owner.
    void (*on_done)(void *arg, enum dial_result result, int fd);
    // take_place is asked before each attempt that is begun while another one is under way: false puts it off.
    // give_place is called once for each true. Both NULL: there is always a place.
    bool (*take_place)(void *arg);
    void (*give_place)(void *arg);
    void *arg; // borrowed
};

// dialer_start begins to dial. NULL without memory.
struct dialer *dialer_start(struct ev_loop *loop, const struct dialer_options *options,
                            const struct dialer_events *events) MUST_USE;

// dialer_add gives more addresses, as long as on_done has not been called: they and those that are
// still waiting take turns, the new ones first. `expects_more` as in dialer_options.
void dialer_add(struct dialer *dialer, const struct ip_addr *addresses, size_t count,
                bool expects_more);

// dialer_attempts tells how many addresses have been dialled so far.
uint32_t dialer_attempts(const struct dialer *dialer);

// dialer_last_dialled gives the address that is connected, or else the one dialled last; of family
// IP_NONE when there was none.
struct ip_addr dialer_last_dialled(const struct dialer *dialer);

// dialer_destroy ends the attempts under way, without calling back, and frees. NULL is allowed.
void dialer_destroy(struct dialer *dialer);
