// relay: the bytes between a local client and the proxy, from the first request on.
//
// Until the proxy has answered with a byte, its end is reported as RELAY_UNANSWERED and the sidecar can explain it to
// the client. Afterwards an end is passed on as an end. Everything else, also a FIN without close_notify, is a
// reset: half an answer never looks like a whole one.
#pragma once

#include "proxy/net/duplex.h"

enum relay_status {
    RELAY_WAITS,
    RELAY_MORE,       // its share of this turn is used up
    RELAY_FINISHED,   // both directions have ended in an orderly way
    RELAY_LEFT,       // the client has left, and the proxy has ended too, without an answer
    RELAY_UNANSWERED, // the proxy has ended, or broken off, without an answer
    RELAY_BROKEN,     // reset or TLS error on one side: the other is to see a reset, too
};

// Embedded by the bridge, which may read `is_answered`, `status` and `duplex`, and may end the way up of the duplex.
struct relay {
    struct duplex duplex;     // between the client and the proxy
    struct buffer_pool *pool; // borrowed
    bool is_answered;         // the proxy has sent something
    uint16_t status;          // of the first answer; 0: unknown
};

// relay_open prepares both flows. `head` goes first on the way up, then `rest`, the bytes that have come after it. After the
// head of a CONNECT these and all later bytes belong to the tunnel: the records of TLS inside it are kept whole. After
// other heads there is no TLS, and the bytes are left alone. The owner ends it with duplex_deinit. ERR_MEMORY.
enum err relay_open(struct relay *relay, struct stream *client, struct stream *proxy,
                    struct buffer_pool *pool, struct slice head, struct slice rest,
                    int64_t now_ms) MUST_USE;

// relay_step moves what can be moved now.
enum relay_status relay_step(struct relay *relay, int64_t now_ms);
