// Leases: what is asked for, and what is given back. Nothing is ever in two hands.
#include "proxy/fleet/lease.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct lease_view one_waits = {
    .limit = 100, .spare = 0, .waiting = 1, .members = 2, .now_ms = 1000};

// hold gives a lease of so many places that the store knows of.
static struct lease hold(uint32_t granted)
{
    struct lease lease = {0};
    const struct lease_question question = {.need = granted, .want = granted};
    bool is_full = true;
    assert_int_equal(lease_answer(&lease, &question, granted, 0, 0, &is_full), granted);
    assert_false(is_full);
    return lease;
}

static void asks_for_nothing_when_nobody_waits(void **state)
{
    (void)state;
    struct lease lease = {0};
    struct lease_question question;
    const struct lease_view view = {.limit = 100, .members = 2, .now_ms = 1000};
    assert_false(lease_ask(&lease, &view, &question));
    assert_true(lease_is_over(&lease, &view));
}

static void asks_for_those_who_wait_and_some_ahead(void **state)
{
    (void)state;
    struct lease lease = {0};
    struct lease_question question;
    assert_true(lease_ask(&lease, &one_waits, &question));
    assert_int_equal(question.keep, 0);
    assert_int_equal(question.need, 1);
    assert_true(question.want >= 1 + LEASE_BATCH_MIN);
}

static void asks_one_question_at_a_time(void **state)
{
    (void)state;
    struct lease lease = {0};
    struct lease_question question;
    assert_true(lease_ask(&lease, &one_waits, &question));
    assert_false(lease_ask(&lease, &one_waits, &question));
    lease_unanswered(&lease);
    assert_true(lease_ask(&lease, &one_waits, &question));
}

static void a_full_fleet_is_not_asked_again_at_once(void **state)
{
    (void)state;
    struct lease lease = {0};
    struct lease_question question;
    struct lease_view view = one_waits;
    bool is_full = false;
    assert_true(lease_ask(&lease, &view, &question));
    assert_int_equal(lease_answer(&lease, &question, 0, 0, view.now_ms, &is_full), 0);
    assert_true(is_full);
    assert_false(lease_ask(&lease, &view, &question));
    view.now_ms += LEASE_FULL_WAIT_MS;
    assert_true(lease_ask(&lease, &view, &question));
}

static void what_is_granted_in_part_is_full(void **state)
{
    (void)state;
    struct lease lease = {0};
    struct lease_question question;
    struct lease_view view = one_waits;
    bool is_full = false;
    view.waiting = 10;
    assert_true(lease_ask(&lease, &view, &question));
    assert_int_equal(lease_answer(&lease, &question, 3, 0, view.now_ms, &is_full), 3);
    assert_true(is_full);
    assert_int_equal(lease.granted, 3);
}

static void a_store_that_grants_more_than_was_asked_for_is_not_believed(void **state)
{
    (void)state;
    struct lease lease = {0};
    struct lease_question question;
    bool is_full = true;
    assert_true(lease_ask(&lease, &one_waits, &question));
    (void)lease_answer(&lease, &question, 4000000000, 0, 1000, &is_full);
    assert_int_equal(lease.granted, question.want);
}

static void a_store_that_grants_less_than_is_kept_takes_nothing_away(void **state)
{
    (void)state;
    struct lease lease = hold(10);
    struct lease_question question;
    struct lease_view view = one_waits;
    bool is_full = false;
    assert_true(lease_ask(&lease, &view, &question));
    assert_int_equal(question.keep, 10);
    assert_int_equal(lease_answer(&lease, &question, 2, 0, view.now_ms, &is_full), 0);
    assert_true(is_full);
    assert_int_equal(lease.granted, 10);
}

static void an_unanswered_question_is_asked_again_for_what_is_held(void **state)
{
    (void)state;
    struct lease lease = hold(10);
    struct lease_question question;
    struct lease_view view = one_waits;
    assert_true(lease_ask(&lease, &view, &question));
    lease_unanswered(&lease);
    view.waiting = 0; // those who have waited are gone; the store may have granted more
    view.spare = 8;
    assert_true(lease_ask(&lease, &view, &question));
    assert_int_equal(question.keep, 10);
    assert_int_equal(question.need, 0);
}

static void what_is_taken_from_the_workers_is_told_to_the_store(void **state)
{
    (void)state;
    struct lease lease = hold(50);
    struct lease_question question;
    const struct lease_view view = {.limit = 100, .spare = 8, .members = 2, .now_ms = 2000};
    lease_shrink(&lease, 40);
    assert_int_equal(lease_open(&lease, 8), 2);
    assert_true(lease_ask(&lease, &view, &question));
    assert_int_equal(question.keep, 10);
}

static void gives_back_what_is_idle_over_two_beats_but_not_what_is_used(void **state)
{
    (void)state;
    struct lease lease = hold(60);
    struct lease_view view = {.limit = 100, .spare = 50, .members = 2, .now_ms = 1000};
    (void)lease_surplus(&lease, &view); // 10 have been opened since the beat before
    assert_int_equal(lease_surplus(&lease, &view), 50 - 2 * 5);
    lease = hold(60);
    view.spare = 2;
    (void)lease_surplus(&lease, &view);
    view.spare = 50; // idle only now
    assert_int_equal(lease_surplus(&lease, &view), 0);
}

static void gives_back_all_spare_places_at_once_where_the_account_is_scarce(void **state)
{
    (void)state;
    struct lease lease = hold(60);
    const struct lease_view view = {
        .limit = 100, .spare = 50, .members = 2, .is_scarce = true, .now_ms = 1000};
    assert_int_equal(lease_surplus(&lease, &view), 50);
}

static void asks_nothing_ahead_of_need_where_the_account_is_scarce(void **state)
{
    (void)state;
    struct lease lease = {0};
    struct lease_question question;
    struct lease_view view = one_waits;
    view.is_scarce = true;
    assert_true(lease_ask(&lease, &view, &question));
    assert_int_equal(question.want, 1);
}

static void gives_back_all_after_a_time_without_tunnels(void **state)
{
    (void)state;
    struct lease lease = hold(4);
    struct lease_view view = {.limit = 100, .spare = 4, .members = 2, .now_ms = 1000};
    assert_int_equal(lease_surplus(&lease, &view), 0);
    view.now_ms += LEASE_IDLE_MS - 1;
    assert_int_equal(lease_surplus(&lease, &view), 0);
    view.now_ms += 1;
    assert_int_equal(lease_surplus(&lease, &view), 4);
    lease_shrink(&lease, 4);
    view.spare = 0;
    assert_false(lease_is_over(&lease, &view)); // the store does not know yet
    struct lease_question question;
    bool is_full = true;
    assert_true(lease_ask(&lease, &view, &question));
    (void)lease_answer(&lease, &question, 0, 0, view.now_ms, &is_full);
    assert_true(lease_is_over(&lease, &view));
}

static void claims_again_what_is_open_after_a_loss(void **state)
{
    (void)state;
    struct lease lease = hold(10);
    struct lease_question question;
    // Taken for dead: the spare places are gone. Three more were opened while the store was lost.
    lease_shrink(&lease, 6);
    lease_unclaim(&lease);
    const struct lease_view view = {.limit = 5, .spare = -3, .members = 2, .now_ms = 9000};
    assert_int_equal(lease_open(&lease, view.spare), 7);
    assert_true(lease_ask(&lease, &view, &question));
    assert_int_equal(question.keep, 7); // more than the limit: what is open stays
    bool is_full = true;
    assert_int_equal(lease_answer(&lease, &question, 7, 0, 9001, &is_full), 3);
    assert_false(is_full);
}

static void asks_nothing_more_once_all_is_claimed_and_nothing_changes(void **state)
{
    (void)state;
    struct lease lease = hold(10);
    struct lease_question question;
    const struct lease_view view = {.limit = 100, .spare = 8, .members = 2, .now_ms = 9000};
    assert_false(lease_ask(&lease, &view, &question));
    lease_unclaim(&lease);
    assert_true(lease_ask(&lease, &view, &question));
}

static void asks_ahead_of_need_before_the_spare_places_run_out(void **state)
{
    (void)state;
    struct lease lease = hold(10);
    struct lease_question question;
    struct lease_view view = {.limit = 1000, .spare = 8, .members = 2, .now_ms = 9000};
    view.spare = lease_low(&lease, &view) + 1;
    assert_false(lease_ask(&lease, &view, &question));
    view.spare = lease_low(&lease, &view);
    assert_true(lease_ask(&lease, &view, &question));
    assert_int_equal(question.need, 0);
    bool is_full = true;
    (void)lease_answer(&lease, &question, 10, 0, view.now_ms, &is_full);
    assert_false(lease_ask(&lease, &view, &question)); // nothing came: not again and again
    view.now_ms += LEASE_NO_AHEAD_MS;
    assert_true(lease_ask(&lease, &view, &question));
}

static void a_share_is_rounded_up_so_that_nobody_has_none(void **state)
{
    (void)state;
    assert_int_equal(lease_share(10, 3), 4);
    assert_int_equal(lease_share(9, 3), 3);
    assert_int_equal(lease_share(1, 1000), 1);
    assert_int_equal(lease_share(500, 1), 500);
}

static void what_becomes_free_above_the_limit_is_nobodys(void **state)
{
    (void)state;
    struct lease lease = {0};
    struct lease_question question;
    struct lease_view view = {.limit = 10, .spare = -8, .members = 2, .now_ms = 1000};
    bool is_full = false;
    // Eight were opened while the store was away, and others hold five.
    assert_true(lease_ask(&lease, &view, &question));
    assert_int_equal(question.keep, 8);
    const uint32_t above = lease_above(view.limit, 8, 5);
    assert_int_equal(above, 3);
    view.spare += lease_answer(&lease, &question, 8, above, view.now_ms, &is_full);
    assert_int_equal(view.spare, -3);
    assert_int_equal(lease_open(&lease, view.spare), 8);
    assert_false(lease_ask(&lease, &view, &question)); // it knows it
    view.spare += 2;                                   // two have ended: the next beat says so
    (void)lease_surplus(&lease, &view);
    assert_true(lease_ask(&lease, &view, &question));
    assert_int_equal(question.keep, 6);
    view.spare += lease_answer(&lease, &question, 6, lease_above(view.limit, 6, 5), 1500, &is_full);
    assert_int_equal(view.spare, -1);
    view.spare += 2;
    (void)lease_surplus(&lease, &view);
    assert_true(lease_ask(&lease, &view, &question));
    assert_int_equal(question.keep, 5);
    view.spare += lease_answer(&lease, &question, 5, lease_above(view.limit, 5, 5), 2000, &is_full);
    assert_int_equal(view.spare, 1);
    view.spare = 0; // and a place that becomes free is taken again
    (void)lease_surplus(&lease, &view);
    assert_false(lease_ask(&lease, &view, &question));
}

// Three proxies have two places each when the limit becomes two: each has no more than that by itself.
static void
under_a_lower_limit_nothing_is_used_until_the_store_has_said_how_many_all_have(void **state)
{
    (void)state;
    struct lease lease = hold(2);
    struct lease_question question;
    struct lease_view view = {.limit = 2, .members = 3, .spare = 0, .waiting = 1, .now_ms = 1000};
    bool is_full = false;
    view.spare -= (int32_t)lease_lower(&lease);
    assert_int_equal(view.spare, -2); // both are open, and without a place
    assert_int_equal(lease_open(&lease, view.spare), 2);
    view.spare++; // one ends
    assert_false(lease_wakes(&lease, &view));
    assert_true(lease_ask(&lease, &view, &question));
    assert_int_equal(question.keep, 1);
    assert_int_equal(question.need, 1);
    view.spare += lease_answer(&lease, &question, 1, lease_above(2, 1, 4), 1000, &is_full);
    assert_true(is_full);
    assert_int_equal(view.spare, -1);
    assert_int_equal(lease_open(&lease, view.spare), 1);
    // The others have none any more: now it is used again.
    view.now_ms = 1000 + LEASE_FULL_WAIT_MS;
    assert_true(lease_ask(&lease, &view, &question));
    view.spare += lease_answer(&lease, &question, 2, lease_above(2, 2, 0), view.now_ms, &is_full);
    assert_false(is_full);
    assert_int_equal(view.spare, 1);
    assert_int_equal(lease.granted, 2);
}

static void a_lower_limit_is_asked_about_also_where_nobody_waits(void **state)
{
    (void)state;
    struct lease lease = hold(3);
    struct lease_question question;
    struct lease_view view = {.limit = 2, .members = 3, .spare = 1, .now_ms = 1000};
    view.spare -= (int32_t)lease_lower(&lease);
    assert_int_equal(lease_open(&lease, view.spare), 2);
    assert_false(lease_is_over(&lease, &view));
    assert_true(lease_ask(&lease, &view, &question));
    assert_int_equal(question.keep, 2);
    assert_int_equal(question.need, 0);
    assert_int_equal(question.want, 0);
}

static void what_is_above_is_bounded(void **state)
{
    (void)state;
    assert_int_equal(lease_above(10, 4, 6), 0);
    assert_int_equal(lease_above(10, 0, 0), 0);
    assert_int_equal(lease_above(1, UINT32_MAX, UINT32_MAX), UINT32_MAX);
    struct lease lease = hold(3);
    const struct lease_question question = {.keep = 3};
    bool is_full = false;
    assert_int_equal(lease_answer(&lease, &question, 3, UINT32_MAX, 0, &is_full), -3);
    assert_int_equal(lease.granted, 0);
    lease_unclaim(&lease);
    struct lease_question again;
    const struct lease_view view = {.limit = 1, .spare = -3, .members = 1, .now_ms = 1};
    assert_true(lease_ask(&lease, &view, &again));
    assert_int_equal(again.keep, 3);
}

static void who_waits_is_woken_where_a_place_becomes_free_here(void **state)
{
    (void)state;
    struct lease lease = {.granted = 5, .told = 5, .is_claimed = true, .ahead_from_ms = 2000};
    struct lease_view view = {.limit = 5, .spare = 1, .waiting = 1, .members = 1, .now_ms = 1000};
    struct lease_question question;
    assert_false(lease_ask(&lease, &view, &question)); // so no answer will wake it
    assert_true(lease_wakes(&lease, &view));
    view.spare = 0;
    assert_false(lease_wakes(&lease, &view));
    view.spare = 1;
    view.waiting = 0;
    assert_false(lease_wakes(&lease, &view));
    view.waiting = 2;
    assert_true(lease_ask(&lease, &view, &question));
    assert_false(lease_wakes(&lease, &view)); // the answer will
}

static void after_an_error_it_is_asked_again_later_each_time(void **state)
{
    (void)state;
    struct lease lease = {0};
    struct lease_view view = {.limit = 100, .waiting = 3, .members = 2, .now_ms = 1000};
    struct lease_question question;
    static const int64_t pauses[] = {100, 200, 400, 800, 1600, 2000, 2000};
    for (size_t i = 0; i < sizeof pauses / sizeof *pauses; i++) {
        assert_true(lease_ask(&lease, &view, &question));
        lease_fail(&lease, view.now_ms);
        view.now_ms += pauses[i] - 1;
        assert_false(lease_ask(&lease, &view, &question));
        view.now_ms++;
        view.waiting = 0; // by itself, until it is answered
    }
    assert_true(lease_ask(&lease, &view, &question));
    bool is_full = true;
    (void)lease_answer(&lease, &question, question.keep, 0, view.now_ms, &is_full);
    view.waiting = 1;
    assert_true(lease_ask(&lease, &view, &question));
    lease_fail(&lease, view.now_ms);
    view.now_ms += LEASE_FAULT_FIRST_MS;
    assert_true(lease_ask(&lease, &view, &question));
    lease_fail(&lease, view.now_ms);
    lease_unclaim(&lease); // over a new connection at once
    assert_true(lease_ask(&lease, &view, &question));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_becomes_free_above_the_limit_is_nobodys),
        cmocka_unit_test(
            under_a_lower_limit_nothing_is_used_until_the_store_has_said_how_many_all_have),
        cmocka_unit_test(a_lower_limit_is_asked_about_also_where_nobody_waits),
        cmocka_unit_test(what_is_above_is_bounded),
        cmocka_unit_test(who_waits_is_woken_where_a_place_becomes_free_here),
        cmocka_unit_test(asks_for_nothing_when_nobody_waits),
        cmocka_unit_test(asks_for_those_who_wait_and_some_ahead),
        cmocka_unit_test(asks_one_question_at_a_time),
        cmocka_unit_test(a_full_fleet_is_not_asked_again_at_once),
        cmocka_unit_test(what_is_granted_in_part_is_full),
        cmocka_unit_test(a_store_that_grants_more_than_was_asked_for_is_not_believed),
        cmocka_unit_test(a_store_that_grants_less_than_is_kept_takes_nothing_away),
        cmocka_unit_test(an_unanswered_question_is_asked_again_for_what_is_held),
        cmocka_unit_test(what_is_taken_from_the_workers_is_told_to_the_store),
        cmocka_unit_test(gives_back_what_is_idle_over_two_beats_but_not_what_is_used),
        cmocka_unit_test(gives_back_all_spare_places_at_once_where_the_account_is_scarce),
        cmocka_unit_test(asks_nothing_ahead_of_need_where_the_account_is_scarce),
        cmocka_unit_test(gives_back_all_after_a_time_without_tunnels),
        cmocka_unit_test(claims_again_what_is_open_after_a_loss),
        cmocka_unit_test(asks_nothing_more_once_all_is_claimed_and_nothing_changes),
        cmocka_unit_test(asks_ahead_of_need_before_the_spare_places_run_out),
        cmocka_unit_test(a_share_is_rounded_up_so_that_nobody_has_none),
        cmocka_unit_test(after_an_error_it_is_asked_again_later_each_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
