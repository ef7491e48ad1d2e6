// visit: one request to the proxy and its answer, on a loop that runs until that is done: how the doctor
// asks. Blocking; for commands only.
#pragma once

#include "proxy/http/head.h"
#include "proxy/uplink/upstream.h"

enum { VISIT_BYTES_CAP = 2 * RESPONSE_HEAD_MAX_LEN };

// The caller may read `failure`, `is_connected` and `answer`; the other fields are private to visit.c.
struct visit {
    struct failure failure; // why there is no answer; CAUSE_NONE: it is there, or nothing was asked
    bool is_connected;      // the handshake was finished, as far as we can see
    bool has_answer;
    struct message_head answer; // with `has_answer`; borrows from `bytes`
    struct proxy_route *route;  // borrowed
    struct upstream *upstream;  // owned
    struct slice request;       // borrowed for the run; what has not been sent
    bool is_done;
    bool wants_protocol; // and nothing else
    ev_timer patience;
    size_t len; // bytes
    uint8_t bytes[VISIT_BYTES_CAP];
};

// visit_make connects along `route` and sends `request`. It runs the route's loop, which has nothing else on it. It waits
// `patience_ms` at most for the answer. `*out` is the caller's, also when the proxy could not be reached. ERR_MEMORY.
enum err visit_make(struct proxy_route *route, struct slice request, int64_t patience_ms,
                    struct visit **out) MUST_USE;

// visit_offers_http2 connects along `route` and asks for nothing: `*out` tells whether the proxy chooses HTTP/2. False where
// it cannot be reached in `patience_ms`. It runs the loop likewise. ERR_MEMORY.
enum err visit_offers_http2(struct proxy_route *route, int64_t patience_ms, bool *out) MUST_USE;

// visit_destroy frees it. NULL is allowed.
void visit_destroy(struct visit *visit);

// visit_body gives what came after the answer's head, at most some 32 KiB; empty without an answer.
struct slice visit_body(const struct visit *visit);

// visit_field gives the value of the answer's first field of that name, or an empty slice.
struct slice visit_field(const struct visit *visit, const char *name);
