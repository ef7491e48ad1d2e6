// top_request: what `top` is asked: how many tunnels, whose, and how often. Pure.
//
//     [N] [every:DURATION] [client:NAME]
//
// In this order, single spaces. See docs/CONTROL.md.
#pragma once

#include "auth/policy.h"

enum { TOP_DEFAULT = 20, TOP_MAX = 1000, TOP_EVERY_MIN_MS = 100, TOP_EVERY_MAX_MS = 60 * 1000 };

struct top_request {
    size_t count;                     // of tunnels at most, 1 to TOP_MAX
    int64_t every_ms;                 // between two answers; 0: there is one answer
    char client[CLIENT_NAME_MAX + 1]; // an account, or a template; "": everybody
};

// top_request_parse reads an argument, which may be empty. ERR_INPUT with a sentence.
enum err top_request_parse(struct slice argument, struct top_request *out,
                           struct errinfo *info) MUST_USE;
