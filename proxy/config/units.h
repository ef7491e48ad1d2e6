// units: durations and sizes as people write them (`500ms`, `16KiB`), read into integers.
//
// Pure. A unit is always written, so that no number can be taken for seconds by one reader and for
// milliseconds by the next. Knows nothing of YAML, keys or ranges: those are the caller's.
#pragma once

#include <stdint.h>

#include "auth/base/err.h"
#include "auth/base/slice.h"

// The longest duration that is read, 100 years: sums of a few of them cannot overflow.
#define DURATION_MAX_MS (INT64_C(36500) * 24 * 60 * 60 * 1000)

// The largest size that is read, one exbibyte.
#define SIZE_MAX_BYTES (UINT64_C(1) << 60)

// duration_parse reads a whole number and one of the units ms, s, m, h, d: `500ms 10s 5m 12h 90d`.
// ERR_INPUT for everything else (no unit, another unit, fractions, signs, blanks, leading zeros,
// several parts), ERR_LIMIT above DURATION_MAX_MS; a sentence in `info` says what was expected.
enum err duration_parse(struct slice s, int64_t *out_ms, struct errinfo *info) MUST_USE;

// size_parse reads a whole number and one of the units B, KB, MB, GB, TB (powers of 1000), KiB,
// MiB, GiB, TiB (powers of 1024): `16KiB 50MB`. Errors as with duration_parse, above
// SIZE_MAX_BYTES.
enum err size_parse(struct slice s, uint64_t *out_bytes, struct errinfo *info) MUST_USE;

// The highest rates that are read.
#define RATE_MAX_A_SECOND      UINT64_C(1000000)
#define BANDWIDTH_MAX_A_SECOND UINT64_C(1000000000000)

// rate_parse reads a whole number of events a second: `50/s`. ERR_INPUT for everything else, ERR_LIMIT
// above RATE_MAX_A_SECOND.
enum err rate_parse(struct slice s, uint64_t *out, struct errinfo *info) MUST_USE;

// bandwidth_parse reads a size a second, in bytes: `10MB/s`, `512KiB/s`. Errors likewise, above
// BANDWIDTH_MAX_A_SECOND.
enum err bandwidth_parse(struct slice s, uint64_t *out_bytes, struct errinfo *info) MUST_USE;

enum { DURATION_TEXT_CAP = 32, SIZE_TEXT_CAP = 32 }; // bytes, with the NUL

// size_format writes `bytes` in the largest unit that loses nothing, NUL-terminated, and returns `out`.
const char *size_format(uint64_t bytes, char out[SIZE_TEXT_CAP]);

// duration_format writes `ms` milliseconds in the largest unit that loses nothing (`5m`, `90s`),
// NUL-terminated, and returns `out`.
const char *duration_format(int64_t ms, char out[DURATION_TEXT_CAP]);
