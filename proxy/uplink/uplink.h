// uplink: the way of one local client to the proxy: a connection of its own, or a stream of a connection that tunnels share.
//
// Tunnels share connections where the proxy speaks HTTP/2 (RFC 9113 8.5). Everything else, and every tunnel where it does
// not, has a connection of its own. Knows nothing of the local client but the head of its CONNECT.
#pragma once

#include "proxy/uplink/connection_pool.h"

struct uplink;

// uplink_create begins a way to the proxy. `head` is the head of a CONNECT, which may share a connection, borrowed until the
// uplink is ready; empty: what comes is something else. `says_close`: see http2_client_open. `wake` is called from the loop
// with `owner` (borrowed) whenever uplink_step, or the stream, may get on; never from within a function of this header.
// NULL without memory.
struct uplink *uplink_create(struct connection_pool *pool, struct slice head, bool says_close,
                             void (*wake)(void *owner), void *owner) MUST_USE;

// uplink_destroy ends the way, with a reset where `is_reset`, and frees it. It does not call back. NULL is allowed.
void uplink_destroy(struct uplink *uplink, bool is_reset);

// uplink_step does what can be done now, and tells how far the way has come. UPSTREAM_READY: its stream may be used; of a
// shared connection the proxy has then answered.
enum upstream_state uplink_step(struct uplink *uplink);

// uplink_give_up ends the wait for another round (UPSTREAM_WAIT), for this client alone. Gives UPSTREAM_FAILED.
enum upstream_state uplink_give_up(struct uplink *uplink);

// uplink_stream gives the stream to the proxy, once it is ready. Borrowed until destroy.
struct stream *uplink_stream(struct uplink *uplink);

// uplink_is_shared tells whether it is a stream of a shared connection: the head of the CONNECT has been sent, and the
// answer is the first thing to read.
bool uplink_is_shared(const struct uplink *uplink);

// uplink_has_asked tells whether the proxy may have acted on a CONNECT that was sent on a shared connection: it has not said
// that it did nothing (RFC 9113 8.7).
bool uplink_has_asked(const struct uplink *uplink);

// uplink_shun has others begin with another proxy than the one that was silent here; its shared connection, where it is one,
// gets further tunnels only where there is no other.
void uplink_shun(struct uplink *uplink);

// uplink_is_refusal tells whether the proxy has answered on a shared connection, and not with a tunnel.
bool uplink_is_refusal(const struct uplink *uplink);

// uplink_is_lost tells whether the shared connection has ended in the middle of the tunnel.
bool uplink_is_lost(const struct uplink *uplink);

// uplink_flush sends soon what has been written. To be called after the stream was used.
void uplink_flush(struct uplink *uplink);

// uplink_proxy gives the proxy that the way leads to, or that was tried last. Borrowed from the route.
const struct target *uplink_proxy(const struct uplink *uplink);

// uplink_failure tells why the way has failed, as upstream_failure does.
struct failure uplink_failure(const struct uplink *uplink);
