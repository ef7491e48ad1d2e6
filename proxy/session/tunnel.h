// tunnel: a client and the target that it is connected to, and who ended their exchange first.
//
// A reset on one side is a reset on the other: a broken stream never looks like a finished one.
#pragma once

#include "auth/reason.h"
#include "proxy/net/duplex.h"
#include "proxy/session/inspection.h"
#include "proxy/session/line.h"

// Embedded by the route, which opens it. Zeroed: it is not open.
struct tunnel {
    struct line line;
    struct duplex duplex;          // between the client and `line`
    enum reason reason;            // who ended it first; REASON_NONE while both go on
    struct inspection *inspection; // owned; NULL: nobody looks at what the client says; may be read
};

// tunnel_inspect holds what the client says first against `rules` and `asked`, which is borrowed, in place of what it was
// held against before. `is_report`: nothing is held. Call it before the first step. ERR_MEMORY.
enum err tunnel_inspect(struct tunnel *tunnel, const struct inner *rules,
                        const struct target *asked, bool is_report) MUST_USE;

// tunnel_inspect_by holds a first flight that has not come whole yet against other rules. False: something has passed that
// they would have held.
bool tunnel_inspect_by(struct tunnel *tunnel, const struct inner *rules, bool is_report) MUST_USE;

// tunnel_verdict gives the verdict that the inspection asks about, and at which everything waits; NULL: none.
// inspection_answer answers it.
const struct inner_verdict *tunnel_verdict(const struct tunnel *tunnel);

// tunnel_step moves what can be moved now, and keeps the reason of the first end.
enum duplex_status tunnel_step(struct tunnel *tunnel, int64_t now_ms);

// tunnel_close closes the upstream side and gives the buffers back; what was seen of the first flight stays until
// tunnel_deinit. A zeroed tunnel is allowed for both. Idempotent.
void tunnel_close(struct tunnel *tunnel, bool is_reset);
void tunnel_deinit(struct tunnel *tunnel);
