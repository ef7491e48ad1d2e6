// keeper_socket: messages over the pair of sockets between the keeper and a version of the program.
#pragma once

#include "proxy/keeper/keeper_message.h"

// keeper_socket_pair makes the two ends, both closed on exec. False with errno set.
bool keeper_socket_pair(int out_fds[2]) MUST_USE;

// keeper_socket_send sends a message, and a copy of the descriptor beside it (-1: none), at once or not at all: false with errno
// set.
bool keeper_socket_send(int fd, const struct keeper_message *message, int beside);

// keeper_socket_receive reads one message, and the descriptor beside it, which is the caller's (-1: none). ERR_AGAIN: there is
// none now. ERR_EOF: the other process has ended. ERR_INPUT or ERR_SYSTEM with a sentence in `info`; after ERR_INPUT there may
// be more.
enum err keeper_socket_receive(int fd, struct keeper_message *out, int *out_beside,
                               struct errinfo *info) MUST_USE;

// keeper_socket_discard closes a descriptor that another process has given, and does not wait: that one may have asked for it
// (SO_LINGER).
void keeper_socket_discard(int fd);
