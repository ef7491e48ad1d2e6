// What a request takes of its client's limits, where the client becomes another one while the request waits.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy/session/quota.h"

enum { NOW_MS = 1000 };

// Two clients of one configuration, and a request of the first.
struct rig {
    struct ledger *ledger;
    struct session_context context;
    struct client clients[2];
    struct account *accounts[2];
    struct peer peer;
    struct quota quota;
};

static void move_to(struct rig *rig, size_t client)
{
    rig->peer.client = &rig->clients[client];
    rig->peer.account = rig->accounts[client];
}

static int setup(void **state)
{
    static const char *const names[] = {"first", "second"};
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    rig->ledger = ledger_create();
    assert_non_null(rig->ledger);
    rig->context.ledger = rig->ledger;
    rig->context.now_ms = NOW_MS;
    rig->peer.context = &rig->context;
    for (size_t i = 0; i < 2; i++) {
        rig->clients[i].limits = (struct client_limits){.tunnels = 1, .new_tunnels = 1, .burst = 1};
        const struct account_request request = {
            .name = names[i], .limits = &rig->clients[i].limits, .generation = 1, .now_ms = NOW_MS};
        assert_int_equal(ledger_open_account(rig->ledger, &request, &rig->accounts[i]), ERR_OK);
    }
    move_to(rig, 0);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;
    quota_give(&rig->quota, &rig->context);
    for (size_t i = 0; i < 2; i++)
        ledger_close_account(rig->ledger, rig->accounts[i], NOW_MS);
    ledger_destroy(rig->ledger);
    free(rig);
    return 0;
}

static void take_and_begin(struct rig *rig)
{
    assert_int_equal(quota_take(&rig->quota, &rig->peer).kind, VERDICT_GO);
    assert_int_equal(quota_begin(&rig->quota, &rig->peer).kind, VERDICT_GO);
}

static void a_request_that_is_tried_again_is_one_new_tunnel(void **state)
{
    struct rig *rig = *state;
    take_and_begin(rig);
    take_and_begin(rig);
    assert_int_equal(rig->accounts[0]->tunnels, 1);
}

static void an_open_tunnel_whose_client_became_another_counts_for_that_one(void **state)
{
    struct rig *rig = *state;
    struct limit_refusal refusal = {0};
    quota_move(&rig->quota, &rig->peer); // nothing is taken
    take_and_begin(rig);
    quota_move(&rig->quota, &rig->peer); // it is still the same
    assert_int_equal(rig->accounts[0]->tunnels, 1);
    move_to(rig, 1);
    quota_move(&rig->quota, &rig->peer);
    assert_int_equal(rig->accounts[0]->tunnels, 0);
    assert_int_equal(rig->accounts[1]->tunnels, 1);
    assert_false(
        ledger_take_tunnel(rig->ledger, rig->accounts[1], &rig->clients[1].limits, &refusal));
    assert_ptr_equal(rig->quota.account, rig->accounts[1]);
}

static void a_request_whose_client_became_another_uses_that_ones_rate(void **state)
{
    struct rig *rig = *state;
    take_and_begin(rig);
    move_to(rig, 1);
    take_and_begin(rig);
    assert_int_equal(rig->accounts[0]->tunnels, 0);
    assert_int_equal(rig->accounts[1]->tunnels, 1);

    struct quota next = {0};
    quota_give(&rig->quota, &rig->context);
    assert_int_equal(quota_take(&next, &rig->peer).kind, VERDICT_GO);
    const struct verdict verdict = quota_begin(&next, &rig->peer);
    quota_give(&next, &rig->context);
    assert_int_equal(verdict.reason, REASON_LIMIT_NEW_TUNNELS);
}

static void a_request_is_refused_where_its_new_client_has_no_room(void **state)
{
    struct rig *rig = *state;
    struct quota other = {0};
    take_and_begin(rig);
    move_to(rig, 1);
    assert_int_equal(quota_take(&other, &rig->peer).kind, VERDICT_GO);
    assert_int_equal(quota_take(&rig->quota, &rig->peer).reason, REASON_LIMIT_TUNNELS);
    assert_null(rig->quota.account);
    assert_int_equal(rig->accounts[0]->tunnels, 0);
    quota_give(&other, &rig->context);
}

int main(void)
{
#define QUOTA_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        QUOTA_TEST(a_request_that_is_tried_again_is_one_new_tunnel),
        QUOTA_TEST(an_open_tunnel_whose_client_became_another_counts_for_that_one),
        QUOTA_TEST(a_request_whose_client_became_another_uses_that_ones_rate),
        QUOTA_TEST(a_request_is_refused_where_its_new_client_has_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
