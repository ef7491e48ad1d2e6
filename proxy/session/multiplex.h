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

// multiplex_drain takes no further requests: a notice first, and for good when it is called again. What is under way goes
// on.
void multiplex_drain(struct multiplex *multiplex);

// multiplex_is_idle tells whether there is no request.
bool multiplex_is_idle(const struct multiplex *multiplex);

// multiplex_next gives the request after `exchange`; of NULL the first one. NULL: there is none.
struct exchange *multiplex_next(const struct multiplex *multiplex, const struct exchange *exchange);
