// quota: what one exchange has taken of its client's limits, from the leave to dial until it is over.
//
// Asked after policy, so that what is denied uses nothing up, and before the first packet; given back exactly
// once on every way out, also when nothing was taken. Any kind of exchange with a connection to a target
// takes one. Live ones keep what they have: limits are not judged again.
#pragma once

#include "proxy/limits/ledger.h"
#include "proxy/session/peer.h"

// Zeroed: nothing is taken. Private to quota.c, except where it is said.
struct quota {
    struct account *account; // ref, while taken; may be read
    int64_t age_ms;  // of the client's limits when it was taken, as the next; 0: none; may be read
    int64_t idle_ms; // 0: timeouts.idle holds; may be read
};

// quota_take takes one tunnel of the peer's client, which is one that the config knows. False: `*out` says
// which limit stands in the way, and nothing is taken. A request that is tried again keeps the one that it has.
bool quota_take(struct quota *quota, const struct peer *peer, struct limit_refusal *out);

// quota_take_refusal takes one from the rate at which requests of the peer's client, or of its source where no client
// fits, may be refused. False where more have been.
bool quota_take_refusal(const struct peer *peer);

// quota_give gives back what is taken. Idempotent.
void quota_give(struct quota *quota, const struct session_context *context);
