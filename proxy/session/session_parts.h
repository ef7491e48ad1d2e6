// What a session is made of, and what a step of it may ask for. session.c owns the states, handshake.c the way to a
// judged client.
#pragma once

#include "proxy/loop/deadline.h"
#include "proxy/net/tcp_stream.h"
#include "proxy/session/multiplex.h"
#include "proxy/session/revalidation.h"

enum { SESSION_MAGIC = 0x5E5510A7 };

// What comes after a step.
enum session_step {
    SESSION_STEP_WAIT,   // for an event
    SESSION_STEP_AGAIN,  // another step may be possible
    SESSION_STEP_MORE,   // its share of this turn is used up
    SESSION_STEP_SHAKE,  // enter HANDSHAKE
    SESSION_STEP_SERVE,  // enter SERVING
    SESSION_STEP_REFUSE, // enter REFUSING
    SESSION_STEP_CLOSE,  // say goodbye, and linger until the client has read it
    SESSION_STEP_END,    // close the socket
    SESSION_STEP_RESET,  // close it with a reset
};

// What is known of a handshake that is not to be served.
struct session_refusal {
    enum reason reason; // REASON_NONE: not refused
    char id[17];        // of the record about it
    const char *detail; // static memory, or the trust profile's; NULL: what TLS says about it
    struct identity *presented; // owned; of a certificate that could be read
};

// What a ticket's certificate is worth, should the handshake be resumed with it.
struct session_offer {
    struct identity *identity; // owned; NULL: none was shown
    int64_t not_after_s;       // Unix seconds
};

// How long a handshake waits for OCSP.
struct session_asking {
    struct session_mark mark; // it waits
    int64_t until_ms;         // monotonic; 0: it has not begun to wait
};

struct arrival;

// A client that says hello and nothing else costs one of these: what is used later is made later.
struct session {
    uint32_t magic;
    enum session_state state;
    TAILQ_ENTRY(session) link;     // in the list of its state
    struct session_mark idle;      // waits for a request
    struct session_mark unwatched; // the loop does not watch its socket
    struct session_asking asking;
    struct turn_entry turn;  // waits for its turn
    struct turn_entry sweep; // waits to be judged again
    size_t dropped_len;      // bytes read while closing
    int64_t since_ms;        // monotonic; when this state, or waiting for a request, began
    struct tcp_stream tcp;
    struct deadline deadline; // one for all states
    struct peer peer;
    struct channel channel;      // to the peer, over TLS
    struct exchange *exchange;   // owned; NULL between requests, and with HTTP/2
    struct multiplex *multiplex; // owned; the requests of HTTP/2; NULL: it speaks HTTP/1.1
    struct http2_session
        *refusing; // owned; tells a refused client why over HTTP/2; NULL: see refusing.h
    struct session_offer offer; // of the session that the client wants to resume, when accepted
    struct session_refusal refusal;
    struct arrival
        *arrival;      // owned; until the PROXY header has been read; NULL: there is none to read
    bool is_deferred;  // to be judged when all that cost no signatures have been
    bool is_half_open; // counts among its source's handshakes
    bool is_first;     // no exchange has been yet
    bool has_said_end; // our direction is finished
    bool is_plain;     // the client speaks plain HTTP
};
