// hop: the way of one request through a parent: a connection to one of its proxies, or a stream of a shared one, the CONNECT
// for an address that the policy has admitted, and the answer.
//
//     FIND --places of a service are known--> REACH
//     REACH --connected--> ASK --asked--> READ --200--> DONE, connected
//       |  \--shared: asked and answered---^ | \--refused--> DONE, or REACH with the next address
//       \--cannot be reached--> REACH with the next parent, or DONE
//
// Another parent is tried only where the one before could not be reached; what a parent has refused stays refused. It takes
// no decision and records nothing.
#pragma once

#include "auth/policy.h"
#include "proxy/http/parent_answer.h"
#include "proxy/http/via.h"
#include "proxy/session/channel.h"
#include "proxy/session/parents.h"
#include "proxy/uplink/uplink.h"

enum hop_status {
    HOP_WAITS,
    HOP_CONNECTED, // hop_take_uplink, and then the bytes of hop_rest
    HOP_DIRECT,    // no parent could be reached, and the way allows to go without
    HOP_FAILED,    // `failure` says why
};

enum { HOP_ADDRESSES_MAX = 3 }; // that a parent is asked for, one after the other

// hop_failure is why there is no tunnel.
struct hop_failure {
    enum reason reason;
    uint16_t status;    // for the client
    const char *detail; // a few words, static memory
};

struct hop;

// What it is asked for; all borrowed for the call, but for the channel.
struct hop_request {
    struct channel *channel;        // borrowed; the owner of its stream is woken
    const struct peer *peer;        // borrowed; whose request it is
    const struct via *via;          // begins with a parent
    const struct candidate *judged; // those that are admitted, and of this way, are asked for
    size_t judged_count;
    const struct target *target; // asked for by its name, where a candidate is that
    const struct via_trail *trail;
};

// hop_create begins the way. NULL without memory.
struct hop *hop_create(const struct hop_request *request) MUST_USE;

// hop_destroy ends what is under way, and frees. NULL is allowed.
void hop_destroy(struct hop *hop);

// hop_step does what can be done now.
enum hop_status hop_step(struct hop *hop);

// hop_may_begin_again tells whether no parent has been asked yet: the way may be left without a trace.
bool hop_may_begin_again(const struct hop *hop);

// hop_fail_late ends it where the time for all of it is over, and gives the failure.
struct hop_failure hop_fail_late(struct hop *hop);

// hop_failure gives why it has failed.
struct hop_failure hop_failure(const struct hop *hop);

// hop_answer gives the answer of the parent, as far as there is one. Borrowed.
const struct parent_answer *hop_answer(const struct hop *hop);

// hop_parent gives the parent that is, or was last, tried, and hop_proxy which of its proxies. Borrowed from the parent; NULL:
// none was.
struct parent *hop_parent(const struct hop *hop);
const struct target *hop_proxy(const struct hop *hop);

// hop_is_http2 tells whether it is a stream of a shared connection.
bool hop_is_http2(const struct hop *hop);

// hop_address gives the address that the parent is asked for.
const struct ip_addr *hop_address(const struct hop *hop);

// hop_attempts tells how many addresses parents were asked for.
uint32_t hop_attempts(const struct hop *hop);

// hop_rest gives what has come after the answer. Borrowed until destroy.
struct slice hop_rest(const struct hop *hop);

// hop_take_uplink hands the way over; the caller owns it.
struct uplink *hop_take_uplink(struct hop *hop);
