// session: one TLS connection of one client, from accept to close; its requests are exchanges.
//
//     HANDSHAKE --certificate good--> SERVING --last request done--> CLOSING --> DEAD
//         |\--refused-----------------------------------------------^
//         \---refused, to be said in HTTP--> REFUSING --answered-----^
//
// A session lives and dies on one worker. Callbacks only drive it; what it waits for is worked out
// anew after each drive; it is freed at the end of the loop's pass, never under its caller.
#pragma once

#include "proxy/limits/ledger.h"
#include "proxy/session/context.h"

// session_accept takes over a connected socket. `listener` is of the context's snapshot. Without memory
// the socket is closed.
void session_accept(struct session_context *context, const struct listener_config *listener, int fd,
                    const struct ip_addr *peer, uint16_t peer_port);

// sessions_live tells how many sessions are not dead.
size_t sessions_live(const struct session_context *context);

// sessions_begin_drain ends idle sessions in an orderly way and refuses new requests; what is under way goes on.
void sessions_begin_drain(struct session_context *context);

// sessions_end_all ends all sessions at once; their exchanges are recorded with `reason`.
void sessions_end_all(struct session_context *context, enum reason reason);

// sessions_adopt makes `snapshot` today's: from now on every session compares at each step towards a
// tunnel, and those that have one are judged again, a few each pass of the loop.
void sessions_adopt(struct session_context *context, struct snapshot *snapshot);

// sessions_judge_again has all live tunnels judged again under today's snapshot, a few each pass of the loop, and
// what was remembered of certificates forgotten: for when the wall clock was set.
void sessions_judge_again(struct session_context *context);

// sessions_make_room ends a connection that waits for a request: of those of the client with this account (NULL: of
// the client that has most, among those that have waited longest, and a second at least). False: there is none.
bool sessions_make_room(struct session_context *context, const struct account *account);

// sessions_look_at_deaf ends the exchanges whose client has reset the connection while nothing was to be read from it
// or written to it, so that the loop does not tell. Called each second; without such sessions it costs nothing.
void sessions_look_at_deaf(struct session_context *context);

// sessions_sweep judges the next few of them. Called from the loop.
void sessions_sweep(struct session_context *context);

// sessions_reap frees the dead sessions. Called from the loop when nothing else of them is running.
void sessions_reap(struct session_context *context);

// sessions_drive_ready drives the sessions that have used up their share of the last turn.
void sessions_drive_ready(struct session_context *context);

// sessions_drive_shaking goes on with handshakes that were put off, as far as a pass has time for them.
void sessions_drive_shaking(struct session_context *context);
