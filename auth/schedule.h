// schedule: when a client or a rule counts: between two moments (`valid`), and at hours of days (`hours`). Pure: the time
// is an argument.
//
// The wall clock of the zone decides about hours. What it skips is not, and what it shows twice is twice. A window that ends
// after midnight belongs to the day on which it begins.
#pragma once

#include "auth/base/text.h"
#include "auth/reason.h"
#include "auth/time_zone.h"

enum {
    SCHEDULE_DAY_S = 24 * 60 * 60,
    SCHEDULE_ALL_DAYS = 0x7F,
};

// hours is what stands under `hours`. `from_s` and `to_s` differ; where `to_s` is less, it is of the next day.
struct hours {
    uint8_t days;                 // bit 0: Monday; at least one
    int32_t from_s;               // of the wall clock: 0 to 86399
    int32_t to_s;                 // the first second outside: 0 to 86400
    const struct time_zone *zone; // in the arena of the policy; NULL: UTC
};

struct schedule {
    int64_t from_s;  // Unix seconds; INT64_MIN: since ever
    int64_t until_s; // the first second outside; INT64_MAX: for ever
    bool has_hours;
    struct hours hours;
};

enum schedule_state {
    SCHEDULE_OPEN,
    SCHEDULE_EARLY,   // before `from_s`
    SCHEDULE_OVER,    // at `until_s` or later
    SCHEDULE_OUTSIDE, // of its hours
};

// schedule_judge tells the state at `now_s` (Unix seconds, of the years 1970 to 9999). `*out_changes_s` is when it closes if it is open, and
// when it opens if it is not; INT64_MAX for never. NULL is always open.
enum schedule_state schedule_judge(const struct schedule *schedule, int64_t now_s,
                                   int64_t *out_changes_s);

// schedule_reason gives the reason for which something outside its time is denied; REASON_NONE when it is open.
enum reason schedule_reason(enum schedule_state state);

// reason_is_of_time tells whether it is one of these.
bool reason_is_of_time(enum reason reason);

enum { SCHEDULE_TEXT_CAP = 64 }; // bytes, with the NUL

// schedule_format_return tells in a few words when something that is closed opens.
const char *schedule_format_return(int64_t opens_s, char out[SCHEDULE_TEXT_CAP]);
