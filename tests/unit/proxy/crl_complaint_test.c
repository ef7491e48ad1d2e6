// Failures to fetch a list: what is said of them, and how often.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>

#include <string.h>

#include "proxy/service/crl_complaint.h"

enum { NOW_S = 1800000000, HOUR_S = 3600 };

static void what_is_new_is_said_and_the_rest_once_an_hour(void **state)
{
    static const struct {
        const char *problem;
        bool is_urgent;
        uint32_t failures;
        int64_t after_s; // the first
        bool is_said;
    } rows[] = {
        {"nobody is there", false, 1, 0, true},
        {"nobody is there", false, 2, 1, false},
        {"status 500", false, 3, 59, false}, // another one, and at once
        {"status 500", false, 4, 60, true},
        {"status 500", false, 5, 200, false},
        {"nobody is there", false, 6, 119, false}, // by turns: once a minute
        {"nobody is there", false, 7, 120, true},
        {"nobody is there", true, 8, 130, false},
        {"nobody is there", true, 9, 180, true}, // the list ends before long
        {"nobody is there", true, 10, 180 + HOUR_S - 1, false},
        {"nobody is there", true, 11, 180 + HOUR_S, true},
        {"nobody is there", true, 1, 180 + HOUR_S + 1, true}, // it worked meanwhile
        {"nobody is there", true, 2, -HOUR_S, true},          // the clock was set back
    };
    struct crl_complaint said = {0};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const bool is_said = crl_complaint_note(&said, rows[i].problem, rows[i].is_urgent,
                                                rows[i].failures, NOW_S + rows[i].after_s);
        if (is_said != rows[i].is_said)
            fail_msg("row %zu", i);
    }
}

static void a_long_problem_is_the_same_as_far_as_it_is_kept(void **state)
{
    struct crl_complaint said = {0};
    char problem[CRL_COMPLAINT_CAP];
    (void)state;
    memset(problem, 'x', sizeof problem - 1);
    problem[sizeof problem - 1] = '\0';
    assert_true(crl_complaint_note(&said, problem, false, 1, NOW_S));
    assert_false(crl_complaint_note(&said, problem, false, 2, NOW_S + 100));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_new_is_said_and_the_rest_once_an_hour),
        cmocka_unit_test(a_long_problem_is_the_same_as_far_as_it_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
