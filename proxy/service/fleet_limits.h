// fleet_limits: the limits that hold for the whole fleet: what this proxy asks the store for, gives back, and claims again.
//
// Runs on main. The ledger says which accounts need something; what to ask is decided by proxy/fleet (lease, token_lease,
// bandwidth_share); answers go to the ledger's accounts, from which workers take. So no worker ever waits for the store, and a
// tunnel that is open asks nothing.
//
// A lease is good for FLEET_LEASE_MS from the sending of the last beat that was answered. The store takes it back later, so that
// it is never in two hands. Then what is open stays, and `on_lost` says what new requests get.
#pragma once

#include "auth/base/text.h"
#include "proxy/fleet/fleet_beat.h"
#include "proxy/limits/ledger.h"
#include "proxy/metrics/exposition.h"
#include "proxy/store/store_link.h"

enum {
    FLEET_BEAT_MS = 500,    // how often fleet_limits_note_beat and fleet_limits_tick are called
    FLEET_LEASE_MS = 5000,  // less than the store's time, FLEET_ALIVE_MS
    FLEET_ALIVE_MS = 7000,  // the time to live that the script `beat` is given
    FLEET_ANSWER_MS = 1000, // an answer later than this is none
};

struct ev_loop;
struct fleet_limits;

struct fleet_limits_options {
    struct ev_loop *loop;           // borrowed
    struct ledger *ledger;          // borrowed; must outlive it
    const char *instance;           // borrowed
    const char *prefix;             // of all keys; borrowed
    bool refuses;                   // without the store; otherwise each proxy has its share
    void (*on_answer)(void *owner); // workers are to look again; from the loop
    void *owner;                    // borrowed
};

struct fleet_limits_counts {
    uint64_t questions;  // that were sent, of all kinds
    uint64_t waits;      // requests that had to wait for an answer
    uint64_t refused;    // in which a limit of the fleet was full
    uint64_t unanswered; // or were not understood
    uint64_t losses;     // how often the leases were lost
    size_t unheard;      // accounts of which the store says nothing but errors
    size_t accounts;     // with something held here
    uint64_t granted;    // places held here of all accounts
};

// fleet_limits_create begins; until the first beat the store counts as lost. NULL without memory or descriptors.
struct fleet_limits *fleet_limits_create(const struct fleet_limits_options *options) MUST_USE;

// fleet_limits_destroy ends it, and forgets its calls. NULL is allowed. The workers have ended before: one that lists an account
// would wake what is gone.
void fleet_limits_destroy(struct fleet_limits *limits);

// fleet_limits_set_policy sets what a reload may change.
void fleet_limits_set_policy(struct fleet_limits *limits, const char *prefix, bool refuses);

// fleet_limits_set_link sets the connection that is used from now on, borrowed; NULL: none. What was asked over another one is
// forgotten, so it must be there still.
void fleet_limits_set_link(struct fleet_limits *limits, struct store_link *link);

// fleet_limits_note_state notes that the store may be asked, since the connection is ready and the store is ours, or not any more: what
// is held is claimed again, as the store may be another one.
void fleet_limits_note_state(struct fleet_limits *limits, bool is_ready);

// fleet_limits_epoch gives the number of the connection to the store, for the beat: each has a higher one.
uint64_t fleet_limits_epoch(const struct fleet_limits *limits);

// fleet_limits_note_beat takes the answer to a beat that was sent at `sent_ms`, monotonic.
void fleet_limits_note_beat(struct fleet_limits *limits, const struct fleet_beat *beat,
                            int64_t sent_ms);

// fleet_limits_set_draining sets whether nothing new will come here: then all that is spare is given back with each beat.
void fleet_limits_set_draining(struct fleet_limits *limits, bool is_draining);

// fleet_limits_tick looks at the time. Called each FLEET_BEAT_MS, whether the store answers or not, and also when nothing is shared any
// more: what was held is looked after until it ends.
void fleet_limits_tick(struct fleet_limits *limits);

// fleet_limits_asks tells whether the store is asked. Otherwise it counts as lost, and limits are as the policy says.
bool fleet_limits_asks(const struct fleet_limits *limits);

// fleet_limits_counts gives what has happened.
struct fleet_limits_counts fleet_limits_counts(const struct fleet_limits *limits);

// fleet_limits_metrics adds families, without samples for NULL.
void fleet_limits_metrics(const struct fleet_limits *limits, struct exposition *out);

// fleet_limits_status adds the member `limits`.
void fleet_limits_status(const struct fleet_limits *limits, struct text *out);
