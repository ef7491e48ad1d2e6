// refusals: how often who was refused for which reason lately, so that a storm of bad handshakes, or of denied
// requests, becomes one audit record a second and not thousands.
//
// A table of fixed size for the whole process, under a lock: refusing costs far more. One client has one slot for
// each reason, wherever it comes from; where nobody knows the client, a source has (an IPv4 address, or the /64 of
// an IPv6 address). Time is an argument.
#pragma once

#include "auth/ipaddr.h"
#include "auth/reason.h"

enum {
    REFUSALS_EACH_PER_SECOND = 10, // handshakes: records of their own for one source and reason
    REFUSALS_SLOTS = 256,
    REFUSALS_NAME_CAP = 33,   // bytes of a listener's name, with the NUL
    REFUSALS_CLIENT_CAP = 65, // bytes of the name of a client or account, with the NUL
};

// refusal_subject is who was refused, and why.
struct refusal_subject {
    const char *client;           // name; NULL: nobody knows it
    const struct ip_addr *source; // where it came from
    uint16_t port;
    enum reason reason;
    const char *listener;
};

struct refusal_slot {
    struct ip_addr source;            // of the last one; IP_NONE: of several that found no slot
    char client[REFUSALS_CLIENT_CAP]; // empty: none is known
    uint16_t port;                    // of the last one
    enum reason reason;
    int64_t window_start_ms;
    uint32_t seen;                    // in this window
    uint32_t counted;                 // of those, without a record of their own
    char listener[REFUSALS_NAME_CAP]; // of the last one
};

struct refusals;

// refusals_create makes an empty table that gives `each_per_second` refusals of one subject and reason a record of
// their own; 0: none of them. NULL without memory.
struct refusals *refusals_create(uint32_t each_per_second) MUST_USE;

// refusals_destroy frees it. NULL is allowed.
void refusals_destroy(struct refusals *refusals);

// refusals_note tells whether this refusal deserves a record of its own; if not it is counted. One that finds no
// slot has a record of its own where there are such, otherwise it is counted with all others of its reason that
// found none. Any thread.
bool refusals_note(struct refusals *refusals, const struct refusal_subject *subject,
                   int64_t now_ms);

// refusals_next_due takes one finished window with something counted out of the table, into `*out`; false
// when there is none. With `is_final` unfinished windows count as finished. Any thread.
bool refusals_next_due(struct refusals *refusals, int64_t now_ms, bool is_final,
                       struct refusal_slot *out);
