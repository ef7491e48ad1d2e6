// Each time is in the one range that it belongs to.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
// cmocka wants the four above first
#include <cmocka.h>

#include "proxy/metrics/histogram.h"

static const struct histogram_bounds *const all[] = {&histogram_waits, &histogram_lives};

static void a_time_is_in_the_first_range_that_it_fits(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        size_t range;
    } rows[] = {{-5, 0},    {0, 0},      {1, 0},      {2, 1},         {3, 2},
                {5, 2},     {6, 3},      {999, 9},    {1000, 9},      {1001, 10},
                {9999, 12}, {10000, 12}, {10001, 13}, {INT64_MAX, 13}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct histogram histogram = {0};
        histogram_note(&histogram, &histogram_waits, rows[i].ms);
        for (size_t range = 0; range <= HISTOGRAM_BOUNDS_MAX; range++)
            assert_int_equal(histogram.counts[range], range == rows[i].range ? 1 : 0);
        assert_int_equal(histogram.sum_ms, rows[i].ms < 0 ? 0 : rows[i].ms);
    }
}

static void bounds_rise_and_say_in_seconds_what_they_are_in_milliseconds(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        assert_true(all[i]->count <= HISTOGRAM_BOUNDS_MAX);
        for (size_t b = 0; b < all[i]->count; b++) {
            const struct histogram_bound *bound = &all[i]->bounds[b];
            assert_true(b == 0 || bound->ms > all[i]->bounds[b - 1].ms);
            assert_int_equal((int64_t)(strtod(bound->text, NULL) * 1000. + .5), bound->ms);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_time_is_in_the_first_range_that_it_fits),
        cmocka_unit_test(bounds_rise_and_say_in_seconds_what_they_are_in_milliseconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
