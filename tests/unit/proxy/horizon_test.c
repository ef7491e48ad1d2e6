// When something is said of a revocation list: once a day from seven days before its end.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants these four
#include <cmocka.h>

#include "proxy/service/horizon.h"

enum { END_S = 100 * 86400, DAY_S = 86400, WEEK_S = 7 * DAY_S };

static void says_each_day_once_and_the_end_to_the_second(void **state)
{
    (void)state;
    static const struct {
        int64_t last_s;
        int64_t now_s;
        enum horizon_stage stage;
    } rows[] = {
        {0, END_S - WEEK_S, HORIZON_SILENT},
        {END_S - WEEK_S, END_S - WEEK_S + 1, HORIZON_DUE},
        {0, END_S - WEEK_S + 1, HORIZON_DUE},
        {END_S - WEEK_S + 1, END_S - WEEK_S + DAY_S, HORIZON_SILENT},
        {END_S - WEEK_S + DAY_S, END_S - WEEK_S + DAY_S + 1, HORIZON_DUE},
        {END_S - WEEK_S + 1, END_S - 3, HORIZON_DUE}, // several days at once are one
        {END_S - DAY_S + 1, END_S, HORIZON_SILENT},   // the last second is good
        {END_S, END_S + 1, HORIZON_PAST},
        {0, END_S + 1, HORIZON_PAST},
        {END_S + 1, END_S + DAY_S, HORIZON_SILENT},
        {END_S + DAY_S, END_S + DAY_S + 1, HORIZON_PAST}, // and again the day after
        {END_S + 1, END_S + 400 * (int64_t)DAY_S, HORIZON_PAST},
        {END_S + 5, END_S - 5, HORIZON_SILENT}, // the clock was set back
        {END_S + 5, END_S + 5, HORIZON_SILENT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(horizon_stage_of(END_S - WEEK_S + 1, END_S, rows[i].last_s, rows[i].now_s),
                         rows[i].stage);
}

static void
says_of_what_lives_a_day_that_it_ends_in_its_last_hours_and_when_it_has_ended(void **state)
{
    (void)state;
    enum { FIRST_S = END_S - DAY_S / 4 };
    static const struct {
        int64_t last_s;
        int64_t now_s;
        enum horizon_stage stage;
    } rows[] = {
        {0, FIRST_S - 1, HORIZON_SILENT},
        {FIRST_S - 60, FIRST_S, HORIZON_DUE},
        {FIRST_S, END_S, HORIZON_SILENT},
        {END_S, END_S + 1, HORIZON_PAST},
        {FIRST_S - 1, END_S + 1, HORIZON_PAST},
        {END_S + 1, END_S + DAY_S, HORIZON_SILENT},
        {END_S + DAY_S, END_S + DAY_S + 1, HORIZON_PAST},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(horizon_stage_of(FIRST_S, END_S, rows[i].last_s, rows[i].now_s),
                         rows[i].stage);
}

static void a_new_revision_does_not_put_the_next_look_off(void **state)
{
    (void)state;
    static const struct {
        int64_t last_s;
        int64_t left_s;
        int64_t now_s;
        int64_t wait_s;
    } rows[] = {
        {1000, 60, 1000, 60}, // looked just now
        {1000, 60, 1001, 59}, {1000, 60, 1059, 1},
        {1000, 60, 1060, 0},  {1000, 60, 5000, 0}, // it is overdue
        {1000, 5, 1002, 3},                        // something ends before the minute is over
        {1000, 60, 999, 60},                       // the clock was set back
        {1000, 60, 0, 60},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(horizon_wait_s(rows[i].last_s, rows[i].left_s, rows[i].now_s),
                         rows[i].wait_s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            says_of_what_lives_a_day_that_it_ends_in_its_last_hours_and_when_it_has_ended),
        cmocka_unit_test(a_new_revision_does_not_put_the_next_look_off),
        cmocka_unit_test(says_each_day_once_and_the_end_to_the_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
