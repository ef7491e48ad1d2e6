// tunnel: a client and the target that it is connected to, and who ended their exchange first.
//
// A reset on one side is a reset on the other: a broken stream never looks like a finished one.
#pragma once

#include "auth/reason.h"
#include "proxy/net/duplex.h"
#include "proxy/net/tcp_stream.h"

// Embedded by the route, which opens it. Zeroed: it is not open.
struct tunnel {
    struct tcp_stream upstream;
    struct duplex duplex; // between the client and `upstream`
    enum reason reason;   // who ended it first; REASON_NONE while both go on
};

// tunnel_step moves what can be moved now, and keeps the reason of the first end.
enum duplex_status tunnel_step(struct tunnel *tunnel, int64_t now_ms);

// tunnel_close closes the upstream side and gives the buffers back. A zeroed tunnel is allowed. Idempotent.
void tunnel_close(struct tunnel *tunnel, bool is_reset);
