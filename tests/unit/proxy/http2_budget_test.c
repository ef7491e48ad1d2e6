// Budgets: what fits at once, what comes back with time, and what our own DATA earns.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proxy/http2/http2_budget.h"

// take_all takes until it is refused, and gives how many there were.
static uint32_t take_all(struct http2_budget *budget, enum http2_cost cost, int64_t now_ms)
{
    uint32_t count = 0;
    while (http2_budget_take(budget, cost, now_ms)) {
        count++;
        assert_in_range(count, 0, 1000000);
    }
    return count;
}

static void a_burst_fits_and_one_more_does_not(void **state)
{
    (void)state;
    struct http2_budget budget = {0};
    assert_int_equal(take_all(&budget, HTTP2_COST_RESET, 1), 500);
    assert_int_equal(take_all(&budget, HTTP2_COST_CONTROL, 1), 2000);
    assert_int_equal(take_all(&budget, HTTP2_COST_WINDOW, 1), 2000);
}

static void what_was_spent_comes_back_with_time(void **state)
{
    (void)state;
    struct http2_budget budget = {0};
    (void)take_all(&budget, HTTP2_COST_RESET, 1000);
    assert_int_equal(take_all(&budget, HTTP2_COST_RESET, 1009), 0);
    assert_int_equal(take_all(&budget, HTTP2_COST_RESET, 1109), 10);
    assert_int_equal(take_all(&budget, HTTP2_COST_RESET, 1000),
                     0); // a clock that stands still gives nothing
    assert_int_equal(take_all(&budget, HTTP2_COST_RESET, INT32_MAX), 500);
}

static void data_of_ours_earns_window_updates_and_nothing_else(void **state)
{
    (void)state;
    struct http2_budget budget = {0};
    assert_int_equal(take_all(&budget, HTTP2_COST_WINDOW, 1), 2000);
    (void)take_all(&budget, HTTP2_COST_RESET, 1);
    http2_budget_earn(&budget, 1);
    assert_int_equal(take_all(&budget, HTTP2_COST_WINDOW, 1), 4);
    assert_int_equal(take_all(&budget, HTTP2_COST_RESET, 1), 0);
}

static void a_client_that_gives_credit_late_for_each_kib_is_no_flood(void **state)
{
    enum { FRAMES = 4096, LEN = 16384, KIB = 1024 }; // a window of 64 MiB
    (void)state;
    struct http2_budget budget = {0};
    for (size_t i = 0; i < FRAMES; i++)
        http2_budget_earn(&budget, LEN);
    for (size_t i = 0; i < 2 * FRAMES * LEN / KIB; i++) // of a stream, and of the connection
        assert_true(http2_budget_take(&budget, HTTP2_COST_WINDOW, 1));
    assert_in_range(take_all(&budget, HTTP2_COST_WINDOW, 1), 2000, 4 * FRAMES + 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_fits_and_one_more_does_not),
        cmocka_unit_test(what_was_spent_comes_back_with_time),
        cmocka_unit_test(data_of_ours_earns_window_updates_and_nothing_else),
        cmocka_unit_test(a_client_that_gives_credit_late_for_each_kib_is_no_flood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
