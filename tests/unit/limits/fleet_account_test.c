// What the fleet has granted: nothing is taken twice, those who wait learn how their own question has ended, and all comes back.
#include "proxy/limits/ledger.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct client_limits fleet_limits = {.tunnels = 10,
                                                  .new_tunnels = 100,
                                                  .burst = 50,
                                                  .requests = 7,
                                                  .requests_burst = 7,
                                                  .scope = LIMIT_FLEET};

// rig is a ledger with one account, and what main has heard of it.
struct rig {
    struct ledger *ledger;
    struct account *account;
    struct limit_refusal refusal;
    _Atomic unsigned asked;
};

static void on_ask(void *arg)
{
    struct rig *rig = arg;
    rig->asked++;
}

static void drop(void *arg, struct account *account)
{
    ledger_close_account(arg, account, 0);
}

static int set_up(void **state)
{
    static struct rig rig;
    const struct account_request request = {
        .name = "alice", .limits = &fleet_limits, .generation = 1, .now_ms = 1000};
    memset(&rig, 0, sizeof rig);
    rig.ledger = ledger_create();
    ledger_keep_fleet(rig.ledger, on_ask, &rig);
    ledger_set_fleet(rig.ledger, LEDGER_FLEET_ASKS, 4);
    *state = &rig;
    return ledger_open_account(rig.ledger, &request, &rig.account) != ERR_OK;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    ledger_close_account(rig->ledger, rig->account, 1000);
    ledger_destroy(rig->ledger);
    return 0;
}

static enum ledger_turn take(struct rig *rig, struct ledger_ticket *ticket)
{
    return ledger_take_tunnel_of_fleet(rig->ledger, rig->account, &fleet_limits, 1000, ticket,
                                       &rig->refusal);
}

// answer does what main does with an answer of the store.
static void answer(struct rig *rig, enum fleet_kind kind, enum fleet_outcome outcome)
{
    struct fleet_queue *queue = &rig->account->fleet.queues[kind];
    ledger_take_listed(rig->ledger, drop, rig->ledger);
    queue->round++;
    fleet_queue_set_answer(queue, outcome, 1500);
}

static void an_account_of_the_fleet_has_main_look_at_it(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig->asked, 1);
    const struct client_limits limits = ledger_read_limits(rig->ledger, rig->account);
    assert_int_equal(limits.tunnels, 10);
}

static void takes_what_was_granted_and_waits_then(void **state)
{
    struct rig *rig = *state;
    struct ledger_ticket ticket = {0};
    rig->account->fleet.spare = 2;
    assert_int_equal(take(rig, &ticket), LEDGER_TAKEN);
    assert_int_equal(take(rig, &ticket), LEDGER_TAKEN);
    assert_null(ticket.account);
    assert_int_equal(take(rig, &ticket), LEDGER_WAITS);
    assert_int_equal(rig->account->fleet.queues[FLEET_TUNNELS].waiting, 1);
    assert_int_equal(rig->account->tunnels, 2);
    ledger_end_wait(rig->ledger, &ticket, 1000);
    ledger_end_wait(rig->ledger, &ticket, 1000); // idempotent
    assert_int_equal(rig->account->fleet.queues[FLEET_TUNNELS].waiting, 0);
    ledger_give_tunnel(rig->ledger, rig->account, 1000);
    ledger_give_tunnel(rig->ledger, rig->account, 1000);
    assert_int_equal(rig->account->fleet.spare, 2);
    assert_int_equal(fleet_account_withdraw(&rig->account->fleet, 9), 2);
}

static void a_question_that_was_sent_before_says_nothing(void **state)
{
    struct rig *rig = *state;
    struct ledger_ticket ticket = {0};
    struct fleet_queue *queue = &rig->account->fleet.queues[FLEET_TUNNELS];
    queue->round = 4; // under way
    assert_int_equal(take(rig, &ticket), LEDGER_WAITS);
    fleet_queue_set_answer(queue, FLEET_FULL, 0); // to the fourth
    assert_int_equal(take(rig, &ticket), LEDGER_WAITS);
    answer(rig, FLEET_TUNNELS, FLEET_FULL);
    assert_int_equal(take(rig, &ticket), LEDGER_REFUSED);
    assert_int_equal(rig->refusal.reason, REASON_LIMIT_TUNNELS);
    assert_null(ticket.account);
}

static void an_unanswered_question_is_no_full_limit(void **state)
{
    struct rig *rig = *state;
    struct ledger_ticket ticket = {0};
    assert_int_equal(take(rig, &ticket), LEDGER_WAITS);
    answer(rig, FLEET_TUNNELS, FLEET_UNKNOWN);
    assert_int_equal(take(rig, &ticket), LEDGER_REFUSED);
    assert_int_equal(rig->refusal.reason, REASON_STORE_LOST);
    assert_string_equal(rig->refusal.detail, "the store cannot say now");
    assert_int_equal(rig->refusal.retry_after_s, 1);
}

static void one_to_whom_others_came_first_waits_for_the_next_question(void **state)
{
    struct rig *rig = *state;
    struct ledger_ticket first = {0}, second = {0};
    assert_int_equal(take(rig, &first), LEDGER_WAITS);
    assert_int_equal(take(rig, &second), LEDGER_WAITS);
    answer(rig, FLEET_TUNNELS, FLEET_GRANTED);
    rig->account->fleet.spare += 1;
    const unsigned asked = rig->asked;
    assert_int_equal(take(rig, &first), LEDGER_TAKEN);
    assert_int_equal(take(rig, &second), LEDGER_WAITS);
    assert_true(rig->asked > asked);
    answer(rig, FLEET_TUNNELS, FLEET_FULL);
    assert_int_equal(take(rig, &second), LEDGER_REFUSED);
    ledger_give_tunnel(rig->ledger, rig->account, 1000);
}

static void what_the_process_refuses_gives_the_place_back(void **state)
{
    struct rig *rig = *state;
    struct ledger_ticket ticket = {0};
    const struct proxy_limits limits = {.tunnels = 1};
    ledger_configure(rig->ledger, &limits, 1000);
    rig->account->fleet.spare = 2;
    assert_int_equal(take(rig, &ticket), LEDGER_TAKEN);
    assert_int_equal(take(rig, &ticket), LEDGER_REFUSED);
    assert_int_equal(rig->refusal.reason, REASON_LIMIT_PROXY_TUNNELS);
    assert_int_equal(rig->account->fleet.spare, 1);
    ledger_give_tunnel(rig->ledger, rig->account, 1000);
}

static void without_a_store_there_is_a_share_or_nothing(void **state)
{
    struct rig *rig = *state;
    struct ledger_ticket ticket = {0};
    ledger_set_fleet(rig->ledger, LEDGER_FLEET_REFUSES, 4);
    assert_int_equal(take(rig, &ticket), LEDGER_REFUSED);
    assert_int_equal(rig->refusal.reason, REASON_STORE_LOST);
    assert_string_equal(rig->refusal.detail, "the store is lost");
    ledger_set_fleet(rig->ledger, LEDGER_FLEET_SHARES, 4);
    for (int i = 0; i < 3; i++) // a quarter of ten, rounded up
        assert_int_equal(take(rig, &ticket), LEDGER_TAKEN);
    assert_int_equal(take(rig, &ticket), LEDGER_REFUSED);
    assert_int_equal(rig->refusal.reason, REASON_LIMIT_TUNNELS);
    // main learns from it how many are open, also of places that it has never granted.
    assert_int_equal(fleet_account_open(&rig->account->fleet, 0), 3);
    for (int i = 0; i < 3; i++)
        ledger_give_tunnel(rig->ledger, rig->account, 1000);
}

static void
where_the_store_answers_with_an_error_the_loss_counts_for_that_account_alone(void **state)
{
    struct rig *rig = *state;
    struct ledger_ticket ticket = {0};
    assert_int_equal(take(rig, &ticket), LEDGER_WAITS);
    rig->account->fleet.is_unheard[FLEET_TUNNELS] = true;
    answer(rig, FLEET_TUNNELS, FLEET_UNKNOWN);
    assert_int_equal(take(rig, &ticket), LEDGER_REFUSED);
    assert_int_equal(rig->refusal.reason, REASON_STORE_LOST);
    ledger_set_fleet_loss(rig->ledger, LEDGER_FLEET_REFUSES);
    assert_int_equal(take(rig, &ticket), LEDGER_REFUSED);
    assert_string_equal(rig->refusal.detail, "the store cannot say now");
    ledger_set_fleet_loss(rig->ledger, LEDGER_FLEET_SHARES);
    for (int i = 0; i < 3; i++) // a quarter of ten, rounded up
        assert_int_equal(take(rig, &ticket), LEDGER_TAKEN);
    assert_int_equal(take(rig, &ticket), LEDGER_REFUSED);
    assert_int_equal(rig->refusal.reason, REASON_LIMIT_TUNNELS);
    rig->account->fleet.is_unheard[FLEET_TUNNELS] = false;
    assert_int_equal(take(rig, &ticket), LEDGER_WAITS); // it asks again
    ledger_end_wait(rig->ledger, &ticket, 1000);
    ledger_take_listed(rig->ledger, drop, rig->ledger);
    for (int i = 0; i < 3; i++)
        ledger_give_tunnel(rig->ledger, rig->account, 1000);
}

static void who_waits_tries_again_only_where_its_own_account_was_answered(void **state)
{
    struct rig *rig = *state;
    struct ledger_ticket ticket = {0};
    assert_true(ledger_is_answered(rig->ledger, &ticket)); // it waits for nothing
    assert_int_equal(take(rig, &ticket), LEDGER_WAITS);
    assert_false(ledger_is_answered(rig->ledger, &ticket));
    answer(rig, FLEET_REQUESTS, FLEET_GRANTED);
    assert_false(ledger_is_answered(rig->ledger, &ticket));
    answer(rig, FLEET_TUNNELS, FLEET_GRANTED);
    assert_true(ledger_is_answered(rig->ledger, &ticket));
    assert_int_equal(take(rig, &ticket), LEDGER_WAITS); // others were quicker
    assert_false(ledger_is_answered(rig->ledger, &ticket));
    rig->account->fleet.is_unheard[FLEET_TUNNELS] = true;
    assert_true(ledger_is_answered(rig->ledger, &ticket));
    rig->account->fleet.is_unheard[FLEET_TUNNELS] = false;
    ledger_set_fleet(rig->ledger, LEDGER_FLEET_SHARES, 4);
    assert_true(ledger_is_answered(rig->ledger, &ticket));
    ledger_end_wait(rig->ledger, &ticket, 1000);
    ledger_take_listed(rig->ledger, drop, rig->ledger);
}

static void a_lower_limit_holds_whatever_was_granted_before(void **state)
{
    struct rig *rig = *state;
    struct ledger_ticket ticket = {0};
    struct client_limits lower = fleet_limits;
    struct limit_refusal refusal;
    rig->account->fleet.spare = 5;
    lower.tunnels = 2;
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            ledger_take_tunnel_of_fleet(rig->ledger, rig->account, &lower, 1000, &ticket, &refusal),
            LEDGER_TAKEN);
    assert_int_equal(
        ledger_take_tunnel_of_fleet(rig->ledger, rig->account, &lower, 1000, &ticket, &refusal),
        LEDGER_REFUSED);
    assert_int_equal(refusal.reason, REASON_LIMIT_TUNNELS);
    for (int i = 0; i < 2; i++)
        ledger_give_tunnel(rig->ledger, rig->account, 1000);
}

static void what_main_keeps_is_found_by_name(void **state)
{
    struct rig *rig = *state;
    int kept = 0;
    char long_name[300] = {0};
    assert_null(ledger_find_keeper(rig->ledger, slice_of_string(rig->account->name)));
    rig->account->fleet.keeper = &kept;
    assert_ptr_equal(ledger_find_keeper(rig->ledger, slice_of_string(rig->account->name)), &kept);
    assert_null(ledger_find_keeper(rig->ledger, SLICE_LITERAL("nobody")));
    assert_null(ledger_find_keeper(rig->ledger, SLICE_LITERAL("")));
    memset(long_name, 'a', sizeof long_name);
    assert_null(ledger_find_keeper(rig->ledger, slice_of(long_name, sizeof long_name)));
    rig->account->fleet.keeper = NULL;
}

static void what_was_granted_is_good_until_its_end_only(void **state)
{
    struct rig *rig = *state;
    struct ledger_ticket ticket = {0};
    rig->account->fleet.spare = 2;
    ledger_set_fleet_end(rig->ledger, 1001);
    ledger_set_fleet(rig->ledger, LEDGER_FLEET_REFUSES,
                     4); // the store is away, the grant is not over
    assert_int_equal(take(rig, &ticket), LEDGER_TAKEN);
    ledger_set_fleet_end(rig->ledger, 1000);
    assert_int_equal(take(rig, &ticket), LEDGER_REFUSED);
    assert_int_equal(rig->refusal.reason, REASON_STORE_LOST);
    ledger_set_fleet(rig->ledger, LEDGER_FLEET_ASKS, 4); // main has not looked yet
    assert_int_equal(take(rig, &ticket), LEDGER_WAITS);
    ledger_end_wait(rig->ledger, &ticket, 1000);
    assert_int_equal(rig->account->fleet.spare, 1);
    ledger_give_tunnel(rig->ledger, rig->account, 1000);
}

static void
the_place_of_a_tunnel_that_has_ended_is_not_filled_where_nothing_new_is_to_be(void **state)
{
    struct rig *rig = *state;
    struct ledger_ticket ticket = {0};
    rig->account->fleet.spare = 1;
    assert_int_equal(take(rig, &ticket), LEDGER_TAKEN);
    ledger_set_fleet_end(rig->ledger, 0); // main has taken back what was spare
    ledger_give_tunnel(rig->ledger, rig->account, 1000);
    ledger_set_fleet(rig->ledger, LEDGER_FLEET_REFUSES, 4);
    assert_int_equal(take(rig, &ticket), LEDGER_REFUSED);
    assert_int_equal(rig->refusal.reason, REASON_STORE_LOST);
    ledger_set_fleet(rig->ledger, LEDGER_FLEET_SHARES, 4);
    assert_int_equal(take(rig, &ticket), LEDGER_TAKEN);
    ledger_give_tunnel(rig->ledger, rig->account, 1000);
}

static void tunnels_of_the_other_process_count_in_a_share_only(void **state)
{
    struct rig *rig = *state;
    struct ledger_ticket ticket = {0};
    assert_true(ledger_set_foreign(rig->ledger, 0, "alice", 9, 1000));
    rig->account->fleet.spare = 1;
    assert_int_equal(take(rig, &ticket), LEDGER_TAKEN); // the other process has a lease of its own
    ledger_set_fleet(rig->ledger, LEDGER_FLEET_SHARES, 4);
    assert_int_equal(take(rig, &ticket), LEDGER_REFUSED);
    ledger_give_tunnel(rig->ledger, rig->account, 1000);
    ledger_forget_foreign(rig->ledger, 0, 1000);
}

static void tokens_end_run_out_and_say_when_there_are_more(void **state)
{
    struct rig *rig = *state;
    struct ledger_ticket ticket = {0};
    fleet_account_add_tokens(&rig->account->fleet, FLEET_NEW_TUNNELS, 1, 2000, 1000);
    fleet_account_add_tokens(&rig->account->fleet, FLEET_NEW_TUNNELS, 2, 1500, 1000);
    assert_int_equal(fleet_account_tokens(&rig->account->fleet, FLEET_NEW_TUNNELS, 1000), 3);
    assert_int_equal(fleet_account_tokens(&rig->account->fleet, FLEET_NEW_TUNNELS, 1500), 1);
    assert_int_equal(ledger_begin_tunnel_of_fleet(rig->ledger, rig->account, &fleet_limits, 1500,
                                                  &ticket, &rig->refusal),
                     LEDGER_TAKEN);
    assert_int_equal(ledger_begin_tunnel_of_fleet(rig->ledger, rig->account, &fleet_limits, 1500,
                                                  &ticket, &rig->refusal),
                     LEDGER_WAITS);
    answer(rig, FLEET_NEW_TUNNELS, FLEET_FULL);
    assert_int_equal(ledger_begin_tunnel_of_fleet(rig->ledger, rig->account, &fleet_limits, 1500,
                                                  &ticket, &rig->refusal),
                     LEDGER_REFUSED);
    assert_int_equal(rig->refusal.reason, REASON_LIMIT_NEW_TUNNELS);
    assert_int_equal(rig->refusal.retry_after_s, 2);
}

static void a_rate_of_requests_holds_in_either_scope(void **state)
{
    struct rig *rig = *state;
    struct ledger_ticket ticket = {0};
    struct client_limits here = fleet_limits;
    here.scope = LIMIT_MACHINE;
    for (int i = 0; i < 8; i++)
        assert_int_equal(
            ledger_take_request(rig->ledger, rig->account, &here, 1000, &ticket, &rig->refusal),
            i < 7 ? LEDGER_TAKEN : LEDGER_REFUSED);
    assert_int_equal(rig->refusal.reason, REASON_LIMIT_REQUESTS);
    assert_int_equal(
        ledger_take_request(rig->ledger, rig->account, &fleet_limits, 1000, &ticket, &rig->refusal),
        LEDGER_WAITS);
    // It waits for something else now.
    assert_int_equal(take(rig, &ticket), LEDGER_WAITS);
    assert_int_equal(rig->account->fleet.queues[FLEET_REQUESTS].waiting, 0);
    ledger_end_wait(rig->ledger, &ticket, 1000);
}

static void what_was_open_before_the_fleet_counted_is_listed(void **state)
{
    struct rig *rig = *state;
    const struct client_limits here = {.tunnels = 5};
    assert_true(ledger_take_tunnel(rig->ledger, rig->account, &here, &rig->refusal));
    ledger_take_listed(rig->ledger, drop, rig->ledger);
    const unsigned asked = rig->asked;
    ledger_list_fleet(rig->ledger);
    assert_int_equal(rig->asked, asked + 1);
    assert_int_equal(rig->account->fleet.spare, -1);
    ledger_give_tunnel(rig->ledger, rig->account, 1000);
}

static void a_configuration_without_the_fleet_has_main_look_once_more(void **state)
{
    struct rig *rig = *state;
    const struct client_limits here = {.tunnels = 5};
    struct account_request request = {
        .name = "alice", .limits = &here, .generation = 2, .now_ms = 1000};
    struct account *account = NULL;
    int held = 0;
    ledger_take_listed(rig->ledger, drop, rig->ledger);
    rig->account->fleet.keeper = &held;
    const unsigned asked = rig->asked;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ledger_open_account(rig->ledger, &request, &account), ERR_OK);
        ledger_close_account(rig->ledger, account, 1000);
    }
    assert_int_equal(rig->asked, asked + 1);
    assert_int_equal(ledger_read_limits(rig->ledger, rig->account).scope, LIMIT_MACHINE);
    rig->account->fleet.keeper = NULL;
}

enum { THREADS = 4, TURNS = 20000, PLACES = 17 };

struct crowd {
    struct rig *rig;
    _Atomic int open;
    _Atomic bool has_failed;
};

static void *compete(void *arg)
{
    struct crowd *crowd = arg;
    struct rig *rig = crowd->rig;
    struct ledger_ticket ticket = {0};
    struct limit_refusal refusal;
    for (int turn = 0; turn < TURNS; turn++) {
        if (ledger_take_tunnel_of_fleet(rig->ledger, rig->account, &fleet_limits, 1000, &ticket,
                                        &refusal) != LEDGER_TAKEN)
            continue;
        if (atomic_fetch_add(&crowd->open, 1) >= PLACES)
            crowd->has_failed = true;
        crowd->open--;
        ledger_give_tunnel(rig->ledger, rig->account, 1000);
    }
    ledger_end_wait(rig->ledger, &ticket, 1000);
    return NULL;
}

static void threads_never_have_more_than_was_granted_while_main_takes_and_gives(void **state)
{
    struct rig *rig = *state;
    struct crowd crowd = {.rig = rig};
    pthread_t threads[THREADS];
    rig->account->fleet.spare = PLACES;
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, compete, &crowd), 0);
    for (int turn = 0; turn < TURNS; turn++) {
        const uint32_t taken = fleet_account_withdraw(&rig->account->fleet, 5);
        ledger_take_listed(rig->ledger, drop, rig->ledger);
        rig->account->fleet.spare += (int32_t)taken;
    }
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_false(crowd.has_failed);
    assert_int_equal(rig->account->fleet.spare, PLACES);
    assert_int_equal(rig->account->fleet.queues[FLEET_TUNNELS].waiting, 0);
    assert_int_equal(rig->account->tunnels, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_account_of_the_fleet_has_main_look_at_it),
        TEST(takes_what_was_granted_and_waits_then),
        TEST(a_question_that_was_sent_before_says_nothing),
        TEST(an_unanswered_question_is_no_full_limit),
        TEST(one_to_whom_others_came_first_waits_for_the_next_question),
        TEST(what_the_process_refuses_gives_the_place_back),
        TEST(without_a_store_there_is_a_share_or_nothing),
        TEST(what_was_granted_is_good_until_its_end_only),
        TEST(the_place_of_a_tunnel_that_has_ended_is_not_filled_where_nothing_new_is_to_be),
        TEST(tunnels_of_the_other_process_count_in_a_share_only),
        TEST(tokens_end_run_out_and_say_when_there_are_more),
        TEST(a_rate_of_requests_holds_in_either_scope),
        TEST(who_waits_tries_again_only_where_its_own_account_was_answered),
        TEST(a_lower_limit_holds_whatever_was_granted_before),
        TEST(what_main_keeps_is_found_by_name),
        TEST(where_the_store_answers_with_an_error_the_loss_counts_for_that_account_alone),
        TEST(what_was_open_before_the_fleet_counted_is_listed),
        TEST(a_configuration_without_the_fleet_has_main_look_once_more),
        TEST(threads_never_have_more_than_was_granted_while_main_takes_and_gives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
