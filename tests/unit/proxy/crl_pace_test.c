// How long the next question for a list may take: never longer than the configuration says.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>

#include "proxy/service/crl_pace.h"

enum { NOW_S = 1800000000, HOUR_MS = 3600 * 1000 };

static void after_a_success_it_is_every_or_half_of_what_is_left(void **state)
{
    static const struct {
        int64_t every_ms;
        int64_t left_s;
        int64_t delay_ms;
    } rows[] = {
        {HOUR_MS, 86400, HOUR_MS},     {HOUR_MS, 3600, HOUR_MS / 2},
        {HOUR_MS, 1, CRL_PACE_MIN_MS}, {HOUR_MS, -5, CRL_PACE_MIN_MS},
        {HOUR_MS, -NOW_S, HOUR_MS}, // its end is not known
        {1000, 86400, 1000},           {7 * 24 * HOUR_MS, 86400, 12 * HOUR_MS},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(crl_pace_after_success(rows[i].every_ms, NOW_S + rows[i].left_s, NOW_S),
                         rows[i].delay_ms);
}

static void after_a_failure_it_is_doubled_and_bounded(void **state)
{
    (void)state;
    assert_int_equal(crl_pace_after_failure(HOUR_MS, 0), 1000);
    assert_int_equal(crl_pace_after_failure(HOUR_MS, 1), 2000);
    assert_int_equal(crl_pace_after_failure(HOUR_MS, 5), 32000);
    assert_int_equal(crl_pace_after_failure(HOUR_MS, 9), CRL_PACE_FAILURE_MAX_MS);
    assert_int_equal(crl_pace_after_failure(HOUR_MS, UINT32_MAX), CRL_PACE_FAILURE_MAX_MS);
    assert_int_equal(crl_pace_after_failure(10000, 9), 10000);
}

static void a_revocation_is_asked_for_within_every_whatever_has_come_before(void **state)
{
    (void)state;
    for (int64_t every_ms = 1000; every_ms <= 7 * 24 * (int64_t)HOUR_MS; every_ms *= 2) {
        for (int64_t left_s = 0; left_s < 40 * 86400; left_s += 1801)
            assert_true(crl_pace_after_success(every_ms, NOW_S + left_s, NOW_S) <= every_ms);
        for (uint32_t failures = 0; failures < 40; failures++)
            assert_true(crl_pace_after_failure(every_ms, failures) <= every_ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(after_a_success_it_is_every_or_half_of_what_is_left),
        cmocka_unit_test(after_a_failure_it_is_doubled_and_bounded),
        cmocka_unit_test(a_revocation_is_asked_for_within_every_whatever_has_come_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
