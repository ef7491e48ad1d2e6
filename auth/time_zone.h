// time_zone: how far the wall clock of a place is ahead of UTC, at each time.
//
// A value that is looked up in: it knows no file and no clock. auth/tzif.h makes one from a file of the time zone database.
#pragma once

#include <stdint.h>

#include "auth/base/slice.h"

// zone_change is when a wall clock is set: from `at_s` (Unix seconds) on it is `ahead_s` ahead of UTC.
struct zone_change {
    int64_t at_s;
    int32_t ahead_s;
};

struct time_zone {
    int32_t first_ahead_s;             // before the first change
    const struct zone_change *changes; // in the arena that it was made in; the earliest first
    size_t count;
};

// time_zone_ahead_s gives how many seconds the wall clock is ahead of UTC at a time; NULL is UTC. `*out_until_s` is when that
// changes next, INT64_MAX for never.
int32_t time_zone_ahead_s(const struct time_zone *zone, int64_t at_s, int64_t *out_until_s);

// How often a wall clock shows a time.
enum wall_time { WALL_ONCE, WALL_NEVER, WALL_TWICE };

// time_zone_find finds when a wall clock shows `wall_s`, the seconds since 1970-01-01 00:00 of that wall clock, which are
// those of the years 0 to 9999. `*out_at_s` is set with WALL_ONCE.
enum wall_time time_zone_find(const struct time_zone *zone, int64_t wall_s, int64_t *out_at_s);
