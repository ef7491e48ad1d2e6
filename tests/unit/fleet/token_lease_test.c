// Tokens in hand: they end, nobody gets more than was asked for, and a store that has none is not asked again and again.
#include "proxy/fleet/token_lease.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct token_view one_waits = {
    .per_second = 100, .burst = 50, .waiting = 1, .members = 2, .now_ms = 1000};

static void a_lot_ends_and_runs_out(void **state)
{
    (void)state;
    uint64_t lot = token_lot_make(2, 1000);
    assert_int_equal(token_lot_left(lot, 999), 2);
    assert_int_equal(token_lot_left(lot, 1000), 0);
    assert_false(token_lot_take(lot, 1000, &lot));
    assert_true(token_lot_take(lot, 999, &lot));
    assert_true(token_lot_take(lot, 999, &lot));
    assert_false(token_lot_take(lot, 999, &lot));
    assert_false(token_lot_take(0, 0, &lot));
    assert_int_equal(token_lot_left(token_lot_make(TOKEN_LOT_MAX, INT64_C(1) << 42), 5),
                     TOKEN_LOT_MAX);
}

static void asks_for_those_who_wait_alone_where_nothing_was_used_before(void **state)
{
    (void)state;
    struct token_lease lease = {0};
    uint32_t want = 0;
    assert_true(token_lease_ask(&lease, &one_waits, &want));
    assert_int_equal(want, 1);
    assert_false(token_lease_ask(&lease, &one_waits, &want)); // one question at a time
}

static void asks_for_nothing_when_nobody_waits_and_nothing_is_used(void **state)
{
    (void)state;
    struct token_lease lease = {0};
    struct token_view view = one_waits;
    uint32_t want = 0;
    view.waiting = 0;
    assert_false(token_lease_ask(&lease, &view, &want));
    view.waiting = 3; // as many as are in hand: they will find them
    view.left = 3;
    assert_false(token_lease_ask(&lease, &view, &want));
}

static void never_asks_for_more_than_the_burst(void **state)
{
    (void)state;
    struct token_lease lease = {0};
    struct token_view view = one_waits;
    uint32_t want = 0;
    view.waiting = 4000000000;
    assert_true(token_lease_ask(&lease, &view, &want));
    assert_int_equal(want, 50);
}

static void asks_ahead_for_what_was_used_but_no_more_than_its_part(void **state)
{
    (void)state;
    struct token_lease lease = {0};
    struct token_view view = one_waits;
    uint32_t want = 0;
    int64_t wait_ms = 0;
    assert_int_equal(token_lease_answer(&lease, 40, 40, 0, 1000, &wait_ms), 40);
    view.waiting = 0;
    token_lease_beat(&lease, &view, 500); // 40 in half a second
    assert_true(token_lease_ask(&lease, &view, &want));
    assert_int_equal(want, 40);
    lease.is_asked = false;
    view.members = 10;
    assert_true(token_lease_ask(&lease, &view, &want));
    assert_int_equal(want, 10);
}

static void lots_grow_before_the_next_beat(void **state)
{
    (void)state;
    struct token_lease lease = {0};
    struct token_view view = one_waits;
    int64_t wait_ms = 0;
    uint32_t asked = 0, taken = 0;
    view.per_second = 100000;
    view.burst = 100000;
    for (; taken < 1000; asked++) { // one after the other
        uint32_t want = 0;
        assert_true(token_lease_ask(&lease, &view, &want));
        taken += token_lease_answer(&lease, want, want, 0, view.now_ms, &wait_ms);
    }
    assert_true(asked < 25);
}

static void what_nobody_uses_is_not_asked_for_any_more(void **state)
{
    (void)state;
    struct token_lease lease = {0};
    struct token_view view = one_waits;
    uint32_t want = 0;
    int64_t wait_ms = 0;
    (void)token_lease_answer(&lease, 40, 40, 0, 1000, &wait_ms);
    view.waiting = 0;
    for (int beats = 0; beats < 10; beats++)
        token_lease_beat(&lease, &view, 500);
    assert_false(token_lease_ask(&lease, &view, &want));
}

static void a_store_without_tokens_says_when_to_ask_again(void **state)
{
    (void)state;
    struct token_lease lease = {0};
    struct token_view view = one_waits;
    uint32_t want = 0;
    int64_t wait_ms = 0;
    assert_true(token_lease_ask(&lease, &view, &want));
    assert_int_equal(token_lease_answer(&lease, want, 0, 20001, 1000, &wait_ms), 0);
    assert_int_equal(wait_ms, 21);
    assert_false(token_lease_ask(&lease, &view, &want));
    view.now_ms = 1020;
    assert_false(token_lease_ask(&lease, &view, &want));
    view.now_ms = 1021;
    assert_true(token_lease_ask(&lease, &view, &want));
}

static void answers_that_cannot_be_true_give_nothing_more(void **state)
{
    (void)state;
    struct token_lease lease = {0};
    int64_t wait_ms = -1;
    assert_int_equal(token_lease_answer(&lease, 5, -3, -7, 1000, &wait_ms), 0);
    assert_int_equal(wait_ms, 0);
    assert_int_equal(token_lease_answer(&lease, 5, INT64_MAX, INT64_MAX, 1000, &wait_ms), 5);
}

static void a_store_can_have_nobody_wait_for_longer_than_any_rate_does(void **state)
{
    (void)state;
    struct token_lease lease = {0};
    struct token_view view = one_waits;
    uint32_t want = 0;
    int64_t wait_ms = 0;
    assert_true(token_lease_ask(&lease, &view, &want));
    assert_int_equal(token_lease_answer(&lease, want, 0, INT64_MAX, 1000, &wait_ms), 0);
    assert_int_equal(wait_ms, 1000);
    view.now_ms = 2000;
    assert_true(token_lease_ask(&lease, &view, &want));
}

static void nothing_that_a_store_said_outlives_it(void **state)
{
    (void)state;
    struct token_lease lease = {0};
    struct token_view view = one_waits;
    uint32_t want = 0;
    int64_t wait_ms = 0;
    assert_true(token_lease_ask(&lease, &view, &want));
    (void)token_lease_answer(&lease, want, 0, INT64_MAX, 1000, &wait_ms);
    token_lease_unclaim(&lease);
    assert_true(token_lease_ask(&lease, &view, &want));
    token_lease_fail(&lease, 1000);
    token_lease_unclaim(&lease);
    assert_true(token_lease_ask(&lease, &view, &want));
    (void)token_lease_answer(&lease, want, 1, 0, 1000, &wait_ms);
    view.left = 1;
    assert_false(token_lease_ask(&lease, &view, &want)); // nor is it asked whether it answers again
}

static void an_unanswered_question_may_be_asked_again(void **state)
{
    (void)state;
    struct token_lease lease = {0};
    uint32_t want = 0;
    assert_true(token_lease_ask(&lease, &one_waits, &want));
    token_lease_unanswered(&lease);
    assert_true(token_lease_ask(&lease, &one_waits, &want));
}

static void after_an_error_it_is_asked_again_by_itself_and_later_each_time(void **state)
{
    (void)state;
    struct token_lease lease = {0};
    struct token_view view = one_waits;
    uint32_t want = 0;
    int64_t wait_ms = 0;
    static const int64_t pauses[] = {100, 200, 400, 800, 1600, 2000, 2000};
    for (size_t i = 0; i < sizeof pauses / sizeof *pauses; i++) {
        assert_true(token_lease_ask(&lease, &view, &want));
        assert_int_equal(want, 1);
        token_lease_fail(&lease, view.now_ms);
        view.now_ms += pauses[i] - 1;
        assert_false(token_lease_ask(&lease, &view, &want));
        view.now_ms++;
        view.waiting = 0;
    }
    assert_true(token_lease_ask(&lease, &view, &want));
    (void)token_lease_answer(&lease, want, 1, 0, view.now_ms, &wait_ms);
    view.left = 1;
    assert_false(token_lease_ask(&lease, &view, &want));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lot_ends_and_runs_out),
        cmocka_unit_test(asks_for_those_who_wait_alone_where_nothing_was_used_before),
        cmocka_unit_test(asks_for_nothing_when_nobody_waits_and_nothing_is_used),
        cmocka_unit_test(never_asks_for_more_than_the_burst),
        cmocka_unit_test(asks_ahead_for_what_was_used_but_no_more_than_its_part),
        cmocka_unit_test(lots_grow_before_the_next_beat),
        cmocka_unit_test(what_nobody_uses_is_not_asked_for_any_more),
        cmocka_unit_test(a_store_without_tokens_says_when_to_ask_again),
        cmocka_unit_test(answers_that_cannot_be_true_give_nothing_more),
        cmocka_unit_test(a_store_can_have_nobody_wait_for_longer_than_any_rate_does),
        cmocka_unit_test(nothing_that_a_store_said_outlives_it),
        cmocka_unit_test(an_unanswered_question_may_be_asked_again),
        cmocka_unit_test(after_an_error_it_is_asked_again_by_itself_and_later_each_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
