// tzif: a file of the time zone database (RFC 9636, version 2 and later) as a time zone. Bytes in, value out.
//
// libc has no zone of its own for each caller: its one zone is the process's, in an environment variable and under a lock.
#pragma once

#include "auth/base/arena.h"
#include "auth/base/err.h"
#include "auth/time_zone.h"

enum {
    TZIF_MAX_LEN = 64 * 1024, // bytes of a file
    TZIF_LAST_YEAR =
        2199, // up to which its rule for the future is worked out; what holds then stays
};

// tzif_parse reads a whole file; the changes go into `arena`. ERR_INPUT with the reason in `info` for what is none, for one
// that counts leap seconds (Unix time has none), and for more than 4,096 changes; ERR_MEMORY.
enum err tzif_parse(struct slice bytes, struct arena *arena, struct time_zone *out,
                    struct errinfo *info) MUST_USE;
