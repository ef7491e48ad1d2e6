// key_starter: how the serving process gets a key holder: it asks its keeper.
#pragma once

#include "auth/base/err.h"

// key_starter_start has another holder started and gives the other end of its socket, which is the caller's. `keeper_fd` is the
// link to the keeper. A holder that could not be started shows by the end of the socket. ERR_SYSTEM with a sentence.
enum err key_starter_start(int keeper_fd, int *out_fd, struct errinfo *info) MUST_USE;
