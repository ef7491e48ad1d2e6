// Who has to obey an order: only those that it names, once, in its time.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>

#include <stdio.h>

#include "proxy/fleet/fleet_orders.h"

#define SELF  "0123456789abcdef"
#define OTHER "fedcba9876543210"
static const int64_t issued_ms = 1800000000000;

static struct fleet_order make(char (*targets)[FLEET_INSTANCE_CAP], size_t count)
{
    return (struct fleet_order){.id = OTHER,
                                .issuer = OTHER,
                                .number = 5,
                                .issued_ms = issued_ms,
                                .ends_ms = issued_ms + FLEET_ORDER_LIFE_MS,
                                .targets = targets,
                                .target_count = count};
}

static void an_order_is_judged_by_target_number_and_time(void **state)
{
    (void)state;
    char me[2][FLEET_INSTANCE_CAP] = {OTHER, SELF};
    char others[1][FLEET_INSTANCE_CAP] = {OTHER};
    const struct fleet_order mine = make(me, 2);
    const struct fleet_order theirs = make(others, 1);
    struct fleet_order eternal = make(me, 2);
    eternal.ends_ms++;
    const struct {
        const struct fleet_order *order;
        uint64_t last;
        int64_t now_ms;
        enum fleet_judgement wanted;
    } rows[] = {
        {&mine, 0, issued_ms, FLEET_OBEY},
        {&mine, 4, issued_ms, FLEET_OBEY},
        {&mine, 5, issued_ms, FLEET_REPEATED},
        {&mine, 6, issued_ms, FLEET_REPEATED},
        {&mine, UINT64_MAX, issued_ms, FLEET_REPEATED},
        {&theirs, 0, issued_ms, FLEET_NOT_MEANT},
        {&theirs, 9, issued_ms + 3600000, FLEET_NOT_MEANT},
        {&mine, 0, issued_ms + FLEET_ORDER_LIFE_MS + FLEET_ORDER_SKEW_MS, FLEET_OBEY},
        {&mine, 0, issued_ms + FLEET_ORDER_LIFE_MS + FLEET_ORDER_SKEW_MS + 1, FLEET_TOO_LATE},
        {&mine, 0, issued_ms + 3600000, FLEET_TOO_LATE},
        {&mine, 0, issued_ms - FLEET_ORDER_SKEW_MS, FLEET_OBEY},
        {&mine, 0, issued_ms - FLEET_ORDER_SKEW_MS - 1, FLEET_TOO_EARLY},
        {&mine, 0, issued_ms - 3600000, FLEET_TOO_EARLY},
        {&eternal, 0, issued_ms, FLEET_TOO_LONG},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const enum fleet_judgement judged = fleet_order_judge(
            rows[i].order, SELF, rows[i].order->number <= rows[i].last, rows[i].now_ms);
        if (judged != rows[i].wanted)
            fail_msg("row %zu: %s", i, fleet_judgement_name(judged));
    }
}

static void a_number_is_new_once_and_much_older_ones_never(void **state)
{
    (void)state;
    struct fleet_issuers *issuers = fleet_issuers_create();
    assert_non_null(issuers);
    const uint64_t numbers[] = {7, 3, 70, 8, 69, 71, 200};
    assert_false(fleet_issuers_have(issuers, OTHER, 7));
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        assert_false(fleet_issuers_have(issuers, OTHER, numbers[i]));
        assert_true(fleet_issuers_note(issuers, OTHER, numbers[i], 1, 0));
        for (size_t j = 0; j <= i; j++)
            assert_true(fleet_issuers_have(issuers, OTHER, numbers[j]));
    }
    assert_true(fleet_issuers_have(issuers, OTHER, 136)); // was never noted, and is too low
    assert_false(fleet_issuers_have(issuers, OTHER, 137));
    assert_false(fleet_issuers_have(issuers, SELF, 7));
    fleet_issuers_destroy(issuers);
}

static void one_that_cannot_be_remembered_is_not_obeyed_until_others_have_ended(void **state)
{
    (void)state;
    struct fleet_issuers *issuers = fleet_issuers_create();
    char name[FLEET_INSTANCE_CAP];
    assert_non_null(issuers);
    for (int i = 0; i < 4096; i++) {
        (void)snprintf(name, sizeof name, "%016x", i);
        assert_true(fleet_issuers_note(issuers, name, 1, i == 5 ? 1000 : 2000, 0));
    }
    assert_false(fleet_issuers_note(issuers, OTHER, 1, 9000, 1000 + FLEET_ORDER_SKEW_MS));
    assert_true(fleet_issuers_note(issuers, "0000000000000001", 2, 2000, 0));
    assert_true(fleet_issuers_note(issuers, OTHER, 1, 9000, 1001 + FLEET_ORDER_SKEW_MS));
    assert_false(fleet_issuers_have(issuers, "0000000000000005", 1));
    assert_true(fleet_issuers_have(issuers, "0000000000000006", 1));
    assert_true(fleet_issuers_have(issuers, OTHER, 1));
    assert_false(fleet_issuers_note(issuers, SELF, 1, 9000, 1001 + FLEET_ORDER_SKEW_MS));
    fleet_issuers_destroy(issuers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_order_is_judged_by_target_number_and_time),
        cmocka_unit_test(a_number_is_new_once_and_much_older_ones_never),
        cmocka_unit_test(one_that_cannot_be_remembered_is_not_obeyed_until_others_have_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
