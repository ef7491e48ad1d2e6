// units: durations, sizes, rates and bandwidths as people write them (`500ms`, `16KiB`, `50/s`, `10MB/s`), read into
// integers and written back.
//
// Pure. A number always has its unit, so that nobody takes seconds for milliseconds. Knows nothing of YAML, keys or
// ranges: those are the caller's.
#pragma once

#include <stdint.h>

#include "auth/base/err.h"
#include "auth/base/slice.h"

// quantity is what a value measures.
enum quantity {
    QUANTITY_DURATION, // milliseconds: ms, s, m, h, d
    QUANTITY_MOMENT,   // microseconds: us, ms
    QUANTITY_SIZE, // bytes: B, KB, MB, GB, TB (powers of 1000), KiB, MiB, GiB, TiB (powers of 1024)
    QUANTITY_RATE, // events a second: /s
    QUANTITY_BANDWIDTH, // bytes a second: B/s, KB/s, MB/s, GB/s, KiB/s, MiB/s, GiB/s
};

// The largest values that are read: a hundred years, so that sums of a few cannot overflow; a second, of what is measured in
// microseconds; an exbibyte; and the highest rate and bandwidth.
#define DURATION_MAX_MS        (INT64_C(36500) * 24 * 60 * 60 * 1000)
#define MOMENT_MAX_US          INT64_C(1000000)
#define SIZE_MAX_BYTES         (INT64_C(1) << 60)
#define RATE_MAX_A_SECOND      INT64_C(1000000)
#define BANDWIDTH_MAX_A_SECOND INT64_C(1000000000000)

// quantity_parse reads a whole number and one unit: `500ms`, `16KiB`, `50/s`. ERR_INPUT for everything else (no unit,
// another unit, fractions, signs, blanks, leading zeros, several parts), ERR_LIMIT for more than the largest value; a
// sentence in `info` says what was expected. `*out` is set on ERR_OK only.
enum err quantity_parse(enum quantity quantity, struct slice s, int64_t *out,
                        struct errinfo *info) MUST_USE;

enum { QUANTITY_TEXT_CAP = 32 }; // bytes, with the NUL

// quantity_format writes `value` in the largest unit that loses nothing (`5m`, `90s`), NUL-terminated, and returns
// `out`.
const char *quantity_format(enum quantity quantity, int64_t value, char out[QUANTITY_TEXT_CAP]);
