// arrival: what is asked of a connection before it becomes a session: is there room in the process, and does
// its source behave. Nobody knows yet who it is.
//
// What is turned away is closed at once, without a word of TLS, and recorded as a refused handshake (counted
// in storms). Where too many handshakes of the source have failed, the next one is let in and begins later.
#pragma once

#include "proxy/session/context.h"

struct arrival {
    const struct listener_config *listener; // borrowed
    const struct ip_addr *address;          // borrowed; canonical
    uint16_t port;
    bool is_half_open; // out: arrival_end_handshake is to follow
    int64_t wait_ms;   // out: the handshake begins after so long
};

// arrival_admit takes room for one session, for which arrival_give_session is to follow. False: it is recorded
// why not, and the caller closes the socket.
bool arrival_admit(struct session_context *context, struct arrival *arrival);

// arrival_end_handshake counts the handshake of a source as over.
void arrival_end_handshake(struct session_context *context, const struct ip_addr *address);

// arrival_note_failure counts a refused handshake against its source, where that is a failure: a client that
// ends the connection by itself, as browsers do while a person looks for a certificate, has failed nothing.
void arrival_note_failure(struct session_context *context, const struct ip_addr *address,
                          enum reason reason);

// arrival_give_session gives the room back.
void arrival_give_session(struct session_context *context);
