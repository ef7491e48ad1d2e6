// posix_zone: the rule by which a wall clock goes on after the last change that a file of the time zone database lists:
// `CET-1CEST,M3.5.0,M10.5.0/3` (POSIX TZ, with the extension of RFC 9636 3.3.1: hours of -167 to 167).
//
// Text in, value out; no environment, no locale.
#pragma once

#include "auth/time_zone.h"

// posix_day is when a clock is set, each year.
struct posix_day {
    // `J1`-`J365` (no 29 February), `0`-`365`, or the `week`th (5: the last) `weekday` (0: Sunday) of `month`
    enum { POSIX_JULIAN, POSIX_ORDINAL, POSIX_MONTH } kind;
    uint32_t day;
    uint32_t month;
    uint32_t week;
    uint32_t weekday;
    int32_t time_s; // of the wall clock before it is set, from midnight on
};

struct posix_zone {
    int32_t ahead_s; // of UTC, standard time
    bool has_summer; // with it, the rest counts
    int32_t summer_ahead_s;
    struct posix_day begin;
    struct posix_day end;
};

// posix_zone_parse reads all of `s`. False: it is none, or daylight saving time has no rule.
bool posix_zone_parse(struct slice s, struct posix_zone *out);

// posix_zone_changes gives the two changes of a year (1970-9999), the earlier one first. With `has_summer` only.
void posix_zone_changes(const struct posix_zone *zone, uint32_t year, struct zone_change out[2]);
