// A fleet in virtual time: whatever happens, no more tunnels are open than is promised, and the limit is reached again. The seeds are printed; a run is repeated by
//     simulation_test SEED KIND PROXIES
// and a long one is made by
//     simulation_test --long RUNS [small]
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/fleet/runs.h"
#include "tests/fleet/simulation.h"

enum { SHORT_RUNS = 40, SMALL = 12, LARGE = 1000 };

// run makes one and says what it was. Its kind is a fault, under either `on_lost` in turn.
static bool run(uint64_t seed, uint32_t kind, uint32_t proxies)
{
    const struct simulation_options options = {.seed = seed,
                                               .proxies = proxies,
                                               .fault = (enum simulation_fault)(kind % FAULT_COUNT),
                                               .refuses = kind / FAULT_COUNT % 2 == 1};
    const struct simulation_report report = simulation_run(&options);
    printf(
        "seed %llu, %s (%u), %u proxies, %s: limit %u, most open %u of %u, reached after %lld ms, "
        "freed after %lld ms, %llu tunnels, %llu refused, %llu lost, "
        "%.3f questions a tunnel at half use, longest wait %lld ms%s%s\n",
        (unsigned long long)seed, simulation_fault_name(options.fault), kind, proxies,
        options.refuses ? "refuse" : "local", report.limit, report.most_open, report.bound,
        (long long)report.reached_ms, (long long)report.freed_ms,
        (unsigned long long)report.tunnels, (unsigned long long)report.refused,
        (unsigned long long)report.lost,
        report.quiet_tunnels == 0 ? 0
                                  : (double)report.quiet_questions / (double)report.quiet_tunnels,
        (long long)report.worst_wait_ms, report.has_failed ? ": " : "", report.sentence);
    return !report.has_failed;
}

static void a_small_fleet_keeps_what_is_promised_whatever_happens(void **state)
{
    (void)state;
    assert_true(runs_make(runs_first_seed(), SHORT_RUNS, SMALL, run));
}

static void a_thousand_proxies_keep_what_is_promised(void **state)
{
    (void)state;
    assert_true(run(runs_first_seed(), FAULT_PARTITION, LARGE));
}

static void of_two_thousand_at_once_over_three_proxies_exactly_five_hundred_get_in(void **state)
{
    (void)state;
    const uint64_t seed = runs_first_seed();
    for (uint64_t i = 0; i < 4; i++) {
        const struct simulation_report report = simulation_rush(seed + i, 3, 500, 2000);
        printf("seed %llu: most open %u, %llu refused, %llu lost, %llu questions%s%s\n",
               (unsigned long long)(seed + i), report.most_open, (unsigned long long)report.refused,
               (unsigned long long)report.lost, (unsigned long long)report.questions,
               report.has_failed ? ": " : "", report.sentence);
        assert_false(report.has_failed);
        assert_int_equal(report.most_open, 500);
    }
}

int main(int argc, char **argv)
{
    const int status = runs_by_words(argc, argv, SMALL, LARGE, run);
    if (status >= 0)
        return status;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_fleet_keeps_what_is_promised_whatever_happens),
        cmocka_unit_test(a_thousand_proxies_keep_what_is_promised),
        cmocka_unit_test(of_two_thousand_at_once_over_three_proxies_exactly_five_hundred_get_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
