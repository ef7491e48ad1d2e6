// fleet_limits on a loop of its own, without a store: what it does with many accounts, and what the ledger is told.
#include "proxy/service/fleet_limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <ev.h>

#include "proxy/clock/clock.h"

enum { MANY = 5000 };

struct rig {
    struct ev_loop *loop;
    struct ledger *ledger;
    struct fleet_limits *limits;
    struct account *accounts[MANY];
    size_t answers;
};

static void on_answer(void *owner)
{
    struct rig *rig = owner;
    rig->answers++;
}

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    rig->loop = ev_loop_new(EVFLAG_AUTO);
    rig->ledger = ledger_create();
    const struct fleet_limits_options options = {.loop = rig->loop,
                                                 .ledger = rig->ledger,
                                                 .instance = "0123456789abcdef",
                                                 .prefix = "p:",
                                                 .on_answer = on_answer,
                                                 .owner = rig};
    rig->limits = fleet_limits_create(&options);
    assert_non_null(rig->limits);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    for (size_t i = 0; i < MANY; i++)
        ledger_close_account(rig->ledger, rig->accounts[i], 1000);
    fleet_limits_destroy(rig->limits);
    ledger_destroy(rig->ledger);
    ev_loop_destroy(rig->loop);
    free(rig);
    return 0;
}

// open_accounts opens so many, and has main take them up.
static void open_accounts(struct rig *rig, size_t count)
{
    static const struct client_limits limits = {.tunnels = 10, .scope = LIMIT_FLEET};
    for (size_t i = 0; i < count; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "a%zu", i);
        const struct account_request request = {
            .name = name, .limits = &limits, .generation = 1, .now_ms = 1000};
        assert_int_equal(ledger_open_account(rig->ledger, &request, &rig->accounts[i]), ERR_OK);
    }
    ev_run(rig->loop, EVRUN_ONCE);
    assert_int_equal(fleet_limits_counts(rig->limits).accounts, count);
}

static void many_accounts_are_looked_after_some_at_a_time(void **state)
{
    struct rig *rig = *state;
    open_accounts(rig, MANY);
    for (size_t i = 0; i < MANY; i++) {
        ledger_close_account(rig->ledger, rig->accounts[i], 1000);
        rig->accounts[i] = NULL;
    }
    size_t before = MANY;
    fleet_limits_tick(rig->limits);
    while (before > 0) {
        const size_t left = fleet_limits_counts(rig->limits).accounts;
        assert_true(left < before && before - left <= 2000);
        before = left;
        if (left > 0)
            ev_run(rig->loop, EVRUN_ONCE);
    }
}

static void an_account_may_go_while_a_pass_is_at_it(void **state)
{
    struct rig *rig = *state;
    const struct fleet_beat beat = {.was_known = true, .members = 2};
    open_accounts(rig, MANY);
    fleet_limits_note_state(rig->limits, true);
    fleet_limits_note_beat(rig->limits, &beat, monotonic_ms());
    for (size_t i = 0; i < MANY; i++) {
        ledger_close_account(rig->ledger, rig->accounts[i], 1000);
        rig->accounts[i] = NULL;
    }
    fleet_limits_tick(rig->limits); // its pass drops where the other one goes on
    while (fleet_limits_counts(rig->limits).accounts > 0)
        ev_run(rig->loop, EVRUN_ONCE);
}

static void a_beat_that_does_not_know_us_is_a_loss_and_the_next_one_is_none(void **state)
{
    struct rig *rig = *state;
    struct fleet_beat beat = {.was_known = true, .members = 2};
    fleet_limits_note_state(rig->limits, true);
    fleet_limits_note_beat(rig->limits, &beat, monotonic_ms());
    assert_int_equal(fleet_limits_counts(rig->limits).losses, 0);
    beat.was_known = false;
    fleet_limits_note_beat(rig->limits, &beat, monotonic_ms());
    beat.was_known = true;
    fleet_limits_note_beat(rig->limits, &beat, monotonic_ms());
    assert_int_equal(fleet_limits_counts(rig->limits).losses, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(many_accounts_are_looked_after_some_at_a_time, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_account_may_go_while_a_pass_is_at_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_beat_that_does_not_know_us_is_a_loss_and_the_next_one_is_none, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
