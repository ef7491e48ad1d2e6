// The ledger: N means N, what is refused takes nothing, and names outlive neither too short nor too long.
#include "proxy/limits/ledger.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/proxy/random.h"

static const struct client_limits unlimited = {0};

static int set_up(void **state)
{
    *state = ledger_create();
    return *state == NULL;
}

static int tear_down(void **state)
{
    ledger_destroy(*state);
    return 0;
}

// open_at opens the account of a client that has one.
static struct account *open_at(struct ledger *ledger, const char *name,
                               const struct client_limits *limits, uint64_t generation,
                               int64_t now_ms)
{
    const struct account_request request = {
        .name = name, .limits = limits, .generation = generation, .now_ms = now_ms};
    struct account *account = NULL;
    assert_int_equal(ledger_open_account(ledger, &request, &account), ERR_OK);
    assert_non_null(account);
    return account;
}

static struct account *open_account(struct ledger *ledger, const char *name)
{
    return open_at(ledger, name, &unlimited, 1, 1000);
}

// open_member opens one of the accounts of the client `owner`, which may have `max`; NULL: it is full.
static struct account *open_member(struct ledger *ledger, const char *name, const char *owner,
                                   uint32_t max, uint64_t generation, int64_t now_ms)
{
    const struct account_request request = {.name = name,
                                            .owner = owner,
                                            .members_max = max,
                                            .limits = &unlimited,
                                            .generation = generation,
                                            .now_ms = now_ms};
    struct account *account = NULL;
    const enum err error = ledger_open_account(ledger, &request, &account);
    assert_int_equal(error, account == NULL ? ERR_LIMIT : ERR_OK);
    return account;
}

// take_new takes a tunnel that is to dial at once.
static bool take_new(struct ledger *ledger, struct account *account,
                     const struct client_limits *limits, int64_t now_ms, struct limit_refusal *out)
{
    if (!ledger_take_tunnel(ledger, account, limits, out))
        return false;
    if (ledger_begin_tunnel(account, limits, now_ms, out))
        return true;
    ledger_give_tunnel(ledger, account, now_ms);
    return false;
}

static void assert_refused(struct ledger *ledger, struct account *account,
                           const struct client_limits *limits, int64_t now_ms, enum reason reason,
                           uint32_t retry_after_s)
{
    struct limit_refusal refusal = {0};
    assert_false(take_new(ledger, account, limits, now_ms, &refusal));
    assert_string_equal(reason_name(refusal.reason), reason_name(reason));
    assert_int_equal(refusal.retry_after_s, retry_after_s);
}

static void take(struct ledger *ledger, struct account *account, const struct client_limits *limits,
                 int64_t now_ms)
{
    struct limit_refusal refusal = {0};
    assert_true(take_new(ledger, account, limits, now_ms, &refusal));
}

static void a_limit_of_three_admits_three_and_then_one_for_each_that_ends(void **state)
{
    struct ledger *ledger = *state;
    const struct client_limits limits = {.tunnels = 3};
    struct account *account = open_account(ledger, "a");
    for (int i = 0; i < 3; i++)
        take(ledger, account, &limits, 1000);
    assert_refused(ledger, account, &limits, 1000, REASON_LIMIT_TUNNELS, 1);
    assert_int_equal(account->tunnels, 3);
    ledger_give_tunnel(ledger, account, 1000);
    take(ledger, account, &limits, 1000);
    assert_refused(ledger, account, &limits, 1000, REASON_LIMIT_TUNNELS, 1);
    for (int i = 0; i < 3; i++)
        ledger_give_tunnel(ledger, account, 1000);
    assert_int_equal(account->tunnels, 0);
    ledger_close_account(ledger, account, 1000);
}

static void a_tunnel_that_moves_counts_for_the_other_account_alone(void **state)
{
    struct ledger *ledger = *state;
    const struct client_limits limits = {.tunnels = 2};
    struct account *from = open_account(ledger, "a");
    struct account *to = open_account(ledger, "b");
    for (int i = 0; i < 2; i++)
        take(ledger, from, &limits, 1000);
    take(ledger, to, &limits, 1000);
    ledger_move_tunnel(ledger, from, to, &limits, 1000);
    assert_refused(ledger, to, &limits, 1000, REASON_LIMIT_TUNNELS, 1);
    ledger_move_tunnel(ledger, from, to, &limits, 1000); // beyond the limit: it is open
    assert_int_equal(from->tunnels, 0);
    assert_int_equal(to->tunnels, 3);
    assert_int_equal(ledger_read(ledger).tunnels, 3);
    ledger_close_account(ledger, from, 1000);
    assert_int_equal(ledger_read(ledger).accounts, 1);
    ledger_give_tunnel(ledger, to, 1000);
    assert_refused(ledger, to, &limits, 1000, REASON_LIMIT_TUNNELS, 1);
    ledger_give_tunnel(ledger, to, 1000);
    take(ledger, to, &limits, 1000);
    for (int i = 0; i < 2; i++)
        ledger_give_tunnel(ledger, to, 1000);
    ledger_close_account(ledger, to, 1000);
}

static void one_name_is_one_account_and_another_name_another(void **state)
{
    struct ledger *ledger = *state;
    const struct client_limits limits = {.tunnels = 1};
    struct account *first = open_account(ledger, "a");
    struct account *again = open_account(ledger, "a");
    struct account *other = open_account(ledger, "b");
    assert_ptr_equal(first, again);
    assert_ptr_not_equal(first, other);
    take(ledger, first, &limits, 1000);
    assert_refused(ledger, again, &limits, 1000, REASON_LIMIT_TUNNELS, 1);
    take(ledger, other, &limits, 1000);
    ledger_give_tunnel(ledger, first, 1000);
    ledger_give_tunnel(ledger, other, 1000);
    ledger_close_account(ledger, first, 1000);
    ledger_close_account(ledger, again, 1000);
    ledger_close_account(ledger, other, 1000);
    assert_int_equal(ledger_read(ledger).accounts, 0);
}

static void a_tunnel_keeps_its_account_when_nobody_else_does(void **state)
{
    struct ledger *ledger = *state;
    const struct client_limits limits = {.tunnels = 1};
    struct account *account = open_account(ledger, "a");
    take(ledger, account, &limits, 1000);
    ledger_close_account(ledger, account, 1000);
    account = open_account(ledger, "a");
    assert_refused(ledger, account, &limits, 1000, REASON_LIMIT_TUNNELS, 1);
    ledger_close_account(ledger, account, 1000);
    ledger_give_tunnel(ledger, account, 1000);
    assert_int_equal(ledger_read(ledger).accounts, 0);
}

static void the_rate_of_new_tunnels_says_when_to_come_back(void **state)
{
    struct ledger *ledger = *state;
    const struct client_limits limits = {.new_tunnels = 1, .burst = 5};
    struct account *account = open_account(ledger, "a");
    for (int i = 0; i < 5; i++) {
        take(ledger, account, &limits, 1000);
        ledger_give_tunnel(ledger, account, 1000);
    }
    assert_refused(ledger, account, &limits, 1000, REASON_LIMIT_NEW_TUNNELS, 1);
    assert_refused(ledger, account, &limits, 1999, REASON_LIMIT_NEW_TUNNELS, 1);
    take(ledger, account, &limits, 2000);
    assert_refused(ledger, account, &limits, 2000, REASON_LIMIT_NEW_TUNNELS, 1);
    ledger_give_tunnel(ledger, account, 2000);
    ledger_close_account(ledger, account, 2000);
}

static void a_rate_is_remembered_while_it_counts_though_nobody_is_there(void **state)
{
    struct ledger *ledger = *state;
    const struct client_limits limits = {.new_tunnels = 1, .burst = 1};
    const struct proxy_limits none = {0};
    struct account *account = open_account(ledger, "a");
    take(ledger, account, &limits, 1000);
    ledger_give_tunnel(ledger, account, 1000);
    ledger_close_account(ledger, account, 1000);
    ledger_configure(ledger, &none, 1500);
    assert_int_equal(ledger_read(ledger).accounts, 1);
    account = open_account(ledger, "a");
    assert_refused(ledger, account, &limits, 1999, REASON_LIMIT_NEW_TUNNELS, 1);
    ledger_close_account(ledger, account, 1999);
    ledger_configure(ledger, &none, 2000);
    assert_int_equal(ledger_read(ledger).accounts, 0);
}

static void what_one_limit_refuses_takes_nothing_of_the_others(void **state)
{
    struct ledger *ledger = *state;
    const struct proxy_limits one = {.tunnels = 1};
    const struct client_limits limits = {.tunnels = 2, .new_tunnels = 1, .burst = 2};
    struct account *a = open_account(ledger, "a");
    struct account *b = open_account(ledger, "b");
    struct limit_refusal refusal;
    ledger_configure(ledger, &one, 1000);
    take(ledger, b, &unlimited, 1000);
    for (int i = 0; i < 10; i++) {
        assert_false(ledger_take_tunnel(ledger, a, &limits, &refusal));
        assert_string_equal(reason_name(refusal.reason), "limit_proxy_tunnels");
        assert_true(refusal.is_of_whole_proxy);
    }
    assert_int_equal(a->tunnels, 0);
    ledger_give_tunnel(ledger, b, 1000);
    take(ledger, a, &limits, 1000); // its rate is whole: the ten have used none of it
    ledger_give_tunnel(ledger, a, 1000);
    take(ledger, a, &limits, 1000);
    ledger_give_tunnel(ledger, a, 1000);
    assert_refused(ledger, a, &limits, 1000, REASON_LIMIT_NEW_TUNNELS, 1);
    assert_int_equal(ledger_read(ledger).tunnels, 0);
    ledger_close_account(ledger, a, 1000);
    ledger_close_account(ledger, b, 1000);
}

static void sessions_are_counted_over_the_whole_process(void **state)
{
    struct ledger *ledger = *state;
    const struct proxy_limits two = {.sessions = 2};
    ledger_configure(ledger, &two, 0);
    assert_int_equal(ledger_take_session(ledger), REASON_NONE);
    assert_int_equal(ledger_take_session(ledger), REASON_NONE);
    assert_int_equal(ledger_take_session(ledger), REASON_LIMIT_SESSIONS);
    ledger_give_session(ledger);
    assert_int_equal(ledger_take_session(ledger), REASON_NONE);
    assert_int_equal(ledger_read(ledger).sessions, 2);
    ledger_give_session(ledger);
    ledger_give_session(ledger);
}

static void tunnels_of_other_processes_count_against_both_limits(void **state)
{
    struct ledger *ledger = *state;
    const struct client_limits three = {.tunnels = 3};
    const struct proxy_limits four = {.tunnels = 4};
    ledger_configure(ledger, &four, 0);
    assert_true(ledger_set_foreign(ledger, 0, "a", 1, 1000));
    assert_true(ledger_set_foreign(ledger, 3, "a", 1, 1000));
    struct account *account = open_account(ledger, "a");
    struct account *other = open_account(ledger, "b");
    take(ledger, account, &three, 1000);
    assert_int_equal(account_open_tunnels(account), 3);
    assert_refused(ledger, account, &three, 1000, REASON_LIMIT_TUNNELS, 1);
    take(ledger, other, &three, 1000);
    assert_refused(ledger, other, &three, 1000, REASON_LIMIT_PROXY_TUNNELS, 1);
    ledger_set_foreign_totals(ledger, 5, 1000);
    (void)ledger_note_memory(ledger, 24);
    assert_int_equal(ledger_read(ledger).tunnels, 2);
    assert_int_equal(ledger_read(ledger).sessions, 0);
    assert_int_equal(ledger_read(ledger).memory, 24);
    assert_int_equal(ledger_read_all(ledger).tunnels, 4);
    assert_int_equal(ledger_read_all(ledger).sessions, 5);
    assert_int_equal(ledger_read_all(ledger).memory, 1024);
    assert_true(ledger_set_foreign(ledger, 0, "a", 0, 1000));
    take(ledger, account, &three, 1000);
    assert_refused(ledger, account, &three, 1000, REASON_LIMIT_TUNNELS, 1);
    ledger_forget_foreign(ledger, 3, 1000);
    take(ledger, account, &three, 1000);
    for (int i = 0; i < 3; i++)
        ledger_give_tunnel(ledger, account, 1000);
    ledger_give_tunnel(ledger, other, 1000);
    ledger_close_account(ledger, account, 1000);
    ledger_close_account(ledger, other, 1000);
    assert_int_equal(ledger_read(ledger).accounts, 0);
}

static void connections_and_memory_of_other_processes_count_too(void **state)
{
    struct ledger *ledger = *state;
    const struct proxy_limits limits = {.sessions = 3, .memory = 1000};
    ledger_configure(ledger, &limits, 0);
    ledger_set_foreign_totals(ledger, 2, 0);
    assert_int_equal(ledger_take_session(ledger), REASON_NONE);
    assert_int_equal(ledger_take_session(ledger), REASON_LIMIT_SESSIONS);
    ledger_set_foreign_totals(ledger, 7, 0);
    assert_int_equal(ledger_take_session(ledger), REASON_LIMIT_SESSIONS);
    ledger_set_foreign_totals(ledger, 0, 600);
    assert_false(ledger_note_memory(ledger, 400));
    assert_false(ledger_lacks_memory(ledger));
    assert_true(ledger_note_memory(ledger, 401));
    assert_true(ledger_lacks_memory(ledger));
    ledger_set_foreign_totals(ledger, 0, 599);
    assert_false(ledger_lacks_memory(ledger));
    ledger_give_session(ledger);
}

static void an_account_that_only_others_use_goes_when_they_have_none_left(void **state)
{
    struct ledger *ledger = *state;
    assert_true(ledger_set_foreign(ledger, 1, "a", 5, 1000));
    assert_int_equal(ledger_read(ledger).accounts, 1);
    assert_true(ledger_set_foreign(ledger, 1, "a", 0, 1000));
    assert_int_equal(ledger_read(ledger).accounts, 0);
}

struct told {
    char text[64];
    size_t changes;
};

static void tell(void *arg, const char *name, uint32_t tunnels)
{
    struct told *told = arg;
    const size_t len = strlen(told->text);
    (void)snprintf(told->text + len, sizeof told->text - len, "%s %u ", name, tunnels);
}

static void note_change(void *arg)
{
    ((struct told *)arg)->changes++;
}

static void a_report_tells_what_has_changed_also_of_those_who_have_gone(void **state)
{
    struct ledger *ledger = *state;
    struct told told = {0};
    struct account *account = open_account(ledger, "a");
    ledger_watch(ledger, note_change, &told);
    take(ledger, account, &unlimited, 1000);
    ledger_report(ledger, false, tell, &told);
    assert_string_equal(told.text, "a 1 ");
    told.text[0] = '\0';
    ledger_report(ledger, false, tell, &told);
    assert_string_equal(told.text, "");
    ledger_report(ledger, true, tell, &told);
    assert_string_equal(told.text, "a 1 ");
    told.text[0] = '\0';
    ledger_give_tunnel(ledger, account, 1000);
    ledger_close_account(ledger, account, 1000);
    assert_int_equal(told.changes, 2);
    assert_int_equal(ledger_read(ledger).accounts, 1); // until it was told
    ledger_report(ledger, false, tell, &told);
    assert_string_equal(told.text, "a 0 ");
    ledger_watch(ledger, NULL, NULL);
    const struct proxy_limits none = {0};
    ledger_configure(ledger, &none, 1000);
    assert_int_equal(ledger_read(ledger).accounts, 0);
}

static void a_client_that_has_more_sessions_than_are_free_gets_no_more(void **state)
{
    struct ledger *ledger = *state;
    const struct proxy_limits ten = {.sessions = 10};
    struct account *a = open_account(ledger, "a");
    struct account *b = open_account(ledger, "b");
    ledger_configure(ledger, &ten, 0);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(ledger_take_session(ledger), REASON_NONE);
        a->sessions++;
        assert_true(ledger_is_fair(ledger, a));
    }
    assert_int_equal(ledger_take_session(ledger), REASON_NONE);
    a->sessions++;
    assert_false(ledger_is_fair(ledger, a));
    count_down(&a->sessions);
    ledger_give_session(ledger);
    for (int i = 0; i < 4; i++)
        assert_int_equal(ledger_take_session(ledger), REASON_NONE); // of nobody yet
    assert_int_equal(ledger_take_session(ledger), REASON_NONE);
    b->sessions++; // the last one, of a client that has none
    assert_true(ledger_is_fair(ledger, b));
    assert_int_equal(ledger_take_session(ledger), REASON_LIMIT_SESSIONS);
    assert_int_equal(a->sessions, 5);
    for (int i = 0; i < 10; i++)
        ledger_give_session(ledger);
    for (int i = 0; i < 5; i++)
        count_down(&a->sessions);
    count_down(&b->sessions);
    ledger_close_account(ledger, a, 0);
    ledger_close_account(ledger, b, 0);
}

static void without_a_limit_the_room_of_the_process_counts(void **state)
{
    struct ledger *ledger = *state;
    struct account *a = open_account(ledger, "a");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ledger_take_session(ledger), REASON_NONE);
        a->sessions++;
    }
    assert_true(ledger_is_fair(ledger, a)); // nobody knows how much there is
    ledger_set_room(ledger, 4);
    assert_false(ledger_is_fair(ledger, a));
    ledger_set_room(ledger, 5);
    assert_true(ledger_is_fair(ledger, a));
    for (int i = 0; i < 3; i++) {
        count_down(&a->sessions);
        ledger_give_session(ledger);
    }
    ledger_close_account(ledger, a, 0);
}

static void a_record_that_waits_keeps_its_account(void **state)
{
    struct ledger *ledger = *state;
    struct account *a = open_account(ledger, "a");
    assert_int_equal(account_take_record(a), 0);
    assert_int_equal(account_take_record(a), 1);
    ledger_close_account(ledger, a, 0);
    ledger_give_record(ledger, a, 0);
    a = open_account(ledger, "a");
    assert_int_equal(account_take_record(a), 1);
    ledger_give_record(ledger, a, 0);
    ledger_give_record(ledger, a, 0);
    ledger_close_account(ledger, a, 0);
    assert_int_equal(ledger_read(ledger).accounts, 0);
}

static void a_lower_limit_lets_what_is_there_go_on_and_nothing_new_in(void **state)
{
    struct ledger *ledger = *state;
    struct client_limits limits = {.tunnels = 5};
    struct account *account = open_account(ledger, "a");
    for (int i = 0; i < 5; i++)
        take(ledger, account, &limits, 1000);
    limits.tunnels = 3;
    for (int i = 0; i < 3; i++) {
        assert_refused(ledger, account, &limits, 1000, REASON_LIMIT_TUNNELS, 1);
        ledger_give_tunnel(ledger, account, 1000);
    }
    take(ledger, account, &limits, 1000);
    for (int i = 0; i < 3; i++)
        ledger_give_tunnel(ledger, account, 1000);
    ledger_close_account(ledger, account, 1000);
}

static void above_the_limit_of_memory_nothing_new_is_let_in(void **state)
{
    struct ledger *ledger = *state;
    const struct proxy_limits limits = {.memory = 1000};
    const struct proxy_limits none = {0};
    struct account *account = open_account(ledger, "a");
    ledger_configure(ledger, &limits, 0);
    assert_false(ledger_note_memory(ledger, 1000));
    assert_int_equal(ledger_take_session(ledger), REASON_NONE);
    assert_true(ledger_note_memory(ledger, 1001));
    assert_int_equal(ledger_take_session(ledger), REASON_LIMIT_MEMORY);
    assert_refused(ledger, account, &unlimited, 0, REASON_LIMIT_MEMORY, 1);
    ledger_configure(ledger, &none, 0);
    assert_int_equal(ledger_take_session(ledger), REASON_NONE);
    ledger_give_session(ledger);
    ledger_give_session(ledger);
    ledger_close_account(ledger, account, 0);
}

static void the_youngest_configuration_sets_the_bandwidth(void **state)
{
    struct ledger *ledger = *state;
    const struct client_limits slow = {.bandwidth_up = 1000, .bandwidth_down = 2000};
    const struct client_limits fast = {.bandwidth_up = 3000};
    struct account *account = open_at(ledger, "a", &slow, 1, 0);
    assert_ptr_equal(open_at(ledger, "a", &fast, 2, 0), account);
    assert_ptr_equal(open_at(ledger, "a", &slow, 1, 0), account);
    assert_int_equal(account->up.per_second, 3000);
    assert_int_equal(account->down.per_second, 0);
    for (int i = 0; i < 3; i++)
        ledger_close_account(ledger, account, 0);
}

static void a_share_of_the_fleet_is_set_and_stays_when_the_account_is_opened_again(void **state)
{
    struct ledger *ledger = *state;
    const struct client_limits limits = {
        .bandwidth_up = 1000, .bandwidth_down = 2000, .scope = LIMIT_FLEET};
    struct account *account = open_at(ledger, "a", &limits, 1, 0);
    ledger_set_share(ledger, account, true, 300);
    ledger_set_share(ledger, account, false, 400);
    for (uint64_t generation = 1; generation < 3; generation++) {
        assert_int_equal(account->up.per_second, 300);
        assert_int_equal(account->down.per_second, 400);
        assert_ptr_equal(open_at(ledger, "a", &limits, generation, 0), account);
    }
    for (int i = 0; i < 3; i++)
        ledger_close_account(ledger, account, 0);
}

static void a_hundred_thousand_names_leave_nothing_behind(void **state)
{
    struct ledger *ledger = *state;
    char name[33];
    for (int i = 0; i < 100000; i++) {
        (void)snprintf(name, sizeof name, "client-with-a-name-%08d", i);
        struct account *account = open_account(ledger, name);
        take(ledger, account, &unlimited, i);
        ledger_give_tunnel(ledger, account, i);
        ledger_close_account(ledger, account, i);
    }
    assert_int_equal(ledger_read(ledger).accounts, 0);
}

// ---- many accounts of one client ----------------------------------------------------------------

static const char fleet[] = "agent-{uri.path[2]}";

static void
a_client_has_as_many_accounts_as_it_may_have_and_one_more_for_each_that_ends(void **state)
{
    struct ledger *ledger = *state;
    struct account *members[3];
    const char *const names[] = {"agent-0", "agent-1", "agent-2"};
    for (size_t i = 0; i < 3; i++) {
        members[i] = open_member(ledger, names[i], fleet, 3, 1, 1000);
        assert_non_null(members[i]);
    }
    assert_null(open_member(ledger, "agent-3", fleet, 3, 1, 1000));
    assert_ptr_equal(open_member(ledger, "agent-1", fleet, 3, 1, 1000), members[1]);
    ledger_close_account(ledger, members[1], 1000);
    assert_null(open_member(ledger, "agent-3", fleet, 3, 1, 1000));
    ledger_close_account(ledger, members[1], 1000);
    members[1] = open_member(ledger, "agent-3", fleet, 3, 1, 1000);
    assert_non_null(members[1]);
    for (size_t i = 0; i < 3; i++)
        ledger_close_account(ledger, members[i], 1000);
    assert_int_equal(ledger_read(ledger).accounts, 0);
}

static void members_have_limits_of_their_own(void **state)
{
    struct ledger *ledger = *state;
    const struct client_limits limits = {.tunnels = 1};
    struct account *first = open_member(ledger, "agent-0", fleet, 2, 1, 1000);
    struct account *second = open_member(ledger, "agent-1", fleet, 2, 1, 1000);
    take(ledger, first, &limits, 1000);
    assert_refused(ledger, first, &limits, 1000, REASON_LIMIT_TUNNELS, 1);
    take(ledger, second, &limits, 1000);
    ledger_give_tunnel(ledger, first, 1000);
    ledger_give_tunnel(ledger, second, 1000);
    ledger_close_account(ledger, first, 1000);
    ledger_close_account(ledger, second, 1000);
}

static void a_tunnel_keeps_the_place_of_its_account(void **state)
{
    struct ledger *ledger = *state;
    struct account *member = open_member(ledger, "agent-0", fleet, 1, 1, 1000);
    take(ledger, member, &unlimited, 1000);
    ledger_close_account(ledger, member, 1000);
    assert_null(open_member(ledger, "agent-1", fleet, 1, 1, 1000));
    ledger_give_tunnel(ledger, member, 1000);
    member = open_member(ledger, "agent-1", fleet, 1, 1, 1000);
    assert_non_null(member);
    ledger_close_account(ledger, member, 1000);
}

static void a_rate_that_is_not_paid_off_keeps_its_place_until_it_is(void **state)
{
    struct ledger *ledger = *state;
    const struct client_limits limits = {.new_tunnels = 1, .burst = 3};
    struct account *member = open_member(ledger, "agent-0", fleet, 1, 1, 1000);
    for (int i = 0; i < 3; i++) {
        take(ledger, member, &limits, 1000);
        ledger_give_tunnel(ledger, member, 1000);
    }
    ledger_close_account(ledger, member, 1000);
    for (int64_t now_ms = 1000; now_ms < 4000; now_ms += 500)
        assert_null(open_member(ledger, "agent-1", fleet, 1, 1, now_ms));
    member = open_member(ledger, "agent-1", fleet, 1, 1, 4500);
    assert_non_null(member);
    ledger_close_account(ledger, member, 4500);
    assert_int_equal(ledger_read(ledger).accounts, 0);
}

static void clients_do_not_take_each_others_places(void **state)
{
    struct ledger *ledger = *state;
    struct account *one = open_member(ledger, "agent-0", fleet, 1, 1, 1000);
    struct account *other = open_member(ledger, "bot-0", "bot-{cn}", 1, 1, 1000);
    assert_non_null(other);
    assert_null(open_member(ledger, "bot-1", "bot-{cn}", 1, 1, 1000));
    assert_null(open_member(ledger, "agent-1", fleet, 1, 1, 1000));
    ledger_close_account(ledger, one, 1000);
    ledger_close_account(ledger, other, 1000);
}

// Those that have no account of their own are counted in their client's own one.
static void the_own_account_of_a_client_takes_no_place(void **state)
{
    struct ledger *ledger = *state;
    struct account *own = open_account(ledger, fleet);
    struct account *member = open_member(ledger, "agent-0", fleet, 1, 1, 1000);
    assert_non_null(member);
    assert_null(open_member(ledger, "agent-1", fleet, 1, 1, 1000));
    ledger_close_account(ledger, own, 1000);
    assert_null(open_member(ledger, "agent-1", fleet, 1, 1, 1000));
    ledger_close_account(ledger, member, 1000);
    assert_int_equal(ledger_read(ledger).accounts, 0);
}

static void a_lower_number_lets_those_stay_that_are_there(void **state)
{
    struct ledger *ledger = *state;
    struct account *members[] = {open_member(ledger, "agent-0", fleet, 3, 1, 1000),
                                 open_member(ledger, "agent-1", fleet, 3, 1, 1000)};
    struct account *again = open_member(ledger, "agent-0", fleet, 1, 2, 1000);
    assert_ptr_equal(again, members[0]);
    assert_null(open_member(ledger, "agent-2", fleet, 1, 2, 1000));
    // A worker that has not seen the new number yet.
    assert_null(open_member(ledger, "agent-2", fleet, 3, 1, 1000));
    ledger_close_account(ledger, again, 1000);
    ledger_close_account(ledger, members[0], 1000);
    assert_null(open_member(ledger, "agent-2", fleet, 1, 2, 1000));
    ledger_close_account(ledger, members[1], 1000);
    members[0] = open_member(ledger, "agent-2", fleet, 1, 2, 1000);
    assert_non_null(members[0]);
    ledger_close_account(ledger, members[0], 1000);
}

static void a_name_that_another_client_gives_now_moves_there_with_all_that_it_uses(void **state)
{
    struct ledger *ledger = *state;
    const struct client_limits limits = {.tunnels = 1};
    struct account *before = open_member(ledger, "agent-0", fleet, 1, 1, 1000);
    take(ledger, before, &limits, 1000);
    struct account *after = open_member(ledger, "agent-0", "{cn}", 1, 2, 1000);
    assert_ptr_equal(after, before);
    assert_refused(ledger, after, &limits, 1000, REASON_LIMIT_TUNNELS, 1);
    assert_null(open_member(ledger, "agent-1", "{cn}", 1, 2, 1000));
    // A worker that is late finds it where the younger configuration has put it.
    assert_ptr_equal(open_member(ledger, "agent-0", fleet, 1, 1, 1000), before);
    struct account *other = open_member(ledger, "agent-1", fleet, 1, 1, 1000);
    assert_non_null(other);
    ledger_give_tunnel(ledger, before, 1000);
    for (int i = 0; i < 3; i++)
        ledger_close_account(ledger, before, 1000);
    ledger_close_account(ledger, other, 1000);
    assert_int_equal(ledger_read(ledger).accounts, 0);
}

static void a_name_that_has_become_a_plain_client_takes_no_place(void **state)
{
    struct ledger *ledger = *state;
    struct account *member = open_member(ledger, "agent-0", fleet, 1, 1, 1000);
    struct account *plain = open_at(ledger, "agent-0", &unlimited, 2, 1000);
    assert_ptr_equal(plain, member);
    struct account *other = open_member(ledger, "agent-1", fleet, 1, 2, 1000);
    assert_non_null(other);
    ledger_close_account(ledger, member, 1000);
    ledger_close_account(ledger, plain, 1000);
    ledger_close_account(ledger, other, 1000);
    assert_int_equal(ledger_read(ledger).accounts, 0);
}

static void ten_thousand_members_leave_nothing_behind(void **state)
{
    struct ledger *ledger = *state;
    char name[33];
    static struct account *members[10000];
    for (int i = 0; i < 10000; i++) {
        (void)snprintf(name, sizeof name, "agent-%05d", i);
        members[i] = open_member(ledger, name, fleet, 10000, 1, 1000);
        assert_non_null(members[i]);
    }
    assert_null(open_member(ledger, "agent-x", fleet, 10000, 1, 1000));
    for (int i = 0; i < 10000; i++)
        ledger_close_account(ledger, members[i], 1000);
    assert_int_equal(ledger_read(ledger).accounts, 0);
}

struct crowd {
    struct ledger *ledger;
    pthread_barrier_t barrier;
    _Atomic size_t taken;
    _Atomic size_t refused;
    _Atomic uint64_t seed;
};

static const struct client_limits seventeen = {.tunnels = 17};

static void *rush(void *arg)
{
    struct crowd *crowd = arg;
    struct account *account = open_at(crowd->ledger, "a", &seventeen, 1, 0);
    struct limit_refusal refusal;
    (void)pthread_barrier_wait(&crowd->barrier);
    for (int i = 0; i < 100; i++) {
        if (ledger_take_tunnel(crowd->ledger, account, &seventeen, &refusal))
            crowd->taken++;
        else
            crowd->refused++;
    }
    ledger_close_account(crowd->ledger, account, 0);
    return NULL;
}

static void run_threads(struct crowd *crowd, void *(*work)(void *arg))
{
    pthread_t threads[4];
    assert_int_equal(pthread_barrier_init(&crowd->barrier, NULL, 4), 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, crowd), 0);
    for (size_t i = 0; i < 4; i++)
        (void)pthread_join(threads[i], NULL);
    (void)pthread_barrier_destroy(&crowd->barrier);
}

static void threads_together_get_exactly_as_many_as_the_limit_says(void **state)
{
    struct crowd crowd = {.ledger = *state};
    run_threads(&crowd, rush);
    assert_int_equal(crowd.taken, 17);
    assert_int_equal(crowd.refused, 400 - 17);
    struct account *account = open_account(crowd.ledger, "a");
    assert_int_equal(account->tunnels, 17);
    for (int i = 0; i < 17; i++)
        ledger_give_tunnel(crowd.ledger, account, 0);
    ledger_close_account(crowd.ledger, account, 0);
    assert_int_equal(ledger_read(crowd.ledger).accounts, 0);
}

// come_and_go opens, takes, gives back and closes in an order of its own.
static void *come_and_go(void *arg)
{
    struct crowd *crowd = arg;
    struct random random = {.state = 1 + crowd->seed++};
    (void)pthread_barrier_wait(&crowd->barrier);
    for (int i = 0; i < 20000; i++) {
        const char name[] = {(char)('a' + random_below(&random, 3)), '\0'};
        struct account *account = open_at(crowd->ledger, name, &seventeen, 1, i);
        struct limit_refusal refusal;
        const bool is_taken = ledger_take_tunnel(crowd->ledger, account, &seventeen, &refusal);
        crowd->taken += is_taken ? 1 : 0;
        if (random_below(&random, 2) == 0) {
            ledger_close_account(crowd->ledger, account, i);
            if (is_taken)
                ledger_give_tunnel(crowd->ledger, account, i);
        } else {
            if (is_taken)
                ledger_give_tunnel(crowd->ledger, account, i);
            ledger_close_account(crowd->ledger, account, i);
        }
    }
    return NULL;
}

static void accounts_come_and_go_under_many_threads(void **state)
{
    struct crowd crowd = {.ledger = *state};
    run_threads(&crowd, come_and_go);
    assert_int_equal(crowd.taken, 80000); // 4 threads never hold 17
    assert_int_equal(ledger_read(crowd.ledger).accounts, 0);
    assert_int_equal(ledger_read(crowd.ledger).tunnels, 0);
}

// crowd_in opens accounts of a client that may have 17, each thread others, and closes them when all have tried.
static void *crowd_in(void *arg)
{
    struct crowd *crowd = arg;
    struct account *held[100];
    const uint64_t thread = crowd->seed++;
    (void)pthread_barrier_wait(&crowd->barrier);
    for (int i = 0; i < 100; i++) {
        char name[33];
        (void)snprintf(name, sizeof name, "agent-%d-%d", (int)thread, i);
        held[i] = open_member(crowd->ledger, name, fleet, 17, 1, 1000 + i);
        crowd->taken += held[i] != NULL;
    }
    (void)pthread_barrier_wait(&crowd->barrier);
    for (int i = 0; i < 100; i++)
        ledger_close_account(crowd->ledger, held[i], 1000);
    return NULL;
}

static void threads_together_open_exactly_as_many_accounts_as_the_client_may_have(void **state)
{
    struct crowd crowd = {.ledger = *state};
    run_threads(&crowd, crowd_in);
    assert_int_equal(crowd.taken, 17);
    assert_int_equal(ledger_read(crowd.ledger).accounts, 0);
}

// come_and_go_as_members opens and closes accounts that threads share, of two clients between which names move.
static void *come_and_go_as_members(void *arg)
{
    struct crowd *crowd = arg;
    struct random random = {.state = 1 + crowd->seed++};
    (void)pthread_barrier_wait(&crowd->barrier);
    for (int i = 0; i < 20000; i++) {
        const char name[] = {(char)('a' + random_below(&random, 5)), '\0'};
        const char *owner = random_below(&random, 2) == 0 ? fleet : "{cn}";
        struct account *account =
            open_member(crowd->ledger, name, owner, 3, random_below(&random, 1000), i);
        struct limit_refusal refusal;
        if (account == NULL)
            continue;
        assert_true(ledger_take_tunnel(crowd->ledger, account, &unlimited, &refusal));
        ledger_close_account(crowd->ledger, account, i);
        ledger_give_tunnel(crowd->ledger, account, i);
    }
    return NULL;
}

static void members_come_and_go_under_many_threads(void **state)
{
    struct crowd crowd = {.ledger = *state};
    run_threads(&crowd, come_and_go_as_members);
    assert_int_equal(ledger_read(crowd.ledger).accounts, 0);
    assert_int_equal(ledger_read(crowd.ledger).tunnels, 0);
}

#define LEDGER_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LEDGER_TEST(a_limit_of_three_admits_three_and_then_one_for_each_that_ends),
        LEDGER_TEST(a_tunnel_that_moves_counts_for_the_other_account_alone),
        LEDGER_TEST(one_name_is_one_account_and_another_name_another),
        LEDGER_TEST(a_tunnel_keeps_its_account_when_nobody_else_does),
        LEDGER_TEST(the_rate_of_new_tunnels_says_when_to_come_back),
        LEDGER_TEST(a_rate_is_remembered_while_it_counts_though_nobody_is_there),
        LEDGER_TEST(what_one_limit_refuses_takes_nothing_of_the_others),
        LEDGER_TEST(sessions_are_counted_over_the_whole_process),
        LEDGER_TEST(tunnels_of_other_processes_count_against_both_limits),
        LEDGER_TEST(connections_and_memory_of_other_processes_count_too),
        LEDGER_TEST(an_account_that_only_others_use_goes_when_they_have_none_left),
        LEDGER_TEST(a_report_tells_what_has_changed_also_of_those_who_have_gone),
        LEDGER_TEST(a_client_that_has_more_sessions_than_are_free_gets_no_more),
        LEDGER_TEST(without_a_limit_the_room_of_the_process_counts),
        LEDGER_TEST(a_record_that_waits_keeps_its_account),
        LEDGER_TEST(a_lower_limit_lets_what_is_there_go_on_and_nothing_new_in),
        LEDGER_TEST(above_the_limit_of_memory_nothing_new_is_let_in),
        LEDGER_TEST(the_youngest_configuration_sets_the_bandwidth),
        LEDGER_TEST(a_share_of_the_fleet_is_set_and_stays_when_the_account_is_opened_again),
        LEDGER_TEST(a_hundred_thousand_names_leave_nothing_behind),
        LEDGER_TEST(threads_together_get_exactly_as_many_as_the_limit_says),
        LEDGER_TEST(accounts_come_and_go_under_many_threads),
        LEDGER_TEST(a_client_has_as_many_accounts_as_it_may_have_and_one_more_for_each_that_ends),
        LEDGER_TEST(members_have_limits_of_their_own),
        LEDGER_TEST(a_tunnel_keeps_the_place_of_its_account),
        LEDGER_TEST(a_rate_that_is_not_paid_off_keeps_its_place_until_it_is),
        LEDGER_TEST(clients_do_not_take_each_others_places),
        LEDGER_TEST(the_own_account_of_a_client_takes_no_place),
        LEDGER_TEST(a_lower_number_lets_those_stay_that_are_there),
        LEDGER_TEST(a_name_that_another_client_gives_now_moves_there_with_all_that_it_uses),
        LEDGER_TEST(a_name_that_has_become_a_plain_client_takes_no_place),
        LEDGER_TEST(ten_thousand_members_leave_nothing_behind),
        LEDGER_TEST(threads_together_open_exactly_as_many_accounts_as_the_client_may_have),
        LEDGER_TEST(members_come_and_go_under_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
