// Zones against libc's, which reads the same rules from its environment; and files that are none.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "auth/posix_zone.h"
#include "tests/unit/auth/zone_maker.h"
#include "tests/unit/proxy/random.h"

static const struct {
    const char *rule;
    int32_t ahead_s;
} zones[] = {
    {"CET-1CEST,M3.5.0,M10.5.0/3", 3600},
    {"EST5EDT,M3.2.0,M11.1.0", -18000},
    {"AEST-10AEDT,M10.1.0,M4.1.0/3", 36000},
    {"LHST-10:30LHDT-11,M10.1.0,M4.1.0", 37800},
    {"<+0330>-3:30", 12600},
    {"UTC0", 0},
    {"ABC4YYY,J60/1,J300/4:30:15", -14400},
    {"ABC-5YYY,59,299", 18000},
    {"EET-2EEST,M3.4.4/50,M10.4.4/50", 7200},
    {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", -7200},
    {"ABC0YYY-2,M2.1.1,M9.4.6/23:59:59", 0},
};

static void a_rule_is_read_as_libc_reads_it(void **state)
{
    (void)state;
    struct random random = {.state = 5};
    for (size_t i = 0; i < sizeof zones / sizeof zones[0]; i++) {
        struct arena *arena = arena_create();
        const struct time_zone *zone = zone_make(arena, zones[i].ahead_s, zones[i].rule);
        assert_int_equal(0, setenv("TZ", zones[i].rule, 1));
        tzset();
        for (size_t k = 0; k < 20000; k++) {
            // Half of the times are near a change.
            time_t at = (time_t)random_below(&random, 7258118400); // to the end of 2199
            if (zone->count > 0 && k % 2 == 0)
                at = (time_t)(zone->changes[random_below(&random, zone->count)].at_s - 3 +
                              (int64_t)random_below(&random, 6));
            struct tm local;
            int64_t until_s = 0;
            assert_non_null(localtime_r(&at, &local));
            if (local.tm_year < 71 || local.tm_year > 298)
                continue;
            const int32_t ahead_s = time_zone_ahead_s(zone, at, &until_s);
            if (ahead_s != local.tm_gmtoff)
                fail_msg("%s at %lld: %d and not %ld", zones[i].rule, (long long)at, ahead_s,
                         local.tm_gmtoff);
            assert_true(until_s > at);
        }
        arena_destroy(arena);
    }
    assert_int_equal(0, unsetenv("TZ"));
}

static void refuses_rules_that_are_none(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "CET",
        "C-1",
        "CET-1CEST",
        "CET-25",
        "CET-1:60",
        "CET-1CEST,",
        "CET-1CEST,M3.5.0",
        "CET-1CEST,M13.5.0,M10.5.0",
        "CET-1CEST,M3.6.0,M10.5.0",
        "CET-1CEST,M3.0.0,M10.5.0",
        "CET-1CEST,M3.5.7,M10.5.0",
        "CET-1CEST,J0,J5",
        "CET-1CEST,J366,J5",
        "CET-1CEST,366,5",
        "CET-1CEST,M3.5.0/168,M10.5.0",
        "CET-1CEST,M3.5.0,M10.5.0 ",
        "<CET-1",
        "<+3>-3",
        "CET-1CEST,M3.5.0,M10.5.0/3/",
        "-1",
        "CET-0001",
        "CET--1",
    };
    struct posix_zone zone;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (posix_zone_parse(slice_of_string(bad[i]), &zone))
            fail_msg("should have been refused: %s", bad[i]);
    }
    assert_true(posix_zone_parse(SLICE_LITERAL("CET-1CEST,M3.5.0/167:59:59,M10.5.0/-167"), &zone));
}

static void the_changes_of_a_file_come_before_its_rule(void **state)
{
    (void)state;
    static const struct made_change changes[] = {{-1000000, 1800}, {0, 3600}, {1000, 7200}};
    uint8_t file[ZONE_FILE_CAP];
    struct time_zone zone;
    struct errinfo info;
    int64_t until_s = 0;
    struct arena *arena = arena_create();
    const struct slice bytes = zone_make_file(60, changes, 3, "ABC-2", file);
    assert_int_equal(ERR_OK, tzif_parse(bytes, arena, &zone, &info));
    assert_int_equal(60, time_zone_ahead_s(&zone, -1000001, &until_s));
    assert_int_equal(-1000000, until_s);
    assert_int_equal(1800, time_zone_ahead_s(&zone, -1000000, &until_s));
    assert_int_equal(3600, time_zone_ahead_s(&zone, 999, &until_s));
    assert_int_equal(1000, until_s);
    assert_int_equal(7200, time_zone_ahead_s(&zone, 1000, &until_s));
    assert_true(until_s == INT64_MAX);
    assert_int_equal(60, time_zone_ahead_s(&zone, INT64_MIN, &until_s));
    assert_int_equal(7200, time_zone_ahead_s(&zone, INT64_MAX, &until_s));
    assert_int_equal(0, time_zone_ahead_s(NULL, 5, &until_s));
    arena_destroy(arena);
}

static void refuses_files_that_are_none(void **state)
{
    (void)state;
    static const struct made_change backward[] = {{1000, 0}, {999, 3600}};
    static const struct made_change far[] = {{1000, 93600}};
    uint8_t file[ZONE_FILE_CAP];
    struct time_zone zone;
    struct errinfo info;
    struct arena *arena = arena_create();
    struct slice bytes = zone_make_file(0, NULL, 0, "CET-1CEST,M3.5.0,M10.5.0/3", file);
    assert_int_equal(ERR_OK, tzif_parse(bytes, arena, &zone, &info));
    for (size_t len = 0; len < bytes.len; len++) // cut anywhere
        assert_int_equal(ERR_INPUT, tzif_parse(slice_first(bytes, len), arena, &zone, &info));
    for (size_t at = 0; at < 5; at++) {
        file[at] ^= 1;
        if (at != 4) // version 3
            assert_int_equal(ERR_INPUT, tzif_parse(bytes, arena, &zone, &info));
        file[at] ^= 1;
    }
    file[4] = 0; // version 1 alone
    assert_int_equal(ERR_INPUT, tzif_parse(bytes, arena, &zone, &info));
    bytes = zone_make_file(0, backward, 2, "", file);
    assert_int_equal(ERR_INPUT, tzif_parse(bytes, arena, &zone, &info));
    bytes = zone_make_file(0, far, 1, "", file);
    assert_int_equal(ERR_INPUT, tzif_parse(bytes, arena, &zone, &info));
    bytes = zone_make_file(0, NULL, 0, "nonsense", file);
    assert_int_equal(ERR_INPUT, tzif_parse(bytes, arena, &zone, &info));
    static const uint8_t headers[88] = {// two that count nothing, and no more
                                        [0] = 'T',  [1] = 'Z',  [2] = 'i',  [3] = 'f',  [4] = '2',
                                        [44] = 'T', [45] = 'Z', [46] = 'i', [47] = 'f', [48] = '2'};
    assert_int_equal(ERR_INPUT, tzif_parse(slice_of(headers, sizeof headers), arena, &zone, &info));
    arena_destroy(arena);
}

static void a_wall_clock_shows_most_times_once(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    const struct time_zone *zone = zone_make(arena, 3600, "CET-1CEST,M3.5.0,M10.5.0/3");
    static const struct {
        int64_t wall_s; // of a date in UTC with the same digits
        enum wall_time shown;
        int64_t at_s;
    } rows[] = {
        {1774749599, WALL_ONCE, 1774745999}, // 2026-03-29 01:59:59
        {1774749600, WALL_NEVER, 0},         // 02:00
        {1774753199, WALL_NEVER, 0},         // 02:59:59
        {1774753200, WALL_ONCE, 1774746000}, // 03:00
        {1792893599, WALL_ONCE, 1792886399}, // 2026-10-25 01:59:59
        {1792893600, WALL_TWICE, 0},         // 02:00
        {1792897199, WALL_TWICE, 0},         // 02:59:59
        {1792897200, WALL_ONCE, 1792893600}, // 03:00
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t at_s = 0;
        assert_int_equal(rows[i].shown, time_zone_find(zone, rows[i].wall_s, &at_s));
        if (rows[i].shown == WALL_ONCE)
            assert_int_equal(rows[i].at_s, at_s);
    }
    int64_t at_s = 0;
    assert_int_equal(WALL_ONCE, time_zone_find(NULL, 12345, &at_s));
    assert_int_equal(12345, at_s);
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rule_is_read_as_libc_reads_it),
        cmocka_unit_test(refuses_rules_that_are_none),
        cmocka_unit_test(the_changes_of_a_file_come_before_its_rule),
        cmocka_unit_test(refuses_files_that_are_none),
        cmocka_unit_test(a_wall_clock_shows_most_times_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
