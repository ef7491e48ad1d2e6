// Each take_ function reads from the front of `rest` and leaves what follows; false: it is not there, or too large.
#include "auth/posix_zone.h"

#include "auth/base/date.h"

enum {
    HOUR_S = 60 * 60,
    DAY_S = 24 * HOUR_S,
    AHEAD_HOURS_MAX = 24,
    TIME_HOURS_MAX = 167,
    DEFAULT_TIME_S = 2 * HOUR_S,
    NAME_MIN = 3,
    DIGITS_MAX = 3,
};

static bool take_byte(struct slice *rest, uint8_t byte)
{
    if (rest->len == 0 || rest->data[0] != byte)
        return false;
    *rest = slice_from(*rest, 1);
    return true;
}

static bool is_letter(uint8_t byte)
{
    return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
}

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

// take_name passes over `CET` or `<+03>`.
static bool take_name(struct slice *rest)
{
    size_t len = 0;
    const bool is_quoted = take_byte(rest, '<');
    while (len < rest->len && (is_letter(rest->data[len]) ||
                               (is_quoted && (is_digit(rest->data[len]) || rest->data[len] == '+' ||
                                              rest->data[len] == '-'))))
        len++;
    *rest = slice_from(*rest, len);
    return len >= NAME_MIN && (!is_quoted || take_byte(rest, '>'));
}

static bool take_number(struct slice *rest, uint32_t max, uint32_t *out)
{
    uint32_t value = 0;
    size_t len = 0;
    while (len < rest->len && len <= DIGITS_MAX && is_digit(rest->data[len]))
        value = value * 10 + (uint32_t)(rest->data[len++] - '0');
    *rest = slice_from(*rest, len);
    *out = value;
    return len > 0 && len <= DIGITS_MAX && value <= max;
}

// take_time reads `[+-]hh[:mm[:ss]]`.
static bool take_time(struct slice *rest, uint32_t max_hours, int32_t *out)
{
    uint32_t hours = 0;
    uint32_t minutes = 0;
    uint32_t seconds = 0;
    const bool is_negative = take_byte(rest, '-');
    if (!is_negative)
        (void)take_byte(rest, '+');
    if (!take_number(rest, max_hours, &hours))
        return false;
    if (take_byte(rest, ':') && !take_number(rest, 59, &minutes))
        return false;
    if (take_byte(rest, ':') && !take_number(rest, 59, &seconds))
        return false;
    const int32_t value = (int32_t)(hours * HOUR_S + minutes * 60 + seconds);
    *out = is_negative ? -value : value;
    return true;
}

// take_date reads `J60`, `59` or `M3.5.0`.
static bool take_date(struct slice *rest, struct posix_day *out)
{
    if (take_byte(rest, 'J')) {
        out->kind = POSIX_JULIAN;
        return take_number(rest, 365, &out->day) && out->day > 0;
    }
    if (!take_byte(rest, 'M')) {
        out->kind = POSIX_ORDINAL;
        return take_number(rest, 365, &out->day);
    }
    out->kind = POSIX_MONTH;
    return take_number(rest, 12, &out->month) && out->month > 0 && take_byte(rest, '.') &&
           take_number(rest, 5, &out->week) && out->week > 0 && take_byte(rest, '.') &&
           take_number(rest, 6, &out->weekday);
}

// take_day reads `,date[/time]`.
static bool take_day(struct slice *rest, struct posix_day *out)
{
    out->time_s = DEFAULT_TIME_S;
    if (!take_byte(rest, ',') || !take_date(rest, out))
        return false;
    return !take_byte(rest, '/') || take_time(rest, TIME_HOURS_MAX, &out->time_s);
}

bool posix_zone_parse(struct slice s, struct posix_zone *out)
{
    int32_t behind_s = 0;
    *out = (struct posix_zone){0};
    if (!take_name(&s) || !take_time(&s, AHEAD_HOURS_MAX, &behind_s))
        return false;
    out->ahead_s = -behind_s; // it is written the other way round
    if (s.len == 0)
        return true;
    out->has_summer = true;
    out->summer_ahead_s = out->ahead_s + HOUR_S;
    if (!take_name(&s))
        return false;
    if (s.len > 0 && s.data[0] != ',') {
        if (!take_time(&s, AHEAD_HOURS_MAX, &behind_s))
            return false;
        out->summer_ahead_s = -behind_s;
    }
    return take_day(&s, &out->begin) && take_day(&s, &out->end) && s.len == 0;
}

// day_of gives the days from 1970-01-01 to the day of a year.
static int64_t day_of(const struct posix_day *day, uint32_t year)
{
    const int64_t first = date_days(year, 1, 1);
    const bool is_leap = date_month_days(year, 2) == 29;
    switch (day->kind) {
    case POSIX_JULIAN:
        return first + day->day - 1 + (is_leap && day->day >= 60 ? 1 : 0);
    case POSIX_ORDINAL:
        return first + day->day;
    case POSIX_MONTH:
        break;
    }
    const int64_t month = date_days(year, day->month, 1);
    const uint32_t weekday = (uint32_t)((month + 4) % 7); // 1970-01-01 was a Thursday, which is 4
    uint32_t date = 1 + (day->weekday + 7 - weekday) % 7 + 7 * (day->week - 1);
    if (date > date_month_days(year, day->month))
        date -= 7;
    return month + date - 1;
}

void posix_zone_changes(const struct posix_zone *zone, uint32_t year, struct zone_change out[2])
{
    const struct zone_change begin = {.at_s = day_of(&zone->begin, year) * DAY_S +
                                              zone->begin.time_s - zone->ahead_s,
                                      .ahead_s = zone->summer_ahead_s};
    const struct zone_change end = {.at_s = day_of(&zone->end, year) * DAY_S + zone->end.time_s -
                                            zone->summer_ahead_s,
                                    .ahead_s = zone->ahead_s};
    const bool is_begin_first = begin.at_s < end.at_s;
    out[0] = is_begin_first ? begin : end;
    out[1] = is_begin_first ? end : begin;
}
