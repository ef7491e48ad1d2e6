// A fleet in virtual time: whatever happens, no more tunnels are open than is promised, and the limit is reached again. The seeds are printed; a run is repeated by
//     simulation_test SEED FAULT PROXIES [refuse]
// and a long one is made by
//     simulation_test --long RUNS [small]
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "tests/fleet/simulation.h"

enum { SHORT_RUNS = 40, SMALL = 12, LARGE = 1000 };

// run makes one and says what it was. False: something did not hold.
static bool run(uint64_t seed, enum simulation_fault fault, uint32_t proxies, bool refuses)
{
    const struct simulation_options options = {
        .seed = seed, .proxies = proxies, .fault = fault, .refuses = refuses};
    const struct simulation_report report = simulation_run(&options);
    printf("seed %llu, %s, %u proxies, %s: limit %u, most open %u of %u, reached after %lld ms, "
           "freed after %lld ms, %llu tunnels, %llu refused, %llu lost, "
           "%.3f questions a tunnel at half use, longest wait %lld ms%s%s\n",
           (unsigned long long)seed, simulation_fault_name(fault), proxies,
           refuses ? "refuse" : "local", report.limit, report.most_open, report.bound,
           (long long)report.reached_ms, (long long)report.freed_ms,
           (unsigned long long)report.tunnels, (unsigned long long)report.refused,
           (unsigned long long)report.lost,
           report.quiet_tunnels == 0
               ? 0
               : (double)report.quiet_questions / (double)report.quiet_tunnels,
           (long long)report.worst_wait_ms, report.has_failed ? ": " : "", report.sentence);
    return !report.has_failed;
}

static uint64_t first_seed(void)
{
    const char *given = getenv("FLEET_SEED");
    return given == NULL ? (uint64_t)time(NULL) : strtoull(given, NULL, 10);
}

// run_many makes runs of every fault, the number of proxies anything up to `most`.
static bool run_many(uint64_t seed, int runs, uint32_t most)
{
    bool holds = true;
    for (int i = 0; i < runs; i++) {
        const uint64_t own = seed + (uint64_t)i;
        holds &= run(own, (enum simulation_fault)(i % FAULT_COUNT),
                     2 + (uint32_t)(own * 2654435761U % (most - 1)), i / FAULT_COUNT % 2 == 1);
    }
    return holds;
}

static void a_small_fleet_keeps_what_is_promised_whatever_happens(void **state)
{
    (void)state;
    assert_true(run_many(first_seed(), SHORT_RUNS, SMALL));
}

static void a_thousand_proxies_keep_what_is_promised(void **state)
{
    (void)state;
    assert_true(run(first_seed(), FAULT_PARTITION, LARGE, false));
}

static void of_two_thousand_at_once_over_three_proxies_exactly_five_hundred_get_in(void **state)
{
    (void)state;
    const uint64_t seed = first_seed();
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
    if (argc >= 3 && strcmp(argv[1], "--long") == 0)
        return run_many(first_seed(), (int)strtol(argv[2], NULL, 10), argc > 3 ? SMALL : LARGE) ? 0
                                                                                                : 1;
    if (argc >= 4)
        return run(strtoull(argv[1], NULL, 10),
                   (enum simulation_fault)(int)strtol(argv[2], NULL, 10),
                   (uint32_t)(int)strtol(argv[3], NULL, 10), argc > 4)
                   ? 0
                   : 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_fleet_keeps_what_is_promised_whatever_happens),
        cmocka_unit_test(a_thousand_proxies_keep_what_is_promised),
        cmocka_unit_test(of_two_thousand_at_once_over_three_proxies_exactly_five_hundred_get_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
