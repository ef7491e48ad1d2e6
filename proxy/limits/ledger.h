// ledger: what each client, and the whole process, uses now. All workers share one ledger, which lives as long as the
// process, so limits hold across workers and reloads.
//
// An account is found by its name. It counts a client's open tunnels, the rate of new ones, its bandwidth, and its part of
// what all clients share: connections, and records that wait to be written. A client that holds more connections than are
// free gets no more (auth/base/share.h). Most clients have one account, with the client's name. A client that is named from
// certificates has one for each name, and at most as many as its configuration says.
//
// An account lives while it has references, and after that until all its rates are paid off. Counts are atomic: a limit of
// N admits exactly N. Opening an account takes a lock, once for each connection. Knows no sessions, no clock and no config:
// limits and time are arguments.
//
// Limits that hold for the whole fleet are taken from what main has got from the store (fleet_account.h). Where that is used up
// a request waits, with a ticket, and main is woken to ask.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/base/err.h"
#include "auth/base/slice.h"
#include "auth/limits.h"
#include "auth/reason.h"
#include "proxy/limits/fleet_account.h"
#include "proxy/limits/rate.h"
#include "proxy/net/pace.h"

enum { LEDGER_OTHERS_MAX = 4 }; // other processes whose tunnels count here

struct ledger;

// account is what one client uses. It is valid as long as the caller's reference. Any thread may read what is not private.
// The owner of a session or a dial counts it: up with `++`, down with count_down. The rest is written by ledger.c only.
struct account {
    uint64_t id;               // of the name; different in each process
    _Atomic uint32_t sessions; // that have begun
    _Atomic uint32_t dials;    // connects under way beside others
    struct bandwidth up;
    struct bandwidth down;
    struct account *next; // private; in its chain; under the lock
    uint64_t
        generation; // private; of the configuration that set bandwidth and owner; under the lock
    // private; ref; the account of the client that has many, this among them; NULL: it is a client's only one; under the lock
    struct account *owner;
    uint32_t members;           // private; accounts with this owner; under the lock
    uint32_t members_max;       // private; at least 1 where there are members; under the lock
    atomic_size_t refs;         // private; rises from 0 under the lock only
    _Atomic uint32_t tunnels;   // open, or about to be
    _Atomic uint32_t records;   // private; that wait to be written, or will
    struct rate new_tunnels;    // private
    struct rate requests;       // private
    struct rate refusals;       // private
    struct fleet_account fleet; // of main and ledger.c; others read
    _Atomic uint32_t foreign;   // private; tunnels in other processes, all together
    uint32_t foreign_of[LEDGER_OTHERS_MAX]; // private; in each; under the lock
    uint32_t reported; // private; what ledger_report has said last; under the lock
    char name[];
};

// account_request says which account is meant, and what the configuration says about it. All is borrowed.
struct account_request {
    const char *name;
    const char *
        owner; // the name of the client that has many accounts, this among them; NULL: the account is the client's
    uint32_t members_max; // the number of accounts that the owner may have, at least 1
    const struct client_limits *limits; // the bandwidth is set
    uint64_t generation;                // of the configuration
    int64_t now_ms;                     // monotonic
};

// count_down takes one off a count, which must not be 0.
static inline void count_down(_Atomic uint32_t *count)
{
    ASSERT(atomic_fetch_sub(count, 1) > 0);
}

// ledger_fleet says what becomes of requests for which nothing is left of what the fleet has granted.
enum ledger_fleet {
    LEDGER_FLEET_REFUSES, // the store is lost, or was never reached: they are refused
    LEDGER_FLEET_ASKS,    // they wait until the store was asked
    LEDGER_FLEET_SHARES,  // the store is lost: this proxy has its part of the limit
};

// ledger_ticket is a request that waits for the fleet. Zeroed: it waits for nothing.
struct ledger_ticket {
    struct account *account; // ref, while it waits
    enum fleet_kind kind;    // what it waits for
    uint32_t round;          // of the first question in which it counts
};

// ledger_turn is what has become of a request that takes something.
enum ledger_turn {
    LEDGER_TAKEN,
    LEDGER_REFUSED, // the refusal says why
    LEDGER_WAITS,   // with its ticket, until main has an answer: try again then
};

// limit_refusal says which limit refuses, and when the client may try again.
struct limit_refusal {
    enum reason reason;
    uint32_t retry_after_s; // at least 1
    bool is_of_whole_proxy; // false: the limit is the client's own
    const char
        *detail; // static memory; why it is not known what the client may; NULL: a limit is full
};

// What is in use, for reports.
struct ledger_totals {
    uint64_t sessions;
    uint64_t tunnels;
    uint64_t memory;      // bytes, as noted last
    size_t accounts;      // with references, or with rates not paid off yet
    uint64_t fleet_waits; // requests that had to wait for the fleet, since the start
};

// ledger_create makes an empty ledger without limits; NULL without memory.
struct ledger *ledger_create(void) MUST_USE;

// ledger_destroy frees the ledger. All references, sessions and tunnels must have been given back. NULL is allowed.
void ledger_destroy(struct ledger *ledger);

// ledger_configure sets the limits of the whole process for everything taken from now on, and frees unused accounts.
// Called by main.
void ledger_configure(struct ledger *ledger, const struct proxy_limits *limits, int64_t now_ms);

// ledger_note_memory notes the number of resident bytes of the process, and tells whether it is above the limit. Called by
// main.
bool ledger_note_memory(struct ledger *ledger, uint64_t bytes);

// ledger_lacks_memory tells whether the last number, with those of other processes, was above the limit. Any thread.
bool ledger_lacks_memory(const struct ledger *ledger);

// ledger_open_account gives an account with a reference for the caller. Owner, number of members and bandwidth are those
// of the youngest generation that has asked. ERR_LIMIT if the owner has as many accounts as it may have, ERR_MEMORY; then
// `*out` is NULL. Any thread.
enum err ledger_open_account(struct ledger *ledger, const struct account_request *request,
                             struct account **out) MUST_USE;

// ledger_close_account drops a reference. NULL is allowed. Any thread.
void ledger_close_account(struct ledger *ledger, struct account *account, int64_t now_ms);

// ledger_take_tunnel counts one tunnel (anything that has or will have a connection to a target) for the client and for the
// process, and takes a reference to the account. If a limit refuses it counts nothing and writes `*out`. Any thread.
bool ledger_take_tunnel(struct ledger *ledger, struct account *account,
                        const struct client_limits *limits, struct limit_refusal *out);

// ledger_begin_tunnel counts a taken tunnel against the client's rate of new tunnels. If the rate refuses it writes `*out`.
// Any thread.
bool ledger_begin_tunnel(struct account *account, const struct client_limits *limits,
                         int64_t now_ms, struct limit_refusal *out);

// ledger_take_tunnel_of_fleet is ledger_take_tunnel where the limits hold for the fleet. Any thread, like the functions below.
enum ledger_turn ledger_take_tunnel_of_fleet(struct ledger *ledger, struct account *account,
                                             const struct client_limits *limits, int64_t now_ms,
                                             struct ledger_ticket *ticket,
                                             struct limit_refusal *out);

// ledger_begin_tunnel_of_fleet is ledger_begin_tunnel where the limits hold for the fleet.
enum ledger_turn ledger_begin_tunnel_of_fleet(struct ledger *ledger, struct account *account,
                                              const struct client_limits *limits, int64_t now_ms,
                                              struct ledger_ticket *ticket,
                                              struct limit_refusal *out);

// ledger_take_request counts a request against the client's rate of requests, in either scope.
enum ledger_turn ledger_take_request(struct ledger *ledger, struct account *account,
                                     const struct client_limits *limits, int64_t now_ms,
                                     struct ledger_ticket *ticket, struct limit_refusal *out);

// ledger_end_wait gives a ticket back. Idempotent.
void ledger_end_wait(struct ledger *ledger, struct ledger_ticket *ticket, int64_t now_ms);

// ledger_is_answered tells whether a request that waits has reason to try again. Any thread.
bool ledger_is_answered(const struct ledger *ledger, const struct ledger_ticket *ticket);

// ledger_give_tunnel ends a tunnel and drops its reference. Any thread.
void ledger_give_tunnel(struct ledger *ledger, struct account *account, int64_t now_ms);

// ledger_move_tunnel has a tunnel of `from`, with its reference, count for `to`, which the caller holds. It is open already, so no
// limit is asked. `limits` are those of `to`. Any thread.
void ledger_move_tunnel(struct ledger *ledger, struct account *from, struct account *to,
                        const struct client_limits *limits, int64_t now_ms);

// ledger_take_refusal counts a refused request of the client. False if the client has had more than its rate of these. Any
// thread.
bool ledger_take_refusal(struct ledger *ledger, struct account *account, int64_t now_ms);

// ledger_take_session counts one connection of a client. REASON_NONE, or the limit that refuses. Any thread, like the
// functions below.
enum reason ledger_take_session(struct ledger *ledger);

// ledger_give_session ends a connection.
void ledger_give_session(struct ledger *ledger);

// ledger_set_room sets the number of connections that fit if no limit is set; 0: unknown. Called by main.
void ledger_set_room(struct ledger *ledger, uint32_t sessions);

// ledger_is_fair tells whether the client's latest session, already counted, is within the client's share.
bool ledger_is_fair(const struct ledger *ledger, const struct account *account);

// account_take_record counts a record that will wait to be written, takes a reference to the account, and gives the number
// of such records before. ledger_give_record undoes both.
uint32_t account_take_record(struct account *account);
void ledger_give_record(struct ledger *ledger, struct account *account, int64_t now_ms);

// account_open_tunnels gives the tunnels that count against the client's limit. Any thread.
static inline uint32_t account_open_tunnels(const struct account *account)
{
    return account->tunnels + account->foreign;
}

// ledger_set_foreign sets how many tunnels a client has in the other process number `other` (below LEDGER_OTHERS_MAX): from now
// on they count against its limit and that of the whole proxy. False without memory. Called by main.
bool ledger_set_foreign(struct ledger *ledger, size_t other, const char *name, uint32_t tunnels,
                        int64_t now_ms);

// ledger_set_foreign_totals sets how many connections and bytes of memory all other processes have together. Called by main.
void ledger_set_foreign_totals(struct ledger *ledger, uint32_t sessions, uint64_t memory);

// ledger_forget_foreign forgets the tunnels of another process. Called by main.
void ledger_forget_foreign(struct ledger *ledger, size_t other, int64_t now_ms);

// ledger_set_fleet sets what becomes of requests for which nothing is left, and how many proxies (at least 1) share a limit where
// that is LEDGER_FLEET_SHARES. Called by main, like the functions below.
void ledger_set_fleet(struct ledger *ledger, enum ledger_fleet fleet, uint32_t members);

// ledger_set_fleet_loss sets what becomes of those for whom the store answers with an error (`is_unheard`), where the others ask:
// LEDGER_FLEET_REFUSES or LEDGER_FLEET_SHARES.
void ledger_set_fleet_loss(struct ledger *ledger, enum ledger_fleet loss);

// ledger_set_fleet_end sets until when (monotonic) the places that the fleet has granted may be filled; 0: none is granted, and spare
// places are those of tunnels that have ended here, which may be filled again unless LEDGER_FLEET_REFUSES. Called by main.
void ledger_set_fleet_end(struct ledger *ledger, int64_t until_ms);

// ledger_set_share sets an account's bandwidth in one direction to its share of a limit of the fleet. A worker that opens the
// account meanwhile sets it to this share, too. Called by main.
void ledger_set_share(struct ledger *ledger, struct account *account, bool is_up, uint64_t share);

// ledger_keep_fleet has `on_ask` called, from any thread, whenever an account is to be looked at; NULL: no more. Called once
// before there are workers, and once when there are none any more.
void ledger_keep_fleet(struct ledger *ledger, void (*on_ask)(void *arg), void *arg);

// ledger_take_listed gives each account that is to be looked at to `take`, with a reference.
void ledger_take_listed(struct ledger *ledger, void (*take)(void *arg, struct account *account),
                        void *arg);

// ledger_list_fleet has all accounts with open tunnels and limits of the fleet looked at.
void ledger_list_fleet(struct ledger *ledger);

// ledger_find_keeper gives what main keeps of the account of a name; NULL: nothing.
void *ledger_find_keeper(struct ledger *ledger, struct slice name);

// ledger_read_limits gives an account's limits, by the youngest configuration that has asked.
struct client_limits ledger_read_limits(struct ledger *ledger, const struct account *account);

// ledger_watch has `on_change` called, from any thread, whenever a tunnel or a connection ends or begins. Called by main, once.
void ledger_watch(struct ledger *ledger, void (*on_change)(void *arg), void *arg);

// ledger_report calls `tell` for each account whose number of tunnels is another one than was told last; `is_full`: for each
// that has some. It holds the lock. Called by main.
void ledger_report(struct ledger *ledger, bool is_full,
                   void (*tell)(void *arg, const char *name, uint32_t tunnels), void *arg);

// ledger_read gives what this process uses.
struct ledger_totals ledger_read(const struct ledger *ledger);

// ledger_read_all gives sessions, tunnels and memory as the limits count them: with those of other processes.
struct ledger_totals ledger_read_all(const struct ledger *ledger);
