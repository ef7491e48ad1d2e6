// accept: from a connected socket to a session, where the process has room and the source is within its limits. The
// client is not known yet.
//
// A connection that is turned away is closed at once, without a byte of TLS, and recorded as a refused handshake (counted
// in floods). One that a balancer passes on counts for no source before its PROXY header says whose it is. Where too many handshakes of the source have failed, the next one is accepted and begins later.
#pragma once

#include "proxy/session/context.h"

// session_accept takes over a connected socket, whose other end is `address` (canonical) and `port`. `listener` is of the
// context's snapshot. Without room or memory the socket is closed.
void session_accept(struct session_context *context, const struct listener_config *listener, int fd,
                    const struct ip_addr *address, uint16_t port);
