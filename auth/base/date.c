// Days to a date: years are counted from March, so that the leap day is the last of its year, and in eras of 400
// years, all of which have the same number of days.
#include "auth/base/date.h"

#include "auth/base/slice.h"

enum {
    DAY_S = 24 * 60 * 60,
    YEAR_DAYS = 365,
    ERA_YEARS = 400,
    ERA_DAYS = 146097,
    EPOCH_DAYS = 719468, // from 0000-03-01 to 1970-01-01
};
#define FIRST_SECOND (INT64_C(-62167219200)) // 0000-01-01T00:00:00Z
#define LAST_SECOND  INT64_C(253402300799)   // 9999-12-31T23:59:59Z

// put writes `value` in `width` digits at `at`.
static void put(char *at, uint32_t value, uint32_t width)
{
    for (uint32_t i = width; i > 0; i--, value /= 10)
        at[i - 1] = (char)('0' + value % 10);
}

static void put_day(char out[DATE_TEXT_CAP], uint32_t days)
{
    const uint32_t era = days / ERA_DAYS;
    const uint32_t day_of_era = days % ERA_DAYS;
    const uint32_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / (ERA_DAYS - 1)) /
        YEAR_DAYS;
    const uint32_t day_of_year =
        day_of_era - (YEAR_DAYS * year_of_era + year_of_era / 4 - year_of_era / 100);
    const uint32_t march_month = (5 * day_of_year + 2) / 153; // 0 is March
    const uint32_t month = march_month < 10 ? march_month + 3 : march_month - 9;
    put(out, era * ERA_YEARS + year_of_era + (month <= 2 ? 1 : 0) - ERA_YEARS, 4);
    put(out + 5, month, 2);
    put(out + 8, day_of_year - (153 * march_month + 2) / 5 + 1, 2);
}

const char *date_format(int64_t unix_s, enum date_style style, char out[DATE_TEXT_CAP])
{
    static const char *const templates[] = {
        [DATE_SECOND] = "yyyy-mm-ddThh:mm:ssZ",
        [DATE_MINUTE] = "yyyy-mm-dd hh:mm UTC",
        [DATE_DAY] = "yyyy-mm-dd",
    };
    out[0] = '\0';
    if (unix_s < FIRST_SECOND || unix_s > LAST_SECOND)
        return out;
    (void)string_copy(out, DATE_TEXT_CAP, slice_of_string(templates[style]));
    // One era is added, so that nothing is negative.
    const int64_t shifted_s = unix_s + (int64_t)(EPOCH_DAYS + ERA_DAYS) * DAY_S;
    const uint32_t second = (uint32_t)(shifted_s % DAY_S);
    put_day(out, (uint32_t)(shifted_s / DAY_S));
    if (style == DATE_DAY)
        return out;
    put(out + 11, second / 3600, 2);
    put(out + 14, second / 60 % 60, 2);
    if (style == DATE_SECOND)
        put(out + 17, second % 60, 2);
    return out;
}

const char *date_format_ms(int64_t unix_ms, char out[DATE_TEXT_CAP])
{
    (void)date_format(unix_ms / 1000, DATE_SECOND, out);
    if (out[0] == '\0')
        return out;
    (void)string_copy(out + 19, DATE_TEXT_CAP - 19, SLICE_LITERAL(".mmmZ"));
    put(out + 20, (uint32_t)(unix_ms % 1000), 3);
    return out;
}

int64_t date_days(uint32_t year, uint32_t month, uint32_t day)
{
    // One era is added, so that nothing is negative.
    const uint32_t shifted = year + ERA_YEARS - (month <= 2 ? 1 : 0);
    const uint32_t era = shifted / ERA_YEARS;
    const uint32_t year_of_era = shifted % ERA_YEARS;
    const uint32_t march_month = month > 2 ? month - 3 : month + 9; // 0 is March
    const uint32_t day_of_year = (153 * march_month + 2) / 5 + day - 1;
    const uint32_t day_of_era =
        year_of_era * YEAR_DAYS + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return (int64_t)era * ERA_DAYS + day_of_era - EPOCH_DAYS - ERA_DAYS;
}

uint32_t date_year(int64_t unix_s)
{
    char text[DATE_TEXT_CAP];
    uint32_t year = 0;
    if (unix_s < FIRST_SECOND)
        return 0;
    if (unix_s > LAST_SECOND)
        return 9999;
    (void)date_format(unix_s, DATE_DAY, text);
    for (size_t i = 0; i < 4; i++)
        year = year * 10 + (uint32_t)(text[i] - '0');
    return year;
}

uint32_t date_month_days(uint32_t year, uint32_t month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && is_leap ? 1U : 0U);
}

int64_t date_days_left(int64_t now_s, int64_t end_s)
{
    const int64_t left_s = end_s - now_s;
    return left_s < 0 ? -1 - (-1 - left_s) / DAY_S : left_s / DAY_S;
}
