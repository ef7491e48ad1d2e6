// date: a point in time as text, always UTC, always the proleptic Gregorian calendar.
//
// Knows no clock and no time zone. libc's gmtime_r takes the lock of its time zones; this does not, so that a
// worker may use it.
#pragma once

#include <stdint.h>

enum { DATE_TEXT_CAP = 28 }; // bytes, with the NUL

enum date_style {
    DATE_SECOND, // 2026-11-22T03:00:00Z, RFC 3339
    DATE_MINUTE, // 2026-11-22 03:00 UTC
    DATE_DAY,    // 2026-11-22
};

// date_format writes the Unix time `unix_s` to `out` and returns it: "" for a year that has not four digits.
const char *date_format(int64_t unix_s, enum date_style style, char out[DATE_TEXT_CAP]);

// date_format_ms writes `unix_ms`, which is not negative, with its milliseconds: 2026-11-22T03:00:00.123Z.
const char *date_format_ms(int64_t unix_ms, char out[DATE_TEXT_CAP]);

// date_days gives the days from 1970-01-01 to a date of the years 0 to 9999, which exists.
int64_t date_days(uint32_t year, uint32_t month, uint32_t day);

// date_year gives the year of a Unix time; 0 before the year 0, 9999 after the year 9999.
uint32_t date_year(int64_t unix_s);

// date_month_days gives how many days a month (1-12) has.
uint32_t date_month_days(uint32_t year, uint32_t month);

// date_days_left returns the whole days from `now_s` to `end_s`; negative when it has passed.
int64_t date_days_left(int64_t now_s, int64_t end_s);
