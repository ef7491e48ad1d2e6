// visit: one request to the proxy and its answer, on a loop that runs until that is done: how the doctor
// asks. Blocking; for commands only.
#pragma once

#include "proxy/http/head.h"
#include "proxy/sidecar/upstream.h"

struct visit;

// visit_make makes the visit along `route` (its loop is run, and has to be the caller's alone) and sends
// `request`, if it is not empty. At most `patience_ms` for the answer. `*out` is the caller's, also when the
// proxy could not be reached; ERR_MEMORY.
enum err visit_make(struct route *route, struct slice request, int64_t patience_ms,
                    struct visit **out) MUST_USE;

// visit_destroy frees it. NULL is allowed.
void visit_destroy(struct visit *visit);

// visit_upstream gives the way there, with its facts; borrowed until destroy.
const struct upstream *visit_upstream(const struct visit *visit);

// visit_is_connected tells whether the handshake was finished, as far as we can see.
bool visit_is_connected(const struct visit *visit);

// visit_answer gives the answer, borrowed until destroy; NULL: none came, and visit_cause tells why.
const struct message_head *visit_answer(const struct visit *visit);

// visit_body gives what came after its head, at most some 32 KiB.
struct slice visit_body(const struct visit *visit);

// visit_field gives the first field of that name, or an empty slice.
struct slice visit_field(const struct visit *visit, const char *name);

enum cause visit_cause(const struct visit *visit);
