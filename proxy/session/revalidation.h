// revalidation: who a client is today, and whether it still has its right: by today's trust, blocks and client entries.
//
// A chain that was verified once is rechecked without signatures. What comes of it for a request or a tunnel is decided
// in exchange.c.
#pragma once

#include "proxy/session/peer.h"

#define NEVER_S INT64_MAX // when the right of a client without certificate ends

// peer_identify finds out which client and account of `snapshot` the peer's certificate is (those that fit no client share
// an account), and makes the audit's object of it. It counts one more session of the account, and one less of a former
// one. A client that can have no account of its own is known, and `account_refusal` says why no request of it is served.
// False without memory: nothing changes.
bool peer_identify(struct peer *peer, const struct snapshot *snapshot) MUST_USE;

// peer_revalidate judges the client, and the edge that it has, as if it came today, and makes today's snapshot the peer's. REASON_NONE, or
// why it has no right, or no account, any more. For a live tunnel only what takes trust away counts.
enum reason peer_revalidate(struct peer *peer, bool is_live);

// peer_trust_of_guests gives the profile by which the certificates are judged that a client passes on; NULL: it speaks for
// nobody.
const struct trust *peer_trust_of_guests(const struct peer *edge);

// peer_judge_speaker tells whether the edge of a guest may speak for it: policy_decide_speaker. A client that is connected
// itself needs nobody.
enum reason peer_judge_speaker(const struct peer *guest, int64_t *out_changes_s);

// peer_needs_signatures tells whether peer_revalidate would have to verify the chain again.
bool peer_needs_signatures(const struct peer *peer);

// peer_is_blocked tells whether an operator has blocked the client with this verified identity, as of today.
bool peer_is_blocked(const struct peer *peer, const struct identity *identity);

// peer_note_expiry works out again when, on the monotonic clock, the certificate's right ends: the wall clock may have been
// set. peer_is_expired tells whether it has ended; if not, it notes that as well.
void peer_note_expiry(struct peer *peer);
bool peer_is_expired(struct peer *peer);
