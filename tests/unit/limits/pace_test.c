// A bandwidth and the flows that share it, with a clock that the test turns: never more than the rate, as
// much as the rate, and to each the same.
#include "proxy/net/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/proxy/random.h"

enum { FLOWS_MAX = 300, WANTED = 64 * 1024 };

struct rig {
    struct bandwidth bandwidth;
    struct pacer pacers[FLOWS_MAX];
    uint64_t passed[FLOWS_MAX];
    size_t count;
    int64_t now_ms;
};

static struct rig *rig_create(uint64_t per_second, size_t count)
{
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    rig->count = count;
    rig->now_ms = 5000;
    bandwidth_set(&rig->bandwidth, per_second);
    for (size_t i = 0; i < count; i++)
        pacer_init(&rig->pacers[i], &rig->bandwidth, &rig->now_ms);
    return rig;
}

static void rig_destroy(struct rig *rig)
{
    for (size_t i = 0; i < rig->count; i++)
        pacer_deinit(&rig->pacers[i]);
    assert_int_equal(rig->bandwidth.waiting, 0);
    free(rig);
}

// read_one lets a flow read as often as it may, `wanted` bytes at a time.
static void read_one(struct rig *rig, size_t i, size_t wanted)
{
    for (;;) {
        const size_t may = pacer_ask(&rig->pacers[i], wanted);
        if (may == 0)
            return;
        pacer_pay(&rig->pacers[i], may);
        rig->passed[i] += may;
    }
}

static uint64_t run_ms(struct rig *rig, int64_t ms, size_t wanted)
{
    uint64_t total = 0;
    for (int64_t end_ms = rig->now_ms + ms; rig->now_ms < end_ms; rig->now_ms++) {
        for (size_t i = 0; i < rig->count; i++)
            read_one(rig, i, wanted);
    }
    for (size_t i = 0; i < rig->count; i++)
        total += rig->passed[i];
    return total;
}

static void without_a_limit_all_may_be_read_at_once(void **state)
{
    (void)state;
    struct rig *rig = rig_create(0, 1);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(pacer_ask(&rig->pacers[0], WANTED), WANTED);
        pacer_pay(&rig->pacers[0], WANTED);
    }
    assert_int_equal(pacer_turn_ms(&rig->pacers[0]), INT64_MAX);
    assert_int_equal(rig->bandwidth.paid_ns, 0);
    rig_destroy(rig);
    struct pacer unshaped = {0};
    assert_int_equal(pacer_ask(&unshaped, WANTED), WANTED);
    pacer_pay(&unshaped, WANTED);
    pacer_deinit(&unshaped);
}

struct load {
    uint64_t per_second;
    size_t flows;
    size_t wanted;
};

// The promise of pace.h, and that the rate is used up: within a tenth, over 10 s.
static void the_rate_is_kept_and_used(void **state)
{
    (void)state;
    static const struct load loads[] = {
        {1000, 1, WANTED},       {10000, 3, WANTED},     {1000000, 1, WANTED},
        {1000000, 10, WANTED},   {1000000, 300, WANTED}, {50000000, 1, WANTED},
        {50000000, 300, WANTED}, {1000000, 5, 100},      {300000, 2, 1},
    };
    for (size_t i = 0; i < sizeof loads / sizeof loads[0]; i++) {
        const struct load *load = &loads[i];
        struct rig *rig = rig_create(load->per_second, load->flows);
        const uint64_t total = run_ms(rig, 10000, load->wanted);
        const uint64_t burst = load->per_second * PACE_BURST_MS / 1000;
        assert_true(total <= load->per_second * 10 + burst + load->flows * PACE_PIECE_MAX);
        assert_true(total >= load->per_second * 9);
        rig_destroy(rig);
    }
}

static void bulk_flows_get_the_same_each(void **state)
{
    (void)state;
    struct rig *rig = rig_create(5000000, 10);
    (void)run_ms(rig, 10000, WANTED);
    for (size_t i = 0; i < rig->count; i++) {
        assert_true(rig->passed[i] > 5000000 * 9 / 10);
        assert_true(rig->passed[i] < 5000000 * 11 / 10);
    }
    rig_destroy(rig);
}

static void a_flow_that_comes_later_waits_its_turn_and_then_gets_its_share(void **state)
{
    (void)state;
    struct rig *rig = rig_create(1000000, 3);
    rig->count = 2;
    (void)run_ms(rig, 5000, WANTED);
    pacer_init(&rig->pacers[2], &rig->bandwidth, &rig->now_ms);
    rig->count = 3;
    const uint64_t before = rig->passed[0];
    (void)run_ms(rig, 9000, WANTED);
    const uint64_t third = rig->passed[2];
    assert_true(third > 2700000 && third < 3300000);
    assert_true(rig->passed[0] - before > 2700000 && rig->passed[0] - before < 3300000);
    rig_destroy(rig);
}

// A client that opens a new tunnel for each piece gains nothing by it.
static void new_flows_one_after_the_other_do_not_get_round_the_rate(void **state)
{
    (void)state;
    struct rig *rig = rig_create(1000000, 1);
    uint64_t total = 0;
    for (int64_t end_ms = rig->now_ms + 10000; rig->now_ms < end_ms; rig->now_ms++) {
        for (int i = 0; i < 20; i++) {
            struct pacer pacer;
            pacer_init(&pacer, &rig->bandwidth, &rig->now_ms);
            const size_t may = pacer_ask(&pacer, WANTED);
            pacer_pay(&pacer, may);
            total += may;
            pacer_deinit(&pacer);
        }
    }
    assert_true(total <= 10 * 1000000 + 1000000 * PACE_BURST_MS / 1000 + PACE_PIECE_MAX);
    rig_destroy(rig);
}

static void a_small_message_does_not_wait_behind_bulk(void **state)
{
    (void)state;
    struct rig *rig = rig_create(1000000, 20);
    (void)run_ms(rig, 1000, WANTED);
    struct pacer talker;
    pacer_init(&talker, &rig->bandwidth, &rig->now_ms);
    (void)run_ms(rig, 1000, WANTED);
    assert_true(pacer_ask(&talker, 100) > 0); // it has rested for a second
    pacer_pay(&talker, 100);
    pacer_deinit(&talker);
    rig_destroy(rig);
}

static void a_new_rate_holds_at_once_in_both_directions(void **state)
{
    (void)state;
    struct rig *rig = rig_create(1000, 2);
    (void)run_ms(rig, 2000, WANTED);
    assert_true(pacer_turn_ms(&rig->pacers[0]) > rig->now_ms);
    bandwidth_set(&rig->bandwidth, 1000000);
    const uint64_t before = rig->passed[0] + rig->passed[1];
    const uint64_t faster = run_ms(rig, 1000, WANTED) - before;
    assert_true(faster >= 900000 && faster <= 1000000 + 50000 + 2 * PACE_PIECE_MAX);
    bandwidth_set(&rig->bandwidth, 0);
    assert_int_equal(pacer_ask(&rig->pacers[0], WANTED), WANTED);
    assert_int_equal(pacer_turn_ms(&rig->pacers[0]), INT64_MAX);
    bandwidth_set(&rig->bandwidth, 2000);
    const uint64_t unlimited = rig->passed[0] + rig->passed[1];
    assert_true(run_ms(rig, 1000, WANTED) - unlimited <= 2000 + 100 + 4 * PACE_PIECE_MIN);
    rig_destroy(rig);
}

static void a_waiting_flow_that_ends_counts_no_more(void **state)
{
    (void)state;
    struct rig *rig = rig_create(1000, 3);
    (void)run_ms(rig, 10, WANTED);
    assert_int_equal(rig->bandwidth.waiting, 3);
    assert_true(pacer_turn_ms(&rig->pacers[1]) > rig->now_ms);
    pacer_deinit(&rig->pacers[1]);
    pacer_deinit(&rig->pacers[1]);
    assert_int_equal(rig->bandwidth.waiting, 2);
    rig_destroy(rig);
}

static void a_waiting_flow_that_moves_waits_among_the_others(void **state)
{
    (void)state;
    struct rig *rig = rig_create(1000, 3);
    struct rig *others = rig_create(2000, 0);
    struct pacer zeroed = {0};
    (void)run_ms(rig, 10, WANTED);
    for (size_t i = 0; i < 3; i++)
        pacer_move(&rig->pacers[i], &others->bandwidth);
    assert_int_equal(rig->bandwidth.waiting, 0);
    assert_int_equal(others->bandwidth.waiting, 3);
    const uint64_t before = rig->passed[0] + rig->passed[1] + rig->passed[2];
    assert_true(run_ms(rig, 10000, WANTED) - before <= 20000 + 100 + 3 * PACE_PIECE_MIN);
    assert_int_equal(bandwidth_total(&rig->bandwidth), before);
    pacer_move(&zeroed, &others->bandwidth);
    assert_int_equal(pacer_ask(&zeroed, WANTED), WANTED);
    rig_destroy(rig);
    rig_destroy(others);
}

static void a_clock_far_ahead_or_behind_overflows_nothing(void **state)
{
    (void)state;
    struct rig *rig = rig_create(PACE_RATE_MAX, 1);
    rig->now_ms = INT64_MAX / 2000000;
    assert_int_equal(pacer_ask(&rig->pacers[0], WANTED), WANTED);
    pacer_pay(&rig->pacers[0], WANTED);
    rig->now_ms = 0; // back: the turn is far away, and stays finite
    (void)pacer_ask(&rig->pacers[0], WANTED);
    assert_true(pacer_turn_ms(&rig->pacers[0]) <= INT64_MAX / 1000000);
    rig_destroy(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_limit_all_may_be_read_at_once),
        cmocka_unit_test(the_rate_is_kept_and_used),
        cmocka_unit_test(bulk_flows_get_the_same_each),
        cmocka_unit_test(a_flow_that_comes_later_waits_its_turn_and_then_gets_its_share),
        cmocka_unit_test(new_flows_one_after_the_other_do_not_get_round_the_rate),
        cmocka_unit_test(a_small_message_does_not_wait_behind_bulk),
        cmocka_unit_test(a_new_rate_holds_at_once_in_both_directions),
        cmocka_unit_test(a_waiting_flow_that_ends_counts_no_more),
        cmocka_unit_test(a_waiting_flow_that_moves_waits_among_the_others),
        cmocka_unit_test(a_clock_far_ahead_or_behind_overflows_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
