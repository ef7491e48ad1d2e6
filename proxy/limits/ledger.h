// ledger: what every client, and the whole process, uses now. There is one for all workers, and it lives as long as the
// process, so limits count across workers and reloads.
//
// A client's account is found by the client's name. It holds its open tunnels, the rate of its new ones, its bandwidth,
// and its part of what all clients share: connections, and records that wait to be written. A client that holds more
// connections than are free gets no more (auth/base/share.h).
//
// An account exists while somebody holds a reference, and then until nothing in it counts any more. Taking and giving
// back are atomic operations: a limit of N admits exactly N. Opening an account takes a lock, once a connection. Knows
// no sessions, no clock and no config: limits and time are arguments.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/base/err.h"
#include "auth/limits.h"
#include "auth/reason.h"
#include "proxy/limits/rate.h"
#include "proxy/net/pace.h"

enum { ACCOUNT_NAME_CAP = 33 }; // bytes, with the NUL

struct ledger;

// account is what one client uses. Valid as long as a reference to it. Any thread may read the counts and the bandwidth, and
// the owner of a session or of a dial counts it up, and down with count_down. The rest is private to ledger.c.
struct account {
    uint64_t id;               // of the client's name
    _Atomic uint32_t sessions; // that have begun
    _Atomic uint32_t dials;    // connects under way beside others
    struct bandwidth up;
    struct bandwidth down;
    struct account *next; // private; in its chain; under the lock
    uint64_t generation;  // private; of the configuration that set the bandwidth; under the lock
    atomic_size_t refs;   // private; rises from 0 under the lock only
    _Atomic uint32_t tunnels;    // private
    _Atomic uint32_t records;    // private; that wait to be written, or will
    struct rate new_tunnels;     // private
    struct rate refusals;        // private
    char name[ACCOUNT_NAME_CAP]; // private
};

// count_down takes one off a count, which must not be 0.
static inline void count_down(_Atomic uint32_t *count)
{
    ASSERT(atomic_fetch_sub(count, 1) > 0);
}

// limit_refusal says which limit stands in the way, and when asking again makes sense.
struct limit_refusal {
    enum reason reason;
    uint32_t retry_after_s; // at least 1
    bool is_of_whole_proxy; // otherwise it is the client's own
};

// What is in use, for reports.
struct ledger_totals {
    uint32_t sessions;
    uint32_t tunnels;
    uint64_t memory; // bytes, as noted last
    size_t accounts; // held, or not rested yet
};

// ledger_create makes an empty ledger without limits; NULL without memory.
struct ledger *ledger_create(void) MUST_USE;

// ledger_destroy frees it. Every reference, session and tunnel has been given back. NULL is allowed.
void ledger_destroy(struct ledger *ledger);

// ledger_configure sets the limits of the whole process, for all that is taken from now on, and drops the
// accounts in which nothing counts any more. Called by main.
void ledger_configure(struct ledger *ledger, const struct proxy_limits *limits, int64_t now_ms);

// ledger_note_memory notes how many bytes the process has resident; true when that is more than it may.
// Called by main.
bool ledger_note_memory(struct ledger *ledger, uint64_t bytes);

// ledger_open_account gives the account of the client `name` (at most 32 bytes), with a reference that is the
// caller's, and sets its bandwidth to that of `limits`, unless a younger `generation` of the configuration
// has done so. NULL without memory. Any thread.
struct account *ledger_open_account(struct ledger *ledger, const char *name,
                                    const struct client_limits *limits, uint64_t generation,
                                    int64_t now_ms) MUST_USE;

// ledger_close_account gives a reference back. NULL is allowed. Any thread.
void ledger_close_account(struct ledger *ledger, struct account *account, int64_t now_ms);

// ledger_take_tunnel takes one tunnel (anything that has a connection to a target, or will have one) for the client
// and for the process, with a reference to the account, where all limits leave room for it; otherwise it takes
// nothing and says why. Any thread.
bool ledger_take_tunnel(struct ledger *ledger, struct account *account,
                        const struct client_limits *limits, struct limit_refusal *out);

// ledger_begin_tunnel counts a tunnel that was taken as a new one, where the client's rate of these leaves room for it;
// otherwise it says why. Any thread.
bool ledger_begin_tunnel(struct account *account, const struct client_limits *limits,
                         int64_t now_ms, struct limit_refusal *out);

// ledger_give_tunnel gives one back, with the reference. Any thread.
void ledger_give_tunnel(struct ledger *ledger, struct account *account, int64_t now_ms);

// ledger_take_refusal takes one from the rate at which requests of the client may be refused; false where more
// have been. Any thread.
bool ledger_take_refusal(struct ledger *ledger, struct account *account, int64_t now_ms);

// ledger_take_session takes one connection of a client. REASON_NONE, or the limit that stands in the way. Any
// thread; so are the rest.
enum reason ledger_take_session(struct ledger *ledger);

// ledger_give_session gives one back.
void ledger_give_session(struct ledger *ledger);

// ledger_set_room tells how many connections there can be where no limit is set; 0: unknown. Called by main.
void ledger_set_room(struct ledger *ledger, uint32_t sessions);

// ledger_is_fair tells whether the client's youngest session, which has been taken and begun, is within its share.
bool ledger_is_fair(const struct ledger *ledger, const struct account *account);

// account_take_record counts a record that will wait to be written, with a reference to the account, and tells how many
// the client had before; ledger_give_record gives it back.
uint32_t account_take_record(struct account *account);
void ledger_give_record(struct ledger *ledger, struct account *account, int64_t now_ms);

// ledger_read gives what is in use.
struct ledger_totals ledger_read(const struct ledger *ledger);
