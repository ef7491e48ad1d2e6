// exchange: one request of a client: from the first byte of its head to its `close` record.
//
//     READ_REQUEST --host ok--> RESOLVE --some address ok--> DIAL --connected--> TUNNEL --> DONE
//          |                    |                               |                           ^
//          +--bad, denied--> REFUSE <--denied, failed, timed out+---------------------------+
//
// A client that is routed by name goes through READ_HELLO first: the 200 is out, and the name inside its tunnel becomes the
// target. From there on a refusal is a reset. Where a proxy passes on its client's certificate, INTRODUCE comes before all of it,
// if OCSP is still to be heard about that. Where a limit holds for the whole fleet, LEASE waits for the store, if nothing is in hand:
// before RESOLVE, and after it for the rate of new tunnels.
//
// A state is a place where we wait; a decision is a function between states. Every exchange submits
// exactly one `decision` record, before the first packet goes upstream, and one `close` record.
#pragma once

#include "proxy/session/exchange_parts.h"

enum exchange_step {
    EXCHANGE_STEP_AGAIN, // something changed: call again
    EXCHANGE_STEP_WAIT,  // for an event; exchange_update_interest says which
    EXCHANGE_STEP_MORE,  // its share of this turn is used up
    EXCHANGE_STEP_DONE,  // see `ending`
};

// exchange_awaits_head tells whether the head of the request has not come as a whole.
bool exchange_awaits_head(const struct exchange *exchange);

// exchange_is_tunnel tells whether bytes flow.
bool exchange_is_tunnel(const struct exchange *exchange);

// exchange_is_heavy tells whether many bytes flow: the last step has moved so many that small messages of
// others should go before the next one.
bool exchange_is_heavy(const struct exchange *exchange);

// exchange_judge_again judges a live tunnel under the peer's snapshot, which has changed, and by the time that it is now.
// It ends it, with the reason of its time or REASON_POLICY_CHANGED, where it would not be opened today. Before there is a tunnel nothing is to
// be done: each step on the way to it compares for itself.
void exchange_judge_again(struct exchange *exchange);

// exchange_doubt makes a live tunnel one that was judged under no snapshot, so that it is judged again by the time that it is
// now where that may say something else than before: the wall clock was set.
void exchange_doubt(struct exchange *exchange);

// exchange_doubt_guest does so with every tunnel of a client whose certificate is passed on: what is known of that has
// changed without a new snapshot.
void exchange_doubt_guest(struct exchange *exchange);

// exchange_create begins an exchange with the bytes in the channel's inbox. `channel` is borrowed until destroy.
// NULL when there is no memory.
struct exchange *exchange_create(struct channel *channel) MUST_USE;

// exchange_destroy frees a done exchange. NULL is allowed.
void exchange_destroy(struct exchange *exchange);

// exchange_reject answers a request whose head cannot be read: `why` is a few words, static memory. Idempotent.
void exchange_reject(struct exchange *exchange, uint16_t status, const char *why);

// exchange_step does what can be done now.
enum exchange_step exchange_step(struct exchange *exchange);

// exchange_update_interest sets what both streams wait for, from state and buffers alone.
void exchange_update_interest(struct exchange *exchange);

// exchange_deadline_ms gives the monotonic time at which exchange_on_deadline is due.
int64_t exchange_deadline_ms(const struct exchange *exchange);

// exchange_turn_ms gives the monotonic time at which it is to be stepped though nothing has happened; INT64_MAX:
// never.
int64_t exchange_turn_ms(const struct exchange *exchange);

// exchange_ends_by_time tells whether the wall clock may end a tunnel before its certificate does.
bool exchange_ends_by_time(const struct exchange *exchange);

// exchange_on_deadline acts on a wait that took too long; exchange_step goes on from there.
void exchange_on_deadline(struct exchange *exchange);

// exchange_note_lease has a request that waits for the fleet's limits look again when it is driven next, where its account was answered.
void exchange_note_lease(struct exchange *exchange);

// exchange_end ends it at once with `reason`, unless it has ended: records what is missing, and closes
// the upstream side with a reset. Idempotent; frees nothing. NULL is allowed.
void exchange_end(struct exchange *exchange, enum reason reason);
