// forward: one plain request and its response between a client and a target (RFC 9112): heads written again,
// bodies streamed both ways at once.
//
// The way up is head and body; the way down is interim heads, one head and a body, or after a 101 whatever the two
// agree on. It ends FINISHED, UPGRADED or in one of the ways in which it came to nothing.
//
// It owns the connection to the target while it lives. It takes no decision and records nothing.
#pragma once

#include "auth/reason.h"
#include "proxy/http/message.h"
#include "proxy/session/body_flow.h"
#include "proxy/session/channel.h"
#include "proxy/session/line.h"
#include "proxy/session/request.h"

enum { FORWARD_BODY_RATE = 1024 }; // bytes a second that a request's body must have on average

enum forward_status {
    FORWARD_WAITS,
    FORWARD_MORE,       // its share of this turn is used up
    FORWARD_FINISHED,   // the response has been passed on whole
    FORWARD_UPGRADED,   // the target speaks WebSocket from here on: the 101 stands in `down.out`
    FORWARD_UNANSWERED, // the target ended before it had said anything: `reason`, `why`
    FORWARD_BAD, // what comes cannot be passed on; an answer can say so: `reason` says whose fault, `why`
    FORWARD_BROKEN, // somebody broke off: `reason`; the other side is to see a reset, too
};

// Owned by its exchange, which reads what is not private.
struct forward {
    struct line line;
    struct channel *channel;       // borrowed; to the client
    const struct request *request; // borrowed; its slices only while it is created
    struct body_flow up;           // client to target
    struct body_flow down;         // target to client
    bool is_last;         // private; no further request may use the connection to the target
    bool is_up_lost;      // private; the target takes no more
    bool has_heard;       // the target has said something
    bool is_answered;     // the response's head is on its way to the client
    bool is_kept;         // the client's connection goes on after the response
    bool is_target_kept;  // private; the target's goes on as well
    size_t interim_count; // private
    uint16_t status;      // of the response; 0: none yet
    enum reason reason;   // of the end
    const char *why;      // static memory; what is malformed
    int64_t active_ms;    // monotonic; when something was last passed on
    int64_t body_ms;      // monotonic; since when the body's bytes are counted
    uint64_t body_len;    // bytes of it that had been passed on then
};

// forward_create begins to pass a request on over `line`, which it takes over, also on an error; `rest` is what has come over
// it already.
// What stands in the channel's inbox of the request's body goes with it. Events on either side wake the owner of the channel's
// stream. Both directions take turns with all others of the account. `is_alone`: no other request may use the connection.
// ERR_MEMORY, ERR_LIMIT; then `*out` is NULL.
enum err forward_create(struct channel *channel, struct line *line, struct slice rest,
                        const struct request *request, struct account *account, bool is_alone,
                        struct forward **out) MUST_USE;

// forward_move_pace has both directions take turns with those of another account from now on; see pacer_move.
void forward_move_pace(struct forward *forward, struct account *account);

// forward_destroy closes what it still has, with a reset where `is_reset`, and frees. NULL is allowed.
void forward_destroy(struct forward *forward, bool is_reset);

// forward_has_begun_answer tells whether the client has the response's head, or a part of an interim one: no answer of the
// proxy's own can come after that.
bool forward_has_begun_answer(const struct forward *forward);

// forward_turn_ms gives when it is to be stepped though nothing has happened; INT64_MAX: never.
int64_t forward_turn_ms(const struct forward *forward);

// forward_active_ms gives when something was last passed on, or could have been; see duplex_active_ms.
int64_t forward_active_ms(const struct forward *forward);

// forward_body_ends_ms gives when the client has to have sent FORWARD_BODY_RATE bytes of the body for each second since
// it was last held up by the target or by its bandwidth, or came as far; `window_ms` after that. INT64_MAX: no body is
// waited for.
int64_t forward_body_ends_ms(const struct forward *forward, int64_t window_ms);

// forward_has_slow_body tells, at that time, whether it has not; otherwise another window begins.
bool forward_has_slow_body(struct forward *forward, int64_t window_ms);

// forward_step moves what can be moved now.
enum forward_status forward_step(struct forward *forward);

// forward_update_interest sets what both streams wait for.
void forward_update_interest(struct forward *forward);

// forward_take_reusable hands the connection to the target over where it can take another request; -1: it
// cannot. Only when finished.
int forward_take_reusable(struct forward *forward);
