// drain_request: how the proxy is to drain. Pure.
//
//     [wait] [lame_duck:DURATION]
//
// In this order, single spaces. See docs/CONTROL.md.
#pragma once

#include <stdbool.h>

#include "auth/base/err.h"
#include "auth/base/slice.h"

enum { LAME_DUCK_MAX_MS = 60 * 60 * 1000 };

struct drain_request {
    bool is_waiting; // the answer comes when all has ended
    int64_t
        lame_duck_ms; // for so long new connections are accepted still, but /readyz says no; 0: not at all
};

// drain_request_parse reads an argument, which may be empty. ERR_INPUT with a sentence.
enum err drain_request_parse(struct slice argument, struct drain_request *out,
                             struct errinfo *info) MUST_USE;
