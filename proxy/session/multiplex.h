// multiplex: the requests of one HTTP/2 connection. Each is an exchange over a stream of its own, and none waits for
// another.
//
// It belongs to a session, which steps it and ends it. What it decides is only which bytes go when.
#pragma once

#include "proxy/http2/http2_session.h"
#include "proxy/session/exchange.h"

struct multiplex;

// multiplex_create begins to serve HTTP/2 over `below`, the stream to `peer`. `on_output` is called when something is to
// be sent, or a request has ended, outside of a step: a step should come soon. All pointers are borrowed until destroy.
// NULL without memory.
struct multiplex *multiplex_create(struct peer *peer, struct stream *below,
                                   void (*on_output)(void *owner), void *owner) MUST_USE;

// multiplex_destroy ends what is left, with REASON_KILLED, and frees it. NULL is allowed.
void multiplex_destroy(struct multiplex *multiplex);

// multiplex_step does what can be done now. With HTTP2_BROKEN and HTTP2_WRONG its requests have ended.
enum http2_status multiplex_step(struct multiplex *multiplex);

// multiplex_update_interest tells the stream below what to wait for.
void multiplex_update_interest(const struct multiplex *multiplex);

// multiplex_drain has the client told that no further requests are taken (GOAWAY, RFC 9113 6.8): a notice, and a second
// later for good. What is under way goes on. Idempotent.
void multiplex_drain(struct multiplex *multiplex);

// multiplex_hang_up has the client of an idle connection told so for good, as far as that goes out at once: the connection is
// about to be closed.
void multiplex_hang_up(struct multiplex *multiplex);

// multiplex_announce_drain gives the notice alone, also where nothing is under way: a request that is on its way is served.
// The rest follows a second later.
void multiplex_announce_drain(struct multiplex *multiplex);

// multiplex_is_leaving tells whether the client was told so for good.
bool multiplex_is_leaving(const struct multiplex *multiplex);

// multiplex_deadline_ms gives the monotonic time at which multiplex_on_deadline is due, which does one duty:
// multiplex_duty.h says which there are.
int64_t multiplex_deadline_ms(const struct multiplex *multiplex);
void multiplex_on_deadline(struct multiplex *multiplex);

// multiplex_is_idle tells whether there is no request.
bool multiplex_is_idle(const struct multiplex *multiplex);

// multiplex_used_ms gives the monotonic time at which the last request ended: now where there is one, 0 where there was none.
int64_t multiplex_used_ms(const struct multiplex *multiplex);

// multiplex_next gives the request after `exchange`; of NULL the first one. NULL: there is none.
struct exchange *multiplex_next(const struct multiplex *multiplex, const struct exchange *exchange);
