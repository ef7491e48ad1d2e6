// Fixed places, and nothing but digits in them.
#include "auth/schedule_text.h"

#include "auth/base/date.h"

enum { DATE_LEN = 10, CLOCK_LEN = 5, HOUR_S = 60 * 60, FIRST_YEAR = 1970 };

// take_digits reads exactly `count` digits, of a number from `min` to `max`.
static bool take_digits(struct slice *rest, size_t count, uint32_t min, uint32_t max, uint32_t *out)
{
    uint32_t value = 0;
    if (rest->len < count)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (rest->data[i] < '0' || rest->data[i] > '9')
            return false;
        value = value * 10 + (uint32_t)(rest->data[i] - '0');
    }
    *rest = slice_from(*rest, count);
    *out = value;
    return value >= min && value <= max;
}

static bool take_byte(struct slice *rest, uint8_t byte)
{
    if (rest->len == 0 || rest->data[0] != byte)
        return false;
    *rest = slice_from(*rest, 1);
    return true;
}

// take_clock reads `08:00`.
static bool take_clock(struct slice *rest, uint32_t max_hour, int32_t *out)
{
    uint32_t hour = 0;
    uint32_t minute = 0;
    if (!take_digits(rest, 2, 0, max_hour, &hour) || !take_byte(rest, ':') ||
        !take_digits(rest, 2, 0, 59, &minute))
        return false;
    *out = (int32_t)(hour * HOUR_S + minute * 60);
    return true;
}

bool clock_parse(struct slice s, int32_t *out)
{
    return take_clock(&s, 24, out) && s.len == 0 && *out <= SCHEDULE_DAY_S;
}

// take_date reads `2027-01-01` as seconds.
static bool take_date(struct slice *rest, int64_t *out)
{
    uint32_t year = 0;
    uint32_t month = 0;
    uint32_t day = 0;
    if (!take_digits(rest, 4, FIRST_YEAR, 9999, &year) || !take_byte(rest, '-') ||
        !take_digits(rest, 2, 1, 12, &month) || !take_byte(rest, '-') ||
        !take_digits(rest, 2, 1, date_month_days(year, month), &day))
        return false;
    *out = date_days(year, month, day) * SCHEDULE_DAY_S;
    return true;
}

// take_offset reads `Z`, `+01:00` or nothing.
static bool take_offset(struct slice *rest, struct moment *out)
{
    const bool is_behind = rest->len > 0 && rest->data[0] == '-';
    out->has_offset = rest->len > 0;
    if (rest->len == 0 || take_byte(rest, 'Z'))
        return true;
    if ((!take_byte(rest, '+') && !take_byte(rest, '-')) || !take_clock(rest, 23, &out->ahead_s))
        return false;
    const bool is_unknown = is_behind && out->ahead_s == 0;
    out->ahead_s = is_behind ? -out->ahead_s : out->ahead_s;
    return !is_unknown;
}

bool moment_parse(struct slice s, struct moment *out)
{
    int32_t clock_s = 0;
    uint32_t second = 0;
    *out = (struct moment){0};
    if (!take_date(&s, &out->wall_s))
        return false;
    if (s.len == 0)
        return true;
    if (!take_byte(&s, 'T') || !take_clock(&s, 23, &clock_s) ||
        (take_byte(&s, ':') && !take_digits(&s, 2, 0, 59, &second)) || !take_offset(&s, out))
        return false;
    out->wall_s += clock_s + (int64_t)second;
    return s.len == 0;
}

static bool day_parse(struct slice s, uint32_t *out)
{
    static const char *const names[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
    for (uint32_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (slice_equal(s, slice_of_string(names[i]))) {
            *out = i;
            return true;
        }
    }
    return false;
}

bool days_parse(struct slice s, uint8_t *out)
{
    *out = 0;
    for (;;) {
        const size_t comma = slice_find(s, ',');
        const struct slice part = slice_first(s, comma);
        const size_t dash = slice_find(part, '-');
        uint32_t first = 0;
        uint32_t last = 0;
        if (!day_parse(slice_first(part, dash), &first))
            return false;
        last = first;
        if (dash < part.len && !day_parse(slice_from(part, dash + 1), &last))
            return false;
        for (uint32_t day = first;; day = (day + 1) % 7) {
            *out |= (uint8_t)(1U << day);
            if (day == last)
                break;
        }
        if (comma == s.len)
            return true;
        s = slice_from(s, comma + 1);
    }
}
