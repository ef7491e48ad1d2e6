// relay: the two flows between a local client and the proxy, from the first request on.
//
// As long as the proxy has not answered with a byte, its end is told apart (RELAY_UNANSWERED): then it can be
// explained. Afterwards an end is passed on as an end, and everything else, a FIN without close_notify
// included, is a reset: half an answer never looks like a whole one.
#pragma once

#include "proxy/net/flow.h"

enum relay_status {
    RELAY_WAITS,
    RELAY_MORE,       // its share of this turn is used up
    RELAY_FINISHED,   // both directions have ended in an orderly way
    RELAY_LEFT,       // the client has left, and the proxy has ended too, without an answer
    RELAY_UNANSWERED, // the proxy has ended, or broken off, without an answer
    RELAY_BROKEN,     // reset or TLS error on one side: the other is to see a reset, too
};

// Embedded by the bridge; the fields are private to relay.c.
struct relay {
    struct stream *client;    // borrowed
    struct stream *proxy;     // borrowed
    struct buffer_pool *pool; // borrowed
    struct flow up;           // client to proxy
    struct flow down;         // proxy to client
    bool is_answered;         // the proxy has sent something
    uint16_t status;          // of the first answer; 0: unknown
    bool is_up_lost;          // the proxy takes no more bytes
    uint64_t up_passed;       // bytes, when `up_ms` was set
    uint64_t passed;          // bytes both ways, when `active_ms` was set
    int64_t up_ms;            // monotonic; when the client's last byte was passed on
    int64_t active_ms;        // monotonic; when any byte was
};

// relay_open prepares both flows. `head` goes first on the way up, then `rest`, what has come behind it. Of a
// CONNECT `rest` and all that follows is the tunnel's: the records of TLS inside it are kept whole; behind
// other heads there is no TLS, and the bytes are left alone. ERR_MEMORY.
enum err relay_open(struct relay *relay, struct stream *client, struct stream *proxy,
                    struct buffer_pool *pool, struct slice head, struct slice rest,
                    int64_t now_ms) MUST_USE;

// relay_close gives the buffers back. A zeroed relay is allowed.
void relay_close(struct relay *relay);

// relay_step moves what can be moved now.
enum relay_status relay_step(struct relay *relay, int64_t now_ms);

// relay_end_up ends the way up, as if the client had: it will send nothing more to this proxy.
void relay_end_up(struct relay *relay);

// relay_update_interest sets what both streams wait for.
void relay_update_interest(const struct relay *relay);

// relay_has_client_end tells whether the way up has ended, relay_is_half_closed whether exactly one has.
bool relay_has_client_end(const struct relay *relay);
bool relay_is_half_closed(const struct relay *relay);
