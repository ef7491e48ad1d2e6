// Blocks of a fleet in virtual time: whatever happens, none is lost, and all proxies come to know the same. The seeds are printed; a run
// is repeated by
//     blocks_simulation_test SEED FAULT PROXIES
// and long ones are made by
//     blocks_simulation_test --long RUNS [small]
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "tests/fleet/blocks_simulation.h"

enum { SHORT_RUNS = 80, SMALL = 12, MANY = 200, LARGE = 1000 };

// run makes one and says what it was. False: something did not hold.
static bool run(uint64_t seed, enum blocks_fault fault, uint32_t proxies)
{
    const struct blocks_options options = {.seed = seed, .proxies = proxies, .fault = fault};
    const struct blocks_report report = blocks_simulation_run(&options);
    printf(
        "seed %llu, %s (%d), %u proxies: %u blocks, %u confirmed, %u ends; holds everywhere after %lld ms, "
        "longest %lld ms; merged after %lld ms; %llu questions%s%s\n",
        (unsigned long long)seed, blocks_fault_name(fault), (int)fault, proxies, report.blocks,
        report.confirmed, report.ends, (long long)report.median_ms, (long long)report.longest_ms,
        (long long)report.merged_ms, (unsigned long long)report.questions,
        report.has_failed ? ": " : "", report.sentence);
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
        holds &= run(own, (enum blocks_fault)(i % BLOCKS_FAULT_COUNT),
                     2 + (uint32_t)(own * 2654435761U % (most - 1)));
    }
    return holds;
}

static void a_small_fleet_loses_no_block_whatever_happens(void **state)
{
    (void)state;
    assert_true(run_many(first_seed(), SHORT_RUNS, SMALL));
}

static void a_large_fleet_loses_none_either(void **state)
{
    (void)state;
    assert_true(run(first_seed(), BLOCKS_NO_FAULT, MANY));
    assert_true(run(first_seed(), BLOCKS_PARTITION, MANY));
}

int main(int argc, char **argv)
{
    if (argc >= 3 && strcmp(argv[1], "--long") == 0)
        return run_many(first_seed(), (int)strtol(argv[2], NULL, 10), argc > 3 ? SMALL : LARGE) ? 0
                                                                                                : 1;
    if (argc >= 4)
        return run(strtoull(argv[1], NULL, 10), (enum blocks_fault)(int)strtol(argv[2], NULL, 10),
                   (uint32_t)strtol(argv[3], NULL, 10))
                   ? 0
                   : 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_fleet_loses_no_block_whatever_happens),
        cmocka_unit_test(a_large_fleet_loses_none_either),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
