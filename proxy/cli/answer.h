// answer: what a proxy answers at its control socket, as a whole.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "auth/base/err.h"

// Zeroed: nothing has arrived.
struct answer {
    char *data; // owned
    size_t len;
    size_t cap;
};

// answer_hear reads from the socket `fd` until its end, at most `patience_ms` in all, however much of it comes meanwhile: who
// serves the socket may be somebody else by now. 0: as long as it takes. ERR_TIMEOUT; ERR_LIMIT beyond 64 MiB; ERR_SYSTEM,
// ERR_MEMORY.
enum err answer_hear(struct answer *answer, int fd, int64_t patience_ms) MUST_USE;
