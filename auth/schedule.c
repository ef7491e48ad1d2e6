// A week has few moments at which anything can change, and so has a wall clock: these are tried one after the other.
#include "auth/schedule.h"

#include "auth/base/date.h"

enum {
    WEEK_DAYS = 7,
    EPOCH_WEEKDAY = 3, // 1970-01-01 was a Thursday
    STEPS_MAX = 64,    // three moments a day, and when the clock is set: a week and a half at least
};

// wall is what the wall clock of a schedule shows.
struct wall {
    uint32_t weekday; // 0: Monday
    int32_t second;   // of the day
};

static struct wall wall_at(int64_t wall_s)
{
    // A multiple of a week is added, so that nothing is negative.
    const int64_t shifted_s = wall_s + INT64_C(1000000) * WEEK_DAYS * SCHEDULE_DAY_S;
    return (struct wall){.weekday =
                             (uint32_t)((shifted_s / SCHEDULE_DAY_S + EPOCH_WEEKDAY) % WEEK_DAYS),
                         .second = (int32_t)(shifted_s % SCHEDULE_DAY_S)};
}

static bool has_day(const struct hours *hours, uint32_t weekday)
{
    return (hours->days >> weekday % WEEK_DAYS & 1) != 0;
}

static bool is_inside(const struct hours *hours, struct wall wall)
{
    const bool is_today = has_day(hours, wall.weekday);
    if (hours->from_s < hours->to_s)
        return is_today && wall.second >= hours->from_s && wall.second < hours->to_s;
    return (is_today && wall.second >= hours->from_s) ||
           (has_day(hours, wall.weekday + WEEK_DAYS - 1) && wall.second < hours->to_s);
}

// step_s gives the seconds to the next moment of the wall clock at which anything may change.
static int32_t step_s(const struct hours *hours, struct wall wall)
{
    int32_t next = SCHEDULE_DAY_S;
    if (hours->from_s > wall.second)
        next = hours->from_s;
    if (hours->to_s > wall.second && hours->to_s < next)
        next = hours->to_s;
    return next - wall.second;
}

// hours_judge tells whether a time is inside, and when that changes.
static bool hours_judge(const struct hours *hours, int64_t now_s, int64_t *out_changes_s)
{
    bool is_open = false;
    *out_changes_s = INT64_MAX;
    for (size_t i = 0; i < STEPS_MAX; i++) {
        int64_t until_s = 0;
        const int64_t wall_s = now_s + time_zone_ahead_s(hours->zone, now_s, &until_s);
        const struct wall wall = wall_at(wall_s);
        const bool is_open_now = is_inside(hours, wall);
        if (i == 0)
            is_open = is_open_now;
        if (is_open_now != is_open) {
            *out_changes_s = now_s;
            return is_open;
        }
        now_s += step_s(hours, wall);
        now_s = until_s < now_s ? until_s : now_s;
    }
    return is_open;
}

// first_open gives the first moment from `at_s` on that is inside the hours.
static int64_t first_open(const struct schedule *schedule, int64_t at_s)
{
    int64_t changes_s = 0;
    const bool is_open = !schedule->has_hours || hours_judge(&schedule->hours, at_s, &changes_s);
    return is_open ? at_s : changes_s;
}

enum schedule_state schedule_judge(const struct schedule *schedule, int64_t now_s,
                                   int64_t *out_changes_s)
{
    int64_t changes_s = INT64_MAX;
    enum schedule_state state = SCHEDULE_OPEN;
    *out_changes_s = INT64_MAX;
    if (schedule == NULL)
        return SCHEDULE_OPEN;
    if (now_s >= schedule->until_s)
        return SCHEDULE_OVER;
    if (now_s < schedule->from_s) {
        state = SCHEDULE_EARLY;
        changes_s = first_open(schedule, schedule->from_s);
    } else if (schedule->has_hours && !hours_judge(&schedule->hours, now_s, &changes_s)) {
        state = SCHEDULE_OUTSIDE;
    }
    if (state == SCHEDULE_OPEN)
        *out_changes_s = changes_s < schedule->until_s ? changes_s : schedule->until_s;
    else if (changes_s < schedule->until_s)
        *out_changes_s = changes_s;
    return state;
}

enum reason schedule_reason(enum schedule_state state)
{
    switch (state) {
    case SCHEDULE_OPEN:
        return REASON_NONE;
    case SCHEDULE_EARLY:
    case SCHEDULE_OVER:
        return REASON_NOT_VALID_NOW;
    case SCHEDULE_OUTSIDE:
        break;
    }
    return REASON_OUTSIDE_HOURS;
}

bool reason_is_of_time(enum reason reason)
{
    return reason == REASON_NOT_VALID_NOW || reason == REASON_OUTSIDE_HOURS;
}

const char *schedule_format_return(int64_t opens_s, char out[SCHEDULE_TEXT_CAP])
{
    char date[DATE_TEXT_CAP];
    struct text text;
    text_init(&text, out, SCHEDULE_TEXT_CAP);
    if (opens_s == INT64_MAX)
        text_append_string(&text, "its time is over");
    else
        text_append_format(&text, "allowed from %s", date_format(opens_s, DATE_SECOND, date));
    return out;
}
