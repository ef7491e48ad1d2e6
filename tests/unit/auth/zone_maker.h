// zone_maker: files of the time zone database, made of a rule and a few changes.
#pragma once

#include "auth/tzif.h"

enum { ZONE_FILE_CAP = 1024 };

// made_change is a change of a file: at this time the clock is set to be this much ahead.
struct made_change {
    int64_t at_s;
    int32_t ahead_s;
};

// zone_make_file writes a file of version 2 whose clock is `first_ahead_s` ahead before the first change. At most 16.
struct slice zone_make_file(int32_t first_ahead_s, const struct made_change *changes, size_t count,
                            const char *rule, uint8_t out[ZONE_FILE_CAP]);

// zone_make gives the zone of a file with this rule and no change of its own, in `arena`.
const struct time_zone *zone_make(struct arena *arena, int32_t ahead_s, const char *rule);
