// refusals: how often which source was refused for which reason lately, so that a storm of bad
// handshakes becomes one audit record a second and not thousands.
//
// One table of fixed size for the whole process, under a lock: refusing a handshake costs far more. Time is an
// argument.
#pragma once

#include "auth/ipaddr.h"
#include "auth/reason.h"

enum {
    REFUSALS_EACH_PER_SECOND = 10, // records of their own for one source and reason; then counted
    REFUSALS_SLOTS = 256,
    REFUSALS_LISTENER_CAP = 33, // bytes, with the NUL
};

struct refusal_slot {
    struct ip_addr source;
    uint16_t port; // of the last one
    enum reason reason;
    int64_t window_start_ms;
    uint32_t seen;                        // in this window
    uint32_t counted;                     // of those, without a record of their own
    char listener[REFUSALS_LISTENER_CAP]; // of the last one
};

struct refusals;

// refusals_create makes an empty table; NULL without memory.
struct refusals *refusals_create(void) MUST_USE;

// refusals_destroy frees it. NULL is allowed.
void refusals_destroy(struct refusals *refusals);

// refusals_note tells whether this refusal deserves a record of its own; if not it is counted. Any
// thread.
bool refusals_note(struct refusals *refusals, const struct ip_addr *source, uint16_t port,
                   enum reason reason, const char *listener, int64_t now_ms);

// refusals_next_due takes one finished window with something counted out of the table, into `*out`; false
// when there is none. With `is_final` unfinished windows count as finished. Any thread.
bool refusals_next_due(struct refusals *refusals, int64_t now_ms, bool is_final,
                       struct refusal_slot *out);
