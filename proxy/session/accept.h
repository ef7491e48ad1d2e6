// accept: from a connected socket to a session, where the process has room and the source behaves. Nobody knows yet who
// the client is.
//
// What is turned away is closed at once, without a word of TLS, and recorded as a refused handshake (counted
// in floods). Where too many handshakes of the source have failed, the next one is let in and begins later.
#pragma once

#include "proxy/session/context.h"

// session_accept takes over a connected socket. `listener` is of the context's snapshot. Without room or memory
// the socket is closed.
void session_accept(struct session_context *context, const struct listener_config *listener, int fd,
                    const struct ip_addr *peer, uint16_t peer_port);
