// A rate: never more than it says, whatever the clock and the configuration do meanwhile.
#include "proxy/limits/rate.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/proxy/random.h"

#define SECOND_NS RATE_NS_A_SECOND

static size_t take_all(struct rate *rate, uint32_t per_second, uint32_t burst, int64_t now_ns)
{
    size_t count = 0;
    int64_t wait_ns = 0;
    while (rate_take(rate, per_second, burst, now_ns, &wait_ns))
        count++;
    return count;
}

static void a_rested_rate_admits_its_burst_and_no_more(void **state)
{
    (void)state;
    static const uint32_t bursts[] = {1, 2, 50, 100, RATE_MAX};
    for (size_t i = 0; i < sizeof bursts / sizeof bursts[0]; i++) {
        struct rate rate = {0};
        assert_int_equal(take_all(&rate, 50, bursts[i], 1000 * SECOND_NS), bursts[i]);
        assert_int_equal(take_all(&rate, 50, bursts[i], 1000 * SECOND_NS), 0);
    }
}

static void a_burst_of_0_admits_nothing(void **state)
{
    (void)state;
    struct rate rate = {0};
    int64_t wait_ns = 0;
    assert_false(rate_take(&rate, 50, 0, 1000 * SECOND_NS, &wait_ns));
}

static void then_one_comes_free_each_interval(void **state)
{
    (void)state;
    struct rate rate = {0};
    int64_t wait_ns = 0;
    assert_int_equal(take_all(&rate, 50, 10, 0), 10);
    for (int64_t i = 1; i <= 100; i++) {
        const int64_t now_ns = i * SECOND_NS / 50;
        assert_false(rate_take(&rate, 50, 10, now_ns - 1, &wait_ns));
        assert_int_equal(wait_ns, 1);
        assert_int_equal(take_all(&rate, 50, 10, now_ns), 1);
    }
}

static void the_wait_that_it_tells_is_true_and_not_too_long(void **state)
{
    (void)state;
    struct random random = {.state = 7};
    for (int round = 0; round < 2000; round++) {
        struct rate rate = {0};
        const uint32_t per_second = 1 + (uint32_t)random_below(&random, 100000);
        const uint32_t burst = 1 + (uint32_t)random_below(&random, 100);
        int64_t now_ns = (int64_t)random_below(&random, 1000000) * 1000;
        int64_t wait_ns = 0;
        (void)take_all(&rate, per_second, burst, now_ns);
        now_ns += (int64_t)random_below(&random, 5000);
        if (rate_take(&rate, per_second, burst, now_ns, &wait_ns))
            continue;
        assert_true(wait_ns > 0);
        assert_int_equal(rate_wait(&rate, per_second, burst, now_ns, SECOND_NS * 1000), wait_ns);
        assert_int_equal(rate_wait(&rate, per_second, burst, now_ns + wait_ns - 1, SECOND_NS), 1);
        assert_int_equal(rate_wait(&rate, per_second, burst, now_ns + wait_ns, SECOND_NS), 0);
        assert_true(rate_take(&rate, per_second, burst, now_ns + wait_ns, &wait_ns));
    }
}

static void what_has_happened_is_charged_up_to_the_longest_wait(void **state)
{
    (void)state;
    struct rate rate = {0};
    const int64_t max_ns = 5 * SECOND_NS;
    for (int64_t i = 1; i <= 10; i++) {
        assert_int_equal(rate_wait(&rate, 10, 10, SECOND_NS, max_ns), 0);
        rate_charge(&rate, 10, 10, SECOND_NS, max_ns);
    }
    for (int64_t i = 1; i <= 50; i++) {
        assert_int_equal(rate_wait(&rate, 10, 10, SECOND_NS, max_ns), i * SECOND_NS / 10);
        rate_charge(&rate, 10, 10, SECOND_NS, max_ns);
    }
    for (int i = 0; i < 1000; i++)
        rate_charge(&rate, 10, 10, SECOND_NS, max_ns);
    assert_int_equal(rate_wait(&rate, 10, 10, SECOND_NS, max_ns), max_ns);
    assert_int_equal(rate_wait(&rate, 10, 10, SECOND_NS + max_ns, max_ns), 0);
    assert_int_equal(rate_wait(&rate, 1000, 1, SECOND_NS, SECOND_NS), SECOND_NS); // another rate
}

static void never_more_than_burst_and_rate_whatever_the_times_are(void **state)
{
    (void)state;
    struct random random = {.state = 99};
    for (int round = 0; round < 200; round++) {
        struct rate rate = {0};
        const uint32_t per_second = 1 + (uint32_t)random_below(&random, 3000);
        const uint32_t burst = 1 + (uint32_t)random_below(&random, 40);
        const int64_t begin_ns = SECOND_NS;
        int64_t now_ns = begin_ns;
        int64_t latest_ns = begin_ns;
        int64_t count = 0;
        for (int step = 0; step < 500; step++) {
            int64_t wait_ns = 0;
            now_ns += (int64_t)random_below(&random, 3000000) - 500000; // workers' clocks differ
            latest_ns = now_ns > latest_ns ? now_ns : latest_ns;
            count += rate_take(&rate, per_second, burst, now_ns, &wait_ns) ? 1 : 0;
            const int64_t most = burst + (latest_ns - begin_ns) * per_second / SECOND_NS + 1;
            assert_true(count <= most);
        }
    }
}

static void a_clock_that_jumps_ahead_gives_one_burst(void **state)
{
    (void)state;
    struct rate rate = {0};
    assert_int_equal(take_all(&rate, 5, 10, 0), 10);
    assert_int_equal(take_all(&rate, 5, 10, INT64_C(1) << 60), 10);
}

static void a_clock_that_jumps_back_makes_nobody_wait_longer_than_a_full_bucket(void **state)
{
    (void)state;
    struct rate rate = {0};
    int64_t wait_ns = 0;
    assert_int_equal(take_all(&rate, 5, 10, INT64_C(1) << 60), 10);
    assert_false(rate_take(&rate, 5, 10, 0, &wait_ns));
    assert_int_equal(wait_ns, SECOND_NS / 5);
}

static void a_rate_that_was_slower_is_forgotten_when_it_is_faster(void **state)
{
    (void)state;
    struct rate rate = {0};
    int64_t wait_ns = 0;
    assert_int_equal(take_all(&rate, 1, 1000, 0), 1000);
    assert_false(rate_take(&rate, 1000, 10, 0, &wait_ns));
    assert_int_equal(wait_ns, SECOND_NS / 1000);
}

static void it_is_rested_when_all_is_paid_for(void **state)
{
    (void)state;
    struct rate rate = {0};
    assert_true(rate_is_rested(&rate, 0));
    assert_int_equal(take_all(&rate, 10, 10, 0), 10);
    assert_false(rate_is_rested(&rate, SECOND_NS - 1));
    assert_true(rate_is_rested(&rate, SECOND_NS));
}

struct crowd {
    struct rate rate;
    _Atomic size_t taken;
};

static void *rush(void *arg)
{
    struct crowd *crowd = arg;
    int64_t wait_ns = 0;
    for (int i = 0; i < 20000; i++)
        crowd->taken += rate_take(&crowd->rate, 10, 5000, SECOND_NS, &wait_ns) ? 1 : 0;
    return NULL;
}

static void threads_together_get_exactly_the_burst(void **state)
{
    (void)state;
    struct crowd crowd = {0};
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, rush, &crowd), 0);
    for (size_t i = 0; i < 4; i++)
        (void)pthread_join(threads[i], NULL);
    assert_int_equal(crowd.taken, 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rested_rate_admits_its_burst_and_no_more),
        cmocka_unit_test(a_burst_of_0_admits_nothing),
        cmocka_unit_test(then_one_comes_free_each_interval),
        cmocka_unit_test(the_wait_that_it_tells_is_true_and_not_too_long),
        cmocka_unit_test(what_has_happened_is_charged_up_to_the_longest_wait),
        cmocka_unit_test(never_more_than_burst_and_rate_whatever_the_times_are),
        cmocka_unit_test(a_clock_that_jumps_ahead_gives_one_burst),
        cmocka_unit_test(a_clock_that_jumps_back_makes_nobody_wait_longer_than_a_full_bucket),
        cmocka_unit_test(a_rate_that_was_slower_is_forgotten_when_it_is_faster),
        cmocka_unit_test(it_is_rested_when_all_is_paid_for),
        cmocka_unit_test(threads_together_get_exactly_the_burst),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
