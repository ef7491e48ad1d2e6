// crl_pace: when the server of a revocation list is asked the next time. Pure.
//
// A client that the CA revokes is refused, and its tunnels end, at most `every` after the CA has published that, plus the time
// to fetch, read and adopt the list: no success and no failure puts the next question off for longer than `every`.
#pragma once

#include <stdint.h>

enum {
    CRL_PACE_MIN_MS =
        1000, // after a success; also after the first failure, doubled after each further one
    CRL_PACE_FAILURE_MAX_MS = 5 * 60 * 1000,
};

// crl_pace_after_success gives the milliseconds until the next question about a list that ends at `next_update_s` (Unix seconds,
// like `now_s`; 0: not known): `every_ms`, or half of the time that is left, if that comes first.
int64_t crl_pace_after_success(int64_t every_ms, int64_t next_update_s, int64_t now_s);

// crl_pace_after_failure gives them after one more failure than `failures` in a row.
int64_t crl_pace_after_failure(int64_t every_ms, uint32_t failures);
