// records: the audit's two records of an exchange: `decision` before the first packet, `close` after everything.
#pragma once

#include "proxy/session/exchange_parts.h"

// records_submit_decision and records_submit_close hand their record to the audit, once. A request that is refused above
// the rate of its client is counted instead, and has no `close` either.
void records_submit_decision(struct exchange *exchange);
void records_submit_close(struct exchange *exchange);

// records_reserve_parent gives the `close` record room for a parent, records_reserve_inside for what is seen inside the
// tunnel. ERR_MEMORY: it stays as it is.
enum err records_reserve_parent(struct exchange *exchange) MUST_USE;
enum err records_reserve_inside(struct exchange *exchange) MUST_USE;

// records_reserve_detail gives the `close` record room for the words about its reason. False: without memory it has none.
bool records_reserve_detail(struct exchange *exchange) MUST_USE;

// records_reserve_guest gives the `decision` record room for a guest and its edge, records_reserve_presented for what a certificate
// claims. Before it is submitted. ERR_MEMORY: it stays as it is.
enum err records_reserve_guest(struct exchange *exchange, const struct peer *guest) MUST_USE;
enum err records_reserve_presented(struct exchange *exchange) MUST_USE;

// records_fit_decision gives the `decision` record, where it is not submitted, room for what is known of the client now. Call it
// before something is allowed. ERR_MEMORY: it stays as it is.
enum err records_fit_decision(struct exchange *exchange) MUST_USE;

// records_count_unmade counts a request that has ended before there was memory for its two records, with REASON_NO_MEMORY.
void records_count_unmade(const struct peer *peer);

// records_fit_close gives back the room in the `close` record that what was seen inside the tunnel does not need. Call it
// once nothing more will be seen; a second time it does nothing.
void records_fit_close(struct exchange *exchange);
