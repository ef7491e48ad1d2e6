// Dates as text: the same as libc's, without its lock.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "auth/base/date.h"

static void a_date_is_written_in_three_styles(void **state)
{
    (void)state;
    static const struct {
        int64_t unix_s;
        const char *second;
        const char *minute;
        const char *day;
    } rows[] = {
        {0, "1970-01-01T00:00:00Z", "1970-01-01 00:00 UTC", "1970-01-01"},
        {-1, "1969-12-31T23:59:59Z", "1969-12-31 23:59 UTC", "1969-12-31"},
        {951827696, "2000-02-29T12:34:56Z", "2000-02-29 12:34 UTC", "2000-02-29"},
        {INT64_C(4107542400), "2100-03-01T00:00:00Z", "2100-03-01 00:00 UTC", "2100-03-01"},
        {INT64_C(253402300799), "9999-12-31T23:59:59Z", "9999-12-31 23:59 UTC", "9999-12-31"},
        {INT64_C(-62167219200), "0000-01-01T00:00:00Z", "0000-01-01 00:00 UTC", "0000-01-01"},
        {INT64_C(-62162121600), "0000-02-29T00:00:00Z", "0000-02-29 00:00 UTC", "0000-02-29"},
        {INT64_C(253402300800), "", "", ""},
        {INT64_C(-62167219201), "", "", ""},
        {INT64_MAX, "", "", ""},
        {INT64_MIN, "", "", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[DATE_TEXT_CAP];
        assert_string_equal(rows[i].second, date_format(rows[i].unix_s, DATE_SECOND, text));
        assert_string_equal(rows[i].minute, date_format(rows[i].unix_s, DATE_MINUTE, text));
        assert_string_equal(rows[i].day, date_format(rows[i].unix_s, DATE_DAY, text));
    }
}

static void milliseconds_stand_before_the_zone(void **state)
{
    (void)state;
    char text[DATE_TEXT_CAP];
    assert_string_equal("1970-01-01T00:00:00.000Z", date_format_ms(0, text));
    assert_string_equal("2026-11-22T03:00:00.007Z", date_format_ms(1795316400007, text));
    assert_string_equal("9999-12-31T23:59:59.999Z", date_format_ms(253402300799999, text));
    assert_string_equal("", date_format_ms(INT64_MAX, text));
}

static void every_day_of_twelve_hundred_years_is_what_libc_says(void **state)
{
    (void)state;
    for (int64_t day = -200000; day < 250000; day++) {
        char text[DATE_TEXT_CAP];
        char expected[DATE_TEXT_CAP];
        struct tm tm;
        const time_t time = (time_t)(day * 86400 + (day & 0xFFFF));
        assert_non_null(gmtime_r(&time, &tm));
        assert_int_equal(20, strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%SZ", &tm));
        assert_string_equal(expected, date_format(time, DATE_SECOND, text));
    }
}

static void a_day_that_has_begun_to_be_missing_counts(void **state)
{
    (void)state;
    assert_int_equal(0, date_days_left(1000, 1000));
    assert_int_equal(0, date_days_left(1000, 1000 + 86399));
    assert_int_equal(1, date_days_left(1000, 1000 + 86400));
    assert_int_equal(-1, date_days_left(1000, 999));
    assert_int_equal(-1, date_days_left(86400, 0));
    assert_int_equal(-2, date_days_left(86401, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_date_is_written_in_three_styles),
        cmocka_unit_test(milliseconds_stand_before_the_zone),
        cmocka_unit_test(a_day_that_has_begun_to_be_missing_counts),
        cmocka_unit_test(every_day_of_twelve_hundred_years_is_what_libc_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
