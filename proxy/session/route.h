// route: the way of one request to its target and back: a search for addresses and the dialling, or a connection that
// has waited; then a tunnel, or a plain request with its response.
//
// It takes no decision and writes no record: exchange.c asks admission in between, and says how it ends.
#pragma once

#include "proxy/session/forward.h"
#include "proxy/session/hop.h"
#include "proxy/session/quota.h"
#include "proxy/session/request.h"
#include "proxy/session/search.h"
#include "proxy/session/tunnel.h"

// Zeroed: there is no way yet. Private to route.c, except where it is said.
struct route {
    struct search *search; // owned; NULL when not needed; may be read
    struct hop *hop;       // owned; the way through a parent; NULL: none is taken; may be read
    struct parent *parent; // held, once it is connected; NULL: straight to the target; may be read
    const struct target *proxy; // of the parent; borrowed from it; may be read
    bool is_proxy_http2;        // likewise
    struct forward *forward;    // owned; NULL unless a plain request is on its way; may be read
    struct tunnel tunnel;       // may be read
    struct search
        *inside;        // owned; of a name that stands inside the tunnel; NULL: none is looked up
    struct quota quota; // what has been taken for it; may be used
    bool is_announced;  // a PROXY header went first: the connection is this request's alone
    bool is_fallback;   // private; straight to the target, because no parent could be reached
    bool is_pooled;     // on its way over a connection that had waited; may be read
    struct ip_addr upstream; // dialled last; IP_NONE: nothing was; may be read
    uint32_t attempts;       // addresses dialled; may be read
    uint64_t bytes_up;       // of a plain request's body; see route_bytes
    uint64_t bytes_down;     // of its response's
};

// route_search goes for the addresses of the target: one that is written, or those that DNS knows; or, `by_name`, leaves that
// to a parent. ERR_MEMORY.
enum err route_search(struct route *route, struct channel *channel, const struct request *request,
                      bool by_name) MUST_USE;

// route_dial connects to the admitted addresses, or goes for a parent that may be asked for them: as the way says that the
// search has found. `peer` is whose request it is. ERR_MEMORY.
enum err route_dial(struct route *route, struct channel *channel, const struct peer *peer,
                    const struct request *request) MUST_USE;

// route_dial_direct connects to the admitted addresses where no parent could be reached, and the way allows that. ERR_MEMORY.
enum err route_dial_direct(struct route *route) MUST_USE;

// route_address gives the address of the target that is connected, or was tried last.
struct ip_addr route_address(const struct route *route);

// route_parent_name gives the name of the parent through which it is connected, or NULL.
const char *route_parent_name(const struct route *route);

// route_is_configured tells whether the proxy of the parent that it goes through is still in the configuration.
bool route_is_configured(const struct route *route, const struct snapshot *snapshot);

// route_announce sends `header` over the connection that the search has found, and that nothing was sent over yet.
// ERR_SYSTEM: it could not be sent as a whole.
enum err route_announce(struct route *route, struct slice header) MUST_USE;

// route_open_tunnel opens the tunnel over the connection that the search has found: `answer` is the first thing on the way down, what is
// in the channel's inbox on the way up. ERR_MEMORY.
enum err route_open_tunnel(struct route *route, struct channel *channel,
                           struct slice answer) MUST_USE;

// route_move has what was taken for the way count for the account that the peer has now, and what flows on it share the
// bandwidth of that. Nothing may dial for it.
void route_move(struct route *route, const struct peer *peer);

// route_open_upgraded makes a tunnel of a plain request whose target has agreed to speak WebSocket. ERR_MEMORY, ERR_LIMIT.
enum err route_open_upgraded(struct route *route, struct channel *channel) MUST_USE;

// route_forward passes the plain request on over the connection that the search has found. ERR_MEMORY, ERR_LIMIT.
enum err route_forward(struct route *route, struct channel *channel,
                       const struct request *request) MUST_USE;

// route_use_pooled takes a connection to the target that waits, where the policy admits its address: the search has then
// found this address, and is connected. False: there is none.
bool route_use_pooled(struct route *route, struct channel *channel,
                      const struct admission *admission, uint64_t generation);

// route_is_spoilt tells whether something has happened on a pooled connection since it was taken, an end or bytes that nobody
// asked for: they would be taken for the answer.
bool route_is_spoilt(const struct route *route);

// route_keep_upstream lets the connection of a finished forward wait for the next request, where it can.
void route_keep_upstream(struct route *route, struct peer *peer, const struct target *target,
                         uint64_t generation);

// route_find_inside looks up `named`, a target that stands inside the tunnel and is borrowed, and tells whether it has the
// address that was dialled. VERDICT_WAIT: DNS has not answered yet; then GO or REFUSE.
enum verdict_kind route_find_inside(struct route *route, struct channel *channel,
                                    const struct target *named);

// route_end_hop keeps what the audit wants to know, and ends the way through a parent, unless it has been taken. Idempotent.
void route_end_hop(struct route *route);

// route_release gives the parent back, when nothing leads through it any more. Idempotent.
void route_release(struct route *route);

// route_end_search keeps what the audit wants to know and frees the search. Idempotent.
void route_end_search(struct route *route);

// route_end_forward keeps what the audit wants to know, and closes the connection to the target. Idempotent.
void route_end_forward(struct route *route, bool is_reset);

// route_bytes gives how many bytes have been passed on.
void route_bytes(const struct route *route, uint64_t *out_up, uint64_t *out_down);
