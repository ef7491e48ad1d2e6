// Shares of bandwidth: they add up to the limit, follow use, and nothing that the store says makes them more.
#include "proxy/fleet/bandwidth_share.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/proxy/random.h"

enum { LIMIT = 1000000, ROUNDS = 2000, MOST = 20 };

// sums_of adds demands up as the store does.
static struct bandwidth_sums sums_of(uint64_t limit, const uint64_t *demands, size_t count)
{
    struct bandwidth_sums sums = {0};
    for (size_t i = 0; i < count; i++)
        sums.instances += demands[i] > 0;
    for (size_t i = 0; i < count; i++) {
        if (demands[i] == 0)
            continue;
        if (demands[i] * (uint64_t)sums.instances < limit)
            sums.modest += (int64_t)demands[i];
        else
            sums.hungry++;
    }
    return sums;
}

static void no_flow_is_no_demand(void **state)
{
    (void)state;
    assert_int_equal(bandwidth_demand(LIMIT, LIMIT, 0, false), 0);
    assert_int_equal(bandwidth_demand(LIMIT, LIMIT / 2, 0, true), LIMIT);
    assert_int_equal(bandwidth_demand(LIMIT, LIMIT / 2, LIMIT / 2, false), LIMIT);
    assert_int_equal(bandwidth_demand(LIMIT, LIMIT / 2, 1000, false), 1251);
}

static void a_share_is_never_nothing_nor_more_than_the_limit(void **state)
{
    (void)state;
    const struct bandwidth_sums lies[] = {
        {0},
        {.instances = -1, .hungry = 1},
        {.instances = 2, .hungry = 3},
        {.instances = 2, .hungry = -1},
        {.instances = 2, .modest = -5},
        {.instances = 2, .modest = LIMIT + 1},
        {.instances = INT64_MAX, .hungry = INT64_MAX},
        {.instances = 1, .modest = LIMIT, .hungry = 1},
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        const uint64_t share = bandwidth_share_of(LIMIT, LIMIT, &lies[i], 4);
        assert_true(share >= 1 && share <= LIMIT);
    }
    assert_int_equal(bandwidth_share_of(LIMIT, LIMIT, &lies[0], 4), LIMIT / 4);
    assert_int_equal(bandwidth_share_alone(3, 1000), 1);
}

static void one_that_needs_little_leaves_the_rest_to_the_others(void **state)
{
    (void)state;
    const uint64_t demands[] = {LIMIT, 100000, LIMIT};
    const struct bandwidth_sums sums = sums_of(LIMIT, demands, 3);
    assert_int_equal(bandwidth_share_of(LIMIT, demands[0], &sums, 3), 450000);
    assert_int_equal(bandwidth_share_of(LIMIT, demands[1], &sums, 3), 100000);
}

static void shares_of_any_demands_add_up_to_the_limit_at_most(void **state)
{
    (void)state;
    struct random random = {.state = 4711};
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t demands[MOST];
        const size_t count = 1 + random_below(&random, MOST);
        for (size_t i = 0; i < count; i++)
            demands[i] = random_below(&random, 3) == 0 ? LIMIT : 1 + random_below(&random, LIMIT);
        const struct bandwidth_sums sums = sums_of(LIMIT, demands, count);
        uint64_t total = 0;
        for (size_t i = 0; i < count; i++)
            total += bandwidth_share_of(LIMIT, demands[i], &sums, MOST);
        assert_true(total <= LIMIT);
        // Where anybody is hungry nothing is left over but what rounding takes.
        assert_true(sums.hungry == 0 || total + MOST >= LIMIT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_flow_is_no_demand),
        cmocka_unit_test(a_share_is_never_nothing_nor_more_than_the_limit),
        cmocka_unit_test(one_that_needs_little_leaves_the_rest_to_the_others),
        cmocka_unit_test(shares_of_any_demands_add_up_to_the_limit_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
