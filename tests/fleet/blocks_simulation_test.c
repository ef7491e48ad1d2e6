// Blocks of a fleet in virtual time: whatever happens, none is lost, and all proxies come to know the same. The seeds are printed; a run
// is repeated by
//     blocks_simulation_test SEED KIND PROXIES
// and long ones are made by
//     blocks_simulation_test --long RUNS [small]
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/fleet/blocks_simulation.h"
#include "tests/fleet/runs.h"

enum { SHORT_RUNS = 81, SMALL = 12, MANY = 200, LARGE = 1000 };

// run makes one and says what it was. Its kind is a fault.
static bool run(uint64_t seed, uint32_t kind, uint32_t proxies)
{
    const struct blocks_options options = {
        .seed = seed, .proxies = proxies, .fault = (enum blocks_fault)(kind % BLOCKS_FAULT_COUNT)};
    const struct blocks_report report = blocks_simulation_run(&options);
    printf(
        "seed %llu, %s (%u), %u proxies: %u blocks, %u confirmed, %u ends; holds everywhere after %lld ms, "
        "longest %lld ms; merged after %lld ms; %llu questions%s%s\n",
        (unsigned long long)seed, blocks_fault_name(options.fault), kind, proxies, report.blocks,
        report.confirmed, report.ends, (long long)report.median_ms, (long long)report.longest_ms,
        (long long)report.merged_ms, (unsigned long long)report.questions,
        report.has_failed ? ": " : "", report.sentence);
    return !report.has_failed;
}

static void a_small_fleet_loses_no_block_whatever_happens(void **state)
{
    (void)state;
    assert_true(runs_make(runs_first_seed(), SHORT_RUNS, SMALL, run));
}

static void a_large_fleet_loses_none_either(void **state)
{
    (void)state;
    assert_true(run(runs_first_seed(), BLOCKS_NO_FAULT, MANY));
    assert_true(run(runs_first_seed(), BLOCKS_PARTITION, MANY));
}

int main(int argc, char **argv)
{
    const int status = runs_by_words(argc, argv, SMALL, LARGE, run);
    if (status >= 0)
        return status;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_fleet_loses_no_block_whatever_happens),
        cmocka_unit_test(a_large_fleet_loses_none_either),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
