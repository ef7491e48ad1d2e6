// request: one request's head as values, parsed once and kept: a CONNECT, or a plain request to be passed on.
//
// Owns no memory, knows no streams and no policy. What is wrong with a head, beyond its syntax (proxy/http/head.h), is a verdict.
#pragma once

#include "proxy/http/absolute_url.h"
#include "proxy/http/head.h"
#include "proxy/http/via.h"
#include "proxy/session/verdict.h"

// Zeroed: nothing is known.
struct request {
    struct message_head head; // its slices are of the peer's head, while that lives
    struct absolute_url url;  // of a plain request; of a CONNECT only the target is set
    bool has_target;
    bool is_routed; // by the name inside the tunnel; the 200 is out before the target is known
    struct ip_addr asked; // with is_routed: the address that the CONNECT has asked for
    bool is_plain;        // no CONNECT: a request to be passed on
    bool is_for_head;     // a HEAD: answers have no body
    struct slice method;  // empty until it is known; in method_data
    char method_data[HEAD_MAX_METHOD_LEN];
    struct via_trail trail; // of the proxies that it has come through
};

// request_take looks at a complete head. The target and the method outlive the bytes that it was parsed from.
struct verdict request_take(struct request *request, const struct message_head *head);

// request_route begins to look for the target inside the tunnel: what was asked for is kept, and is none. What the
// client says first gives the name for request_take_name.
void request_route(struct request *request);
void request_take_name(struct request *request, const struct hostname *name);

// request_is_repeatable tells whether it may be sent twice (RFC 9110 9.2.2), with nothing lost once it was sent. Only such
// a request uses a connection that has waited, for that may have ended meanwhile.
bool request_is_repeatable(const struct request *request);
