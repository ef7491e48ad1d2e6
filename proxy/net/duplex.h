// duplex: the two flows between a client and a server, until both have ended.
//
// An end on one side is passed on, and the other direction goes on (half-close). A server that takes no more bytes may
// still send some: the duplex waits for them. The owner decides what a failure means.
#pragma once

#include "proxy/net/flow.h"

enum duplex_status {
    DUPLEX_WAITS,    // for an event
    DUPLEX_MORE,     // its share of this turn is spent; call again soon
    DUPLEX_FINISHED, // both directions have ended in an orderly way
    DUPLEX_LEFT,     // the server has ended and takes no more: what the client still sends is lost
    DUPLEX_CLIENT_BROKEN, // reset or TLS error on the client's side
    DUPLEX_SERVER_BROKEN, // likewise on the server's
};

// Embedded; its owner may read all fields.
struct duplex {
    struct stream *client; // borrowed
    struct stream *server; // borrowed
    struct flow up;        // client to server
    struct flow down;      // server to client
    bool holds_down;       // set by the owner: the way down does not move yet
    bool is_up_lost;       // the server takes no more bytes
    uint64_t step_len;     // bytes that the last step has passed on, both ways
    int64_t up_ms;         // monotonic; when a byte of the client was last passed on
    int64_t active_ms;     // monotonic; when any byte was
};

// duplex_init prepares both flows. `keeps_up` and `keeps_down`: that flow keeps the TLS records inside the stream whole;
// see flow_init.
void duplex_init(struct duplex *duplex, struct stream *client, struct stream *server,
                 struct buffer_pool *pool, bool keeps_up, bool keeps_down, int64_t now_ms);

// duplex_deinit gives the buffers back. A zeroed duplex is allowed. Idempotent.
void duplex_deinit(struct duplex *duplex);

// duplex_set_pace makes both directions share these bandwidths with other flows; see flow_set_pace.
void duplex_set_pace(struct duplex *duplex, struct bandwidth *up, struct bandwidth *down,
                     const int64_t *clock_ms);

// duplex_move_pace makes both share other bandwidths from now on; see pacer_move.
void duplex_move_pace(struct duplex *duplex, struct bandwidth *up, struct bandwidth *down);

// duplex_turn_ms gives the time for the next step if no event comes before; INT64_MAX: never.
int64_t duplex_turn_ms(const struct duplex *duplex);

// duplex_active_ms gives the time at which a byte was last passed on, or could have been: time spent waiting for a turn
// is not idle time. It may be in the future.
int64_t duplex_active_ms(const struct duplex *duplex);

// duplex_step moves the bytes that can be moved now, in both directions.
enum duplex_status duplex_step(struct duplex *duplex, int64_t now_ms);

// duplex_update_interest tells both streams what to wait for.
void duplex_update_interest(const struct duplex *duplex);

// duplex_is_half_closed tells whether exactly one direction has ended.
bool duplex_is_half_closed(const struct duplex *duplex);
