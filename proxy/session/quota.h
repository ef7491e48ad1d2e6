// quota: what one exchange has taken of its client's limits, and of what all clients share.
//
// A tunnel is taken before DNS is asked, so that those who wait for it count, and given back exactly once on every way
// out, also when nothing was taken. It counts as a new one when it may dial, so that what is denied uses nothing up of
// that rate. Any kind of exchange with a connection to a target takes one. Live ones keep what they have: limits are
// not judged again. The room for the audit's two records is taken before the first wait, too.
#pragma once

#include "proxy/limits/ledger.h"
#include "proxy/session/peer.h"
#include "proxy/session/verdict.h"

// Zeroed: nothing is taken. Private to quota.c, except where it is said.
struct quota {
    struct ledger_ticket ticket; // while it waits for the fleet
    bool is_counted;             // has counted as a request
    struct account *account;     // ref, while taken; may be read
    struct account *record; // ref, of the client that has room for the records; NULL: not taken
    bool is_new;            // has counted as a new tunnel
    int64_t age_ms;  // of the client's limits when it was taken, as the next; 0: none; may be read
    int64_t idle_ms; // 0: timeouts.idle holds; may be read
};

// quota_count counts the request of the peer's client, which is one of the configuration, once: go. Otherwise as quota_take.
struct verdict quota_count(struct quota *quota, const struct peer *peer);

// quota_take takes one tunnel of the peer's client, which is one of the configuration: go. Otherwise the verdict says
// which limit stands in the way, and nothing is taken. Wait: the fleet is asked, here and in quota_count and quota_begin; try
// again when main has an answer, or end the waiting. A request that is tried again keeps the one that it has, unless
// its client has become another one.
struct verdict quota_take(struct quota *quota, const struct peer *peer);

// quota_take_refusal takes one from the rate at which requests of the peer's client, or of its source where no client
// fits, may be refused. False where more have been.
bool quota_take_refusal(const struct peer *peer);

// quota_begin counts the tunnel that was taken as a new one, once: go. Otherwise as quota_take.
struct verdict quota_begin(struct quota *quota, const struct peer *peer);

// quota_take_record takes room in the audit log for a decision and its close, once. False: there is none, or the client
// has its share.
bool quota_take_record(struct quota *quota, const struct peer *peer);

// quota_give_record gives the room back, where there is some. Idempotent.
void quota_give_record(struct quota *quota, const struct session_context *context);

// quota_hand_record hands the room, which is taken, over to the decision's record, and gives the account that the log
// names when that is written.
struct account *quota_hand_record(struct quota *quota);

// quota_is_answered tells whether what waits for the fleet has reason to try again.
bool quota_is_answered(const struct quota *quota, const struct session_context *context);

// quota_end_wait ends the waiting for the fleet, and gives the verdict where that has taken too long. Idempotent.
struct verdict quota_end_wait(struct quota *quota, const struct session_context *context);

// quota_move has the tunnel that was taken count for the account that the peer has now, where that is another one. Nothing may
// dial for it, and what shares the bandwidth of the old account has left it, for the old one may be gone afterwards: see
// route_move, the only caller.
void quota_move(struct quota *quota, const struct peer *peer);

// quota_give gives back the tunnel, and ends the waiting. Idempotent.
void quota_give(struct quota *quota, const struct session_context *context);
