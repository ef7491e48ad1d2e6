// schedule_text: how times are written in a configuration. Text in, values out; refuses what can be read in two ways.
#pragma once

#include "auth/schedule.h"

// moment is a date with or without a time of day and an offset: `2027-01-01`, `2027-01-01T08:00`, `2027-01-01T08:00:00+01:00`.
struct moment {
    int64_t
        wall_s; // what its wall clock shows, in seconds since 1970-01-01 00:00 of that wall clock
    bool has_offset; // it says how far the clock is ahead of UTC; `Z` is not at all
    int32_t ahead_s; // with has_offset
};

// moment_parse reads all of `s`: years 1970 to 9999, seconds 0 to 59. Without a time of day it is midnight, where the day
// begins. False: it is none (RFC 3339 5.6, without fractions; `-00:00` says nothing, and is none).
bool moment_parse(struct slice s, struct moment *out);

// days_parse reads `mon-fri`, `sat,sun` or `fri-mon,wed` as bits, Monday first. False: it is none.
bool days_parse(struct slice s, uint8_t *out);

// clock_parse reads `08:00`, from `00:00` to `24:00`, as seconds. False: it is none.
bool clock_parse(struct slice s, int32_t *out);
