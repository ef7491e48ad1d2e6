// tally: counts what becomes of requests and handshakes, for metrics and for the page: in the worker's counters, in those of
// the client, and among the most frequent.
//
// Plain numbers of the worker's own; nothing here allocates, waits or decides.
#pragma once

#include "proxy/session/exchange_parts.h"

// tally_decision counts a request by what was decided. Once for each.
void tally_decision(const struct exchange *exchange);

// tally_dial counts how the dialling has ended, and how long it took where it came to a connection.
void tally_dial(const struct exchange *exchange);

// tally_hop counts a way through a parent that has led to the target.
void tally_hop(const struct exchange *exchange);

// tally_bytes counts what has been passed on since the last call.
void tally_bytes(struct exchange *exchange);

// tally_end counts a tunnel that ends, by its reason and by its age. The exchange is still in the state of a tunnel.
void tally_end(const struct exchange *exchange);

// tally_handshake counts one that has made the client of `peer` somebody; it began at `since_ms`, monotonic.
void tally_handshake(const struct peer *peer, int64_t since_ms);

// tally_refusal counts a connection that came to no client. `presented` is what its certificate claims; NULL: none was read.
void tally_refusal(const struct peer *peer, const char *id, enum reason reason,
                   const struct identity *presented);
