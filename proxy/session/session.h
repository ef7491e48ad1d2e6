// session: one TLS connection of one client, from accept to close; its requests are exchanges.
//
//     PROXY_HEADER, where a balancer is to send one
//         |\--bad, late--------------------------------------------------------> DEAD
//         v
//     HANDSHAKE --certificate good--> SERVING --last request done--> CLOSING --> DEAD
//         |\--refused-----------------------------------------------^
//         \---refused, to be said in HTTP--> REFUSING --answered-----^
//
// A session lives and dies on one worker. Callbacks only drive it; what it waits for is worked out after each drive; it is
// freed at the end of the loop's pass, never under its caller.
#pragma once

#include "proxy/session/session_parts.h"

// session_start puts a new session, all of whose parts are made, into its first state and drives it.
void session_start(struct session *session);

// session_drive does what can be done now, and works out what to wait for.
void session_drive(struct session *session);

// session_is_idle tells whether a session that is served has no request.
bool session_is_idle(const struct session *session);

// session_next_exchange gives the request after `exchange`; of NULL the first one. NULL: there is none.
struct exchange *session_next_exchange(const struct session *session,
                                       const struct exchange *exchange);

// session_leave ends the connection in an orderly way once its requests have ended: a client of HTTP/2 is told that no
// more are taken.
void session_leave(struct session *session);

// session_retire does as session_leave, but for a client that has not asked for anything yet: it may do so once, or, over
// HTTP/2, for a second.
void session_retire(struct session *session);

// session_begin_closing says goodbye: our last bytes go out, the client's are read and dropped for a
// while, so that no reset destroys what we said.
void session_begin_closing(struct session *session);

// session_kill closes the socket and leaves the session for the reaper. May be repeated.
void session_kill(struct session *session, bool is_reset);

// session_destroy frees a dead session.
void session_destroy(struct session *session);

// sessions_make_room ends a connection that waits for a request: of those of the client with this account. NULL: the one that
// waits longest for its PROXY header, else one of the client that has most, among those that have waited longest; and a second
// at least. False: there is none.
bool sessions_make_room(struct session_context *context, const struct account *account);
