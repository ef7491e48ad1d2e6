// When something counts: windows of days, zones whose clocks are set, ends; and how times are written.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "auth/base/date.h"
#include "auth/schedule_text.h"
#include "tests/unit/auth/zone_maker.h"
#include "tests/unit/proxy/random.h"

#define ZURICH "CET-1CEST,M3.5.0,M10.5.0/3"

static int64_t at(const char *text)
{
    struct moment moment;
    assert_true(moment_parse(slice_of_string(text), &moment));
    return moment.wall_s - moment.ahead_s;
}

static struct hours hours(const char *days, const char *from, const char *to)
{
    struct hours out = {0};
    assert_true(days_parse(slice_of_string(days), &out.days));
    assert_true(clock_parse(slice_of_string(from), &out.from_s));
    assert_true(clock_parse(slice_of_string(to), &out.to_s));
    return out;
}

static struct schedule always(void)
{
    return (struct schedule){.from_s = INT64_MIN, .until_s = INT64_MAX};
}

// expect asserts the state at a time, and when it changes; NULL is never.
static void expect(const struct schedule *schedule, const char *now, enum schedule_state state,
                   const char *changes)
{
    int64_t changes_s = 0;
    char text[DATE_TEXT_CAP] = "never";
    const enum schedule_state found = schedule_judge(schedule, at(now), &changes_s);
    if (changes_s != INT64_MAX)
        (void)date_format(changes_s, DATE_SECOND, text);
    if (found != state || changes_s != (changes == NULL ? INT64_MAX : at(changes)))
        fail_msg("at %s: state %d until %s, and not %d until %s", now, found, text, state,
                 changes == NULL ? "never" : changes);
}

static void without_a_schedule_it_is_always_open(void **state)
{
    (void)state;
    const struct schedule schedule = always();
    expect(NULL, "2026-01-01", SCHEDULE_OPEN, NULL);
    expect(&schedule, "1970-01-01", SCHEDULE_OPEN, NULL);
}

static void the_begin_is_inside_and_the_end_is_not(void **state)
{
    (void)state;
    struct schedule schedule = {.from_s = at("2026-06-01"), .until_s = at("2027-01-01")};
    expect(&schedule, "2026-05-31T23:59:59", SCHEDULE_EARLY, "2026-06-01");
    expect(&schedule, "2026-06-01", SCHEDULE_OPEN, "2027-01-01");
    expect(&schedule, "2026-12-31T23:59:59", SCHEDULE_OPEN, "2027-01-01");
    expect(&schedule, "2027-01-01", SCHEDULE_OVER, NULL);
    expect(&schedule, "9999-12-31", SCHEDULE_OVER, NULL);
    schedule = always();
    schedule.until_s = at("2027-01-01T00:00:00+01:00");
    expect(&schedule, "1970-01-01", SCHEDULE_OPEN, "2026-12-31T23:00:00");
    expect(&schedule, "2026-12-31T23:00:00", SCHEDULE_OVER, NULL);
}

static void a_window_opens_and_closes_on_its_days(void **state)
{
    (void)state;
    struct schedule schedule = always();
    schedule.has_hours = true;
    schedule.hours = hours("mon-fri", "08:00", "18:00"); // 2026-11-27 is a Friday
    expect(&schedule, "2026-11-27T07:59:59", SCHEDULE_OUTSIDE, "2026-11-27T08:00");
    expect(&schedule, "2026-11-27T08:00", SCHEDULE_OPEN, "2026-11-27T18:00");
    expect(&schedule, "2026-11-27T17:59:59", SCHEDULE_OPEN, "2026-11-27T18:00");
    expect(&schedule, "2026-11-27T18:00", SCHEDULE_OUTSIDE, "2026-11-30T08:00");
    expect(&schedule, "2026-11-29T12:00", SCHEDULE_OUTSIDE, "2026-11-30T08:00");
    schedule.hours = hours("sat", "00:00", "24:00");
    expect(&schedule, "2026-11-28", SCHEDULE_OPEN, "2026-11-29");
    expect(&schedule, "2026-11-29", SCHEDULE_OUTSIDE, "2026-12-05");
    schedule.hours = hours("mon-sun", "00:00", "24:00");
    expect(&schedule, "2026-11-28", SCHEDULE_OPEN, NULL);
    schedule.hours = hours("sat-mon", "00:00", "24:00"); // days that touch are one window
    expect(&schedule, "2026-11-28", SCHEDULE_OPEN, "2026-12-01");
}

static void a_window_past_midnight_belongs_to_the_day_on_which_it_begins(void **state)
{
    (void)state;
    struct schedule schedule = always();
    schedule.has_hours = true;
    schedule.hours = hours("fri", "22:00", "06:00");
    expect(&schedule, "2026-11-27T05:00", SCHEDULE_OUTSIDE, "2026-11-27T22:00");
    expect(&schedule, "2026-11-27T22:00", SCHEDULE_OPEN, "2026-11-28T06:00");
    expect(&schedule, "2026-11-28T05:59:59", SCHEDULE_OPEN, "2026-11-28T06:00");
    expect(&schedule, "2026-11-28T22:00", SCHEDULE_OUTSIDE, "2026-12-04T22:00");
    schedule.hours = hours("sun", "22:00", "00:00"); // until midnight
    expect(&schedule, "2026-11-29T23:00", SCHEDULE_OPEN, "2026-11-30T00:00");
}

static void hours_and_an_end_hold_together(void **state)
{
    (void)state;
    struct schedule schedule = {.from_s = at("2026-11-28T12:00"),
                                .until_s = at("2026-11-30T10:00"),
                                .has_hours = true,
                                .hours = hours("mon-fri", "08:00", "18:00")};
    expect(&schedule, "2026-11-27T09:00", SCHEDULE_EARLY, "2026-11-30T08:00");
    expect(&schedule, "2026-11-29T09:00", SCHEDULE_OUTSIDE, "2026-11-30T08:00");
    expect(&schedule, "2026-11-30T09:00", SCHEDULE_OPEN, "2026-11-30T10:00");
    schedule.until_s = at("2026-11-30T08:00"); // it ends when its hours would begin
    expect(&schedule, "2026-11-27T09:00", SCHEDULE_EARLY, NULL);
    expect(&schedule, "2026-11-29T09:00", SCHEDULE_OUTSIDE, NULL);
}

static void the_wall_clock_of_the_zone_decides(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct schedule schedule = always();
    schedule.has_hours = true;
    schedule.hours = hours("mon-fri", "08:00", "18:00");
    schedule.hours.zone = zone_make(arena, 3600, ZURICH);
    expect(&schedule, "2026-11-30T06:59:59", SCHEDULE_OUTSIDE, "2026-11-30T07:00"); // winter
    expect(&schedule, "2026-06-01T06:00:00", SCHEDULE_OPEN, "2026-06-01T16:00");    // summer
    expect(&schedule, "2026-03-27T18:00", SCHEDULE_OUTSIDE, "2026-03-30T06:00");    // set meanwhile
    // A gap: 02:00 to 03:00 is not, on 2026-03-29.
    schedule.hours = hours("sun", "02:30", "04:00");
    schedule.hours.zone = zone_make(arena, 3600, ZURICH);
    expect(&schedule, "2026-03-29T00:59:59", SCHEDULE_OUTSIDE, "2026-03-29T01:00");
    expect(&schedule, "2026-03-29T01:00:00", SCHEDULE_OPEN, "2026-03-29T02:00");
    schedule.hours.from_s = 2 * 3600; // all of it is skipped
    schedule.hours.to_s = 3 * 3600;
    expect(&schedule, "2026-03-28T12:00", SCHEDULE_OUTSIDE, "2026-04-05T00:00");
    // A fold: 02:00 to 03:00 is twice, on 2026-10-25.
    expect(&schedule, "2026-10-25T00:00:00", SCHEDULE_OPEN, "2026-10-25T02:00");
    schedule.hours.to_s = 2 * 3600 + 1800;
    expect(&schedule, "2026-10-25T00:00:00", SCHEDULE_OPEN, "2026-10-25T00:30");
    expect(&schedule, "2026-10-25T00:30:00", SCHEDULE_OUTSIDE, "2026-10-25T01:00");
    expect(&schedule, "2026-10-25T01:00:00", SCHEDULE_OPEN, "2026-10-25T01:30");
    arena_destroy(arena);
}

// plainly_open reads hours a second time: minute by minute of a week.
static bool plainly_open(const struct hours *hours, int64_t now_s)
{
    int64_t until_s = 0;
    const int64_t wall_s = now_s + time_zone_ahead_s(hours->zone, now_s, &until_s);
    for (int64_t day = wall_s / 86400 - 1; day <= wall_s / 86400; day++) {
        const int64_t begin_s = day * 86400 + hours->from_s;
        const int64_t end_s = day * 86400 + hours->to_s + (hours->to_s < hours->from_s ? 86400 : 0);
        if ((hours->days >> (day + 3) % 7 & 1) != 0 && wall_s >= begin_s && wall_s < end_s)
            return true;
    }
    return false;
}

static void a_schedule_changes_when_it_says_and_not_before(void **state)
{
    (void)state;
    struct random random = {.state = 11};
    struct arena *arena = arena_create();
    const struct time_zone *zone = zone_make(arena, 3600, ZURICH);
    for (size_t round = 0; round < 3000; round++) {
        struct schedule schedule = always();
        schedule.has_hours = true;
        schedule.hours = (struct hours){.days = (uint8_t)(1 + random_below(&random, 127)),
                                        .from_s = (int32_t)random_below(&random, 48) * 1800,
                                        .to_s = (int32_t)(1 + random_below(&random, 48)) * 1800,
                                        .zone = random_below(&random, 2) == 0 ? NULL : zone};
        if (schedule.hours.from_s == schedule.hours.to_s)
            continue;
        const int64_t now_s = 1750000000 + (int64_t)random_below(&random, 63000000);
        int64_t changes_s = 0;
        const bool is_open = schedule_judge(&schedule, now_s, &changes_s) == SCHEDULE_OPEN;
        assert_int_equal(is_open, plainly_open(&schedule.hours, now_s));
        const int64_t last_s = changes_s == INT64_MAX ? now_s + 8 * 86400 : changes_s;
        for (int64_t t = now_s; t < last_s; t += 599)
            assert_int_equal(is_open, plainly_open(&schedule.hours, t));
        if (changes_s != INT64_MAX) {
            assert_int_equal(is_open, plainly_open(&schedule.hours, changes_s - 1));
            assert_int_equal(!is_open, plainly_open(&schedule.hours, changes_s));
        }
    }
    arena_destroy(arena);
}

static void moments_are_dates_with_or_without_time_and_offset(void **state)
{
    (void)state;
    assert_int_equal(0, at("1970-01-01"));
    assert_int_equal(at("2027-01-01"), at("2027-01-01T00:00"));
    assert_int_equal(at("2027-01-01T00:00:00Z"), at("2027-01-01T01:30:00+01:30"));
    assert_int_equal(at("2027-01-01T00:00Z"), at("2026-12-31T19:00-05:00"));
    assert_int_equal(INT64_C(253402300799), at("9999-12-31T23:59:59"));
    assert_int_equal(86400, at("2024-03-01") - at("2024-02-29"));
    static const char *const bad[] = {
        "",
        "2027",
        "2027-1-1",
        "27-01-01",
        "2027-13-01",
        "2027-00-01",
        "2027-01-00",
        "2027-01-32",
        "2027-02-29",
        "2100-02-29",
        "1969-12-31",
        "10000-01-01",
        "2027-01-01T",
        "2027-01-01T8:00",
        "2027-01-01 08:00",
        "2027-01-01t08:00",
        "2027-01-01T24:00",
        "2027-01-01T08:60",
        "2027-01-01T08:00:60",
        "2027-01-01T08:00z",
        "2027-01-01T08:00:00.5Z",
        "2027-01-01T08:00+1:00",
        "2027-01-01T08:00+0100",
        "2027-01-01T08:00+24:00",
        "2027-01-01T08:00-00:00",
        "2027-01-01Z",
        "2027-01-01T08:00Z ",
        " 2027-01-01",
        "+027-01-01",
        "2027-01-01T08",
        "2027-01-01T08:00:",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct moment moment;
        if (moment_parse(slice_of_string(bad[i]), &moment))
            fail_msg("should have been refused: `%s`", bad[i]);
    }
}

static void days_are_names_ranges_and_lists_of_these(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint8_t days;
    } good[] = {
        {"mon", 0x01},     {"mon-fri", 0x1F},     {"sat,sun", 0x60}, {"fri-mon", 0x71},
        {"mon-sun", 0x7F}, {"mon-tue,thu", 0x0B}, {"sun-sun", 0x40}, {"wed-tue", 0x7F},
    };
    static const char *const bad[] = {"",     "Mon",      "monday",   "mon-",        "-mon",
                                      "mon,", "mon, tue", "mon--fri", "mon-fri-sun", "1-5"};
    uint8_t days = 0;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(days_parse(slice_of_string(good[i].text), &days));
        assert_int_equal(days, good[i].days);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (days_parse(slice_of_string(bad[i]), &days))
            fail_msg("should have been refused: `%s`", bad[i]);
    }
}

static void times_of_day_are_two_digits_each(void **state)
{
    (void)state;
    static const char *const bad[] = {"",      "8:00",  "08:0", "0800",   "24:01",   "25:00",
                                      "08:60", "-8:00", "08",   "08:00 ", "08:00:00"};
    int32_t clock_s = 0;
    assert_true(clock_parse(SLICE_LITERAL("00:00"), &clock_s) && clock_s == 0);
    assert_true(clock_parse(SLICE_LITERAL("23:59"), &clock_s) && clock_s == 86340);
    assert_true(clock_parse(SLICE_LITERAL("24:00"), &clock_s) && clock_s == 86400);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (clock_parse(slice_of_string(bad[i]), &clock_s))
            fail_msg("should have been refused: `%s`", bad[i]);
    }
}

static void what_is_closed_says_when_it_opens(void **state)
{
    (void)state;
    char text[SCHEDULE_TEXT_CAP];
    assert_string_equal(schedule_format_return(at("2026-11-30T07:00"), text),
                        "allowed from 2026-11-30T07:00:00Z");
    assert_string_equal(schedule_format_return(INT64_MAX, text), "its time is over");
    assert_string_equal(reason_name(schedule_reason(SCHEDULE_EARLY)), "not_valid_now");
    assert_string_equal(reason_name(schedule_reason(SCHEDULE_OVER)), "not_valid_now");
    assert_string_equal(reason_name(schedule_reason(SCHEDULE_OUTSIDE)), "outside_hours");
    assert_int_equal(schedule_reason(SCHEDULE_OPEN), REASON_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_schedule_it_is_always_open),
        cmocka_unit_test(the_begin_is_inside_and_the_end_is_not),
        cmocka_unit_test(a_window_opens_and_closes_on_its_days),
        cmocka_unit_test(a_window_past_midnight_belongs_to_the_day_on_which_it_begins),
        cmocka_unit_test(hours_and_an_end_hold_together),
        cmocka_unit_test(the_wall_clock_of_the_zone_decides),
        cmocka_unit_test(a_schedule_changes_when_it_says_and_not_before),
        cmocka_unit_test(moments_are_dates_with_or_without_time_and_offset),
        cmocka_unit_test(days_are_names_ranges_and_lists_of_these),
        cmocka_unit_test(times_of_day_are_two_digits_each),
        cmocka_unit_test(what_is_closed_says_when_it_opens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
