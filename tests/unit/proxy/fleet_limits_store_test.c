// fleet_limits with a store of a few lines on loopback: what is asked, and what becomes of an answer, of an error, and of a loss.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/clock/clock.h"
#include "proxy/net/dns_channel.h"
#include "proxy/service/fleet_limits.h"
#include "tests/unit/proxy/loop_rig.h"
#include "tests/unit/store/store_peer.h"

enum { PATIENCE_MS = 20000 };

#define MASTER "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"

struct rig {
    struct ev_loop *loop;
    struct resolver *resolver;
    struct buffer_pool pool;
    struct fetch_path path;
    struct store_settings settings;
    struct store_peer peer;
    struct store_link *link;
    struct ledger *ledger;
    struct fleet_limits *limits;
    struct account *account;
    struct ledger_ticket ticket;
    const char *wanted; // words that the store is to be asked
    // what the store answers with
    const char *lease;
    const char *rate;
    const char *bandwidth;
};

static const struct client_limits limits_of_fleet = {
    .tunnels = 10, .new_tunnels = 100, .burst = 100, .bandwidth_up = 1000000, .scope = LIMIT_FLEET};

static const char *behave(void *arg, const struct resp *command)
{
    const struct rig *rig = arg;
    if (store_peer_word(command, "ROLE"))
        return MASTER;
    if (store_peer_word(command, "PING"))
        return "+PONG\r\n";
    const struct slice key = command->items[3].text;
    if (slice_starts_with(key, SLICE_LITERAL("p:t:")))
        return rig->lease;
    return slice_starts_with(key, SLICE_LITERAL("p:r:")) ? rig->rate : rig->bandwidth;
}

static void on_change(void *owner)
{
    (void)owner;
}

static void on_answer(void *owner)
{
    (void)owner;
}

// wait runs the loop until it is so.
static void wait(struct rig *rig, bool (*is_so)(const struct rig *rig))
{
    const int64_t until_ms = monotonic_ms() + PATIENCE_MS;
    while (!is_so(rig)) {
        assert_true(monotonic_ms() < until_ms);
        ev_run(rig->loop, EVRUN_ONCE);
    }
}

static bool is_connected(const struct rig *rig)
{
    return store_link_facts(rig->link)->state == STORE_READY;
}

static void beat(struct rig *rig)
{
    const struct fleet_beat heard = {.was_known = true, .members = 2};
    fleet_limits_note_beat(rig->limits, &heard, monotonic_ms());
}

// connect has the store be there, and heard.
static void connect_store(struct rig *rig)
{
    fleet_limits_set_link(rig->limits, rig->link);
    fleet_limits_note_state(rig->limits, true);
    beat(rig);
}

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    struct errinfo info;
    assert_non_null(rig);
    rig->loop = ev_loop_new(EVFLAG_AUTO);
    assert_int_equal(dns_channel_global_init(), ERR_OK);
    const struct resolver_options options = {
        .servers = {{.address = loop_rig_ip("127.0.0.1"), .port = 9}},
        .server_count = 1,
        .timeout_ms = 50,
        .tries = 1,
    };
    assert_int_equal(resolver_create(rig->loop, &options, &rig->resolver, &info), ERR_OK);
    rig->path =
        (struct fetch_path){.loop = rig->loop, .resolver = rig->resolver, .buffers = &rig->pool};
    store_peer_start(&rig->peer, rig->loop, behave, rig);
    rig->settings.place_count = 1;
    rig->settings.places[0] = (struct target){
        .kind = TARGET_ADDRESS, .address = loop_rig_ip("127.0.0.1"), .port = rig->peer.port};
    const struct store_link_options link_options = {
        .path = &rig->path, .settings = &rig->settings, .on_change = on_change, .owner = rig};
    rig->link = store_link_create(&link_options);
    rig->ledger = ledger_create();
    const struct fleet_limits_options limits_options = {.loop = rig->loop,
                                                        .ledger = rig->ledger,
                                                        .instance = "0123456789abcdef",
                                                        .prefix = "p:",
                                                        .on_answer = on_answer,
                                                        .owner = rig};
    rig->limits = fleet_limits_create(&limits_options);
    assert_true(rig->link != NULL && rig->limits != NULL);
    rig->lease = "*3\r\n:5\r\n:0\r\n:0\r\n";
    rig->rate = "*2\r\n:1\r\n:0\r\n";
    rig->bandwidth = "*3\r\n:1\r\n:0\r\n:1\r\n";
    wait(rig, is_connected);
    connect_store(rig);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    ledger_close_account(rig->ledger, rig->account, 1000);
    fleet_limits_destroy(rig->limits);
    ledger_destroy(rig->ledger);
    store_link_destroy(rig->link);
    store_peer_stop(&rig->peer);
    resolver_destroy(rig->resolver);
    buffer_pool_deinit(&rig->pool);
    dns_channel_global_deinit();
    ev_loop_destroy(rig->loop);
    free(rig);
    return 0;
}

static bool is_taken_up(const struct rig *rig)
{
    return fleet_limits_counts(rig->limits).accounts == 1;
}

static void open_account(struct rig *rig)
{
    const struct account_request request = {
        .name = "alice", .limits = &limits_of_fleet, .generation = 1, .now_ms = monotonic_ms()};
    assert_int_equal(ledger_open_account(rig->ledger, &request, &rig->account), ERR_OK);
    wait(rig, is_taken_up);
}

static void close_account(struct rig *rig)
{
    ledger_close_account(rig->ledger, rig->account, monotonic_ms());
    rig->account = NULL;
}

static bool is_answered(const struct rig *rig)
{
    return ledger_is_answered(rig->ledger, &rig->ticket);
}

static enum ledger_turn try_tunnel(struct rig *rig)
{
    struct limit_refusal refusal;
    return ledger_take_tunnel_of_fleet(rig->ledger, rig->account, &limits_of_fleet, monotonic_ms(),
                                       &rig->ticket, &refusal);
}

// ask_tunnel asks for a place, and waits for the answer as often as it has to. False: it is refused.
static bool ask_tunnel(struct rig *rig)
{
    enum ledger_turn turn = try_tunnel(rig);
    for (; turn == LEDGER_WAITS; turn = try_tunnel(rig))
        wait(rig, is_answered);
    return turn == LEDGER_TAKEN;
}

static void take_tunnel(struct rig *rig)
{
    assert_true(ask_tunnel(rig));
}

static void give_tunnel(struct rig *rig)
{
    ledger_give_tunnel(rig->ledger, rig->account, monotonic_ms());
}

// -- places

static const char *const nothing_is_kept = "0123456789abcdef alice 10 0 0 0 ";
static const char *const one_is_kept = "0123456789abcdef alice 10 1 ";

// is_asked_for tells whether the store was asked what is waited for.
static bool is_asked_for(const struct rig *rig)
{
    return strstr(rig->peer.words, rig->wanted) != NULL;
}

// wait_asked waits for a question about alice's places.
static void wait_asked(struct rig *rig, const char *wanted)
{
    rig->wanted = wanted;
    wait(rig, is_asked_for);
}

// lose_store_with_a_tunnel has the store be lost while the only account has a tunnel, and places beside it.
static void lose_store_with_a_tunnel(struct rig *rig)
{
    open_account(rig);
    take_tunnel(rig);
    assert_true(fleet_limits_counts(rig->limits).granted > 0);
    fleet_limits_set_link(rig->limits, NULL);
}

static void an_account_that_ends_without_a_store_is_kept_by_nobody(void **state)
{
    struct rig *rig = *state;
    lose_store_with_a_tunnel(rig);
    fleet_limits_tick(rig->limits);
    assert_int_equal(fleet_limits_counts(rig->limits).accounts, 1);
    give_tunnel(rig);
    close_account(rig);
    fleet_limits_tick(rig->limits);
    assert_int_equal(fleet_limits_counts(rig->limits).accounts, 0);
    assert_int_equal(ledger_read(rig->ledger).accounts, 0);
}

static void
what_the_store_had_of_an_account_that_has_ended_is_given_back_once_when_it_returns(void **state)
{
    struct rig *rig = *state;
    lose_store_with_a_tunnel(rig);
    give_tunnel(rig);
    close_account(rig);
    fleet_limits_tick(rig->limits);
    rig->peer.words[0] = '\0';
    rig->lease = "-ERR not now\r\n";
    connect_store(rig);
    wait_asked(rig, nothing_is_kept);
    rig->lease = "*3\r\n:0\r\n:0\r\n:0\r\n";
    rig->peer.words[0] = '\0';
    connect_store(rig);
    wait_asked(rig, nothing_is_kept);
    open_account(rig); // it owes nothing any more: nothing is said of it
    rig->peer.words[0] = '\0';
    beat(rig);
    beat(rig);
    assert_int_equal(fleet_limits_counts(rig->limits).granted, 0);
    rig->lease = "*3\r\n:5\r\n:0\r\n:0\r\n";
    take_tunnel(rig);
    assert_null(strstr(rig->peer.words, nothing_is_kept));
    give_tunnel(rig);
    close_account(rig);
}

static void an_account_that_comes_again_before_the_store_does_claims_what_is_open(void **state)
{
    struct rig *rig = *state;
    lose_store_with_a_tunnel(rig);
    give_tunnel(rig);
    close_account(rig);
    fleet_limits_tick(rig->limits);
    open_account(rig);
    take_tunnel(rig); // of this proxy's share
    rig->peer.words[0] = '\0';
    connect_store(rig);
    wait_asked(rig, one_is_kept);
    assert_null(strstr(rig->peer.words, nothing_is_kept));
    give_tunnel(rig);
    close_account(rig);
}

// wait_heard beats until the store has given an answer to the account again.
static void wait_heard(struct rig *rig)
{
    const int64_t until_ms = monotonic_ms() + PATIENCE_MS;
    while (fleet_limits_counts(rig->limits).unheard > 0) {
        assert_true(monotonic_ms() < until_ms);
        beat(rig);
        ev_run(rig->loop, EVRUN_ONCE);
    }
}

static void
places_in_an_answer_that_is_none_are_nobodys_and_the_share_counts_meanwhile(void **state)
{
    static const char *const faults[] = {
        "-ERR no\r\n",
        "+OK\r\n",
        "*0\r\n",
        "*2\r\n:9\r\n:0\r\n",
        "*3\r\n:9\r\n:0\r\n$1\r\nx\r\n",
        "*3\r\n:-1\r\n:0\r\n:0\r\n",
        "*3\r\n:9\r\n:-1\r\n:0\r\n",
        "*3\r\n:9223372036854775807\r\n:0\r\n:0\r\n",
    };
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        assert_int_equal(set_up(state), 0);
        struct rig *rig = *state;
        uint32_t taken = 0;
        rig->lease = faults[i];
        open_account(rig);
        while (ask_tunnel(rig))
            taken++;
        assert_int_equal(taken, 5); // of ten that two proxies may have
        assert_int_equal(fleet_limits_counts(rig->limits).granted, 0);
        assert_int_equal(fleet_limits_counts(rig->limits).unheard, 1);
        rig->lease = "*3\r\n:6\r\n:0\r\n:0\r\n";
        wait_heard(rig);
        assert_int_equal(fleet_limits_counts(rig->limits).granted, 5); // nobody has asked for more
        for (; taken > 0; taken--)
            give_tunnel(rig);
        close_account(rig);
        assert_int_equal(tear_down(state), 0);
    }
}

static void a_store_that_does_not_know_us_yet_is_asked_again_and_is_no_fault(void **state)
{
    struct rig *rig = *state;
    rig->lease = "-NOTALIVE the instance must beat before it asks for a lease\r\n";
    open_account(rig);
    assert_int_equal(try_tunnel(rig), LEDGER_WAITS);
    const int64_t until_ms = monotonic_ms() + PATIENCE_MS;
    while (fleet_limits_counts(rig->limits).questions < 3) {
        assert_true(monotonic_ms() < until_ms);
        ev_run(rig->loop, EVRUN_ONCE);
    }
    assert_int_equal(try_tunnel(rig), LEDGER_WAITS); // neither granted, nor refused, nor of a share
    assert_int_equal(fleet_limits_counts(rig->limits).unheard, 0);
    rig->lease = "*3\r\n:5\r\n:0\r\n:0\r\n";
    take_tunnel(rig);
    give_tunnel(rig);
    close_account(rig);
}

static void a_client_without_a_limit_of_the_fleet_any_more_gives_all_places_back(void **state)
{
    struct rig *rig = *state;
    const struct client_limits none = {.scope = LIMIT_FLEET};
    struct account *account = NULL;
    open_account(rig);
    take_tunnel(rig);
    rig->peer.words[0] = '\0';
    rig->lease = "*3\r\n:0\r\n:0\r\n:0\r\n";
    const struct account_request request = {
        .name = "alice", .limits = &none, .generation = 2, .now_ms = monotonic_ms()};
    assert_int_equal(ledger_open_account(rig->ledger, &request, &account), ERR_OK);
    beat(rig);
    wait_asked(rig, "0123456789abcdef alice 0 0 0 0 ");
    ledger_close_account(rig->ledger, account, monotonic_ms());
    assert_int_equal(fleet_limits_counts(rig->limits).granted, 0);
    give_tunnel(rig);
    close_account(rig);
}

// -- rates

static enum ledger_turn begin_tunnel(struct rig *rig, struct limit_refusal *refusal)
{
    return ledger_begin_tunnel_of_fleet(rig->ledger, rig->account, &limits_of_fleet, monotonic_ms(),
                                        &rig->ticket, refusal);
}

static void what_a_store_says_of_a_rate_ends_with_it_and_is_a_second_at_most(void **state)
{
    struct rig *rig = *state;
    struct limit_refusal refusal = {0};
    rig->rate = "*2\r\n:0\r\n:3600000000\r\n"; // come again in an hour
    open_account(rig);
    assert_int_equal(begin_tunnel(rig, &refusal), LEDGER_WAITS);
    wait(rig, is_answered);
    assert_int_equal(begin_tunnel(rig, &refusal), LEDGER_REFUSED);
    assert_int_equal(refusal.reason, REASON_LIMIT_NEW_TUNNELS);
    assert_int_equal(refusal.retry_after_s, 1);
    rig->rate = "*2\r\n:1\r\n:0\r\n";
    connect_store(rig); // another one
    assert_int_equal(begin_tunnel(rig, &refusal), LEDGER_WAITS);
    wait(rig, is_answered);
    assert_int_equal(begin_tunnel(rig, &refusal), LEDGER_TAKEN);
    close_account(rig);
}

static void
tokens_in_an_answer_that_is_none_are_nobodys_and_the_share_counts_meanwhile(void **state)
{
    static const char *const faults[] = {"-ERR no\r\n", "+OK\r\n", "*1\r\n:1\r\n",
                                         "*2\r\n:1\r\n$1\r\nx\r\n"};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        assert_int_equal(set_up(state), 0);
        struct rig *rig = *state;
        struct limit_refusal refusal = {0};
        uint32_t taken = 0;
        rig->rate = faults[i];
        open_account(rig);
        assert_int_equal(begin_tunnel(rig, &refusal), LEDGER_WAITS);
        wait(rig, is_answered);
        while (begin_tunnel(rig, &refusal) == LEDGER_TAKEN)
            taken++;
        assert_in_range(taken, 50, 99); // half of what may come at once, and what time has brought
        assert_int_equal(fleet_limits_counts(rig->limits).unheard, 1);
        rig->rate = "*2\r\n:1\r\n:0\r\n";
        wait_heard(rig);
        close_account(rig);
        assert_int_equal(tear_down(state), 0);
    }
}

// -- bandwidth

// wait_share has the account use what it can until its share is this.
static void wait_share(struct rig *rig, uint64_t share)
{
    const int64_t until_ms = monotonic_ms() + PATIENCE_MS;
    int64_t clock_ms = monotonic_ms();
    struct pacer pacer;
    pacer_init(&pacer, &rig->account->up, &clock_ms);
    while (rig->account->fleet.share_up != share) {
        assert_true(monotonic_ms() < until_ms);
        pacer_pay(&pacer, 1000000);
        fleet_limits_tick(rig->limits);
        ev_run(rig->loop, EVRUN_ONCE);
    }
    pacer_deinit(&pacer);
}

static void
a_share_ends_with_an_error_and_is_an_equal_part_until_the_store_can_say_more(void **state)
{
    struct rig *rig = *state;
    static const char *const faults[] = {"-ERR no\r\n", "+OK\r\n", "*3\r\n:1\r\n:0\r\n$1\r\nx\r\n"};
    open_account(rig);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        rig->bandwidth = "*3\r\n:1\r\n:0\r\n:1\r\n"; // nobody else wants any
        wait_share(rig, 1000000);
        assert_int_equal(fleet_limits_counts(rig->limits).unheard, 0);
        rig->bandwidth = faults[i];
        wait_share(rig, 500000);
        assert_int_equal(fleet_limits_counts(rig->limits).unheard, 1);
        assert_true(fleet_limits_counts(rig->limits).unanswered > i);
    }
    close_account(rig);
}

// tick_until_gone looks after the account until nothing is held of it.
static void tick_until_gone(struct rig *rig)
{
    const int64_t until_ms = monotonic_ms() + PATIENCE_MS;
    while (fleet_limits_counts(rig->limits).accounts > 0) {
        assert_true(monotonic_ms() < until_ms);
        fleet_limits_tick(rig->limits);
        ev_run(rig->loop, EVRUN_ONCE);
    }
}

static void an_account_that_ends_says_first_that_it_wants_no_bandwidth_any_more(void **state)
{
    struct rig *rig = *state;
    open_account(rig);
    wait_share(rig, 1000000);
    rig->peer.words[0] = '\0';
    close_account(rig);
    tick_until_gone(rig);
    assert_non_null(strstr(rig->peer.words, "p:b:alice:up 0123456789abcdef 1000000 0;"));
}

static void an_account_ends_also_where_the_store_cannot_hear_of_its_bandwidth(void **state)
{
    struct rig *rig = *state;
    open_account(rig);
    wait_share(rig, 1000000);
    rig->bandwidth = "-ERR no\r\n";
    close_account(rig);
    tick_until_gone(rig);
}

static void nothing_is_said_to_a_store_that_was_not_heard(void **state)
{
    struct rig *rig = *state;
    open_account(rig);
    wait_share(rig, 1000000);
    fleet_limits_set_link(rig->limits, rig->link);
    fleet_limits_note_state(rig->limits, true);
    const uint64_t questions = fleet_limits_counts(rig->limits).questions;
    wait_share(rig, 500000);
    assert_int_equal(fleet_limits_counts(rig->limits).questions, questions);
    beat(rig);
    wait_share(rig, 1000000);
    close_account(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_is_said_to_a_store_that_was_not_heard, set_up,
                                        tear_down),
        cmocka_unit_test(
            places_in_an_answer_that_is_none_are_nobodys_and_the_share_counts_meanwhile),
        cmocka_unit_test(
            tokens_in_an_answer_that_is_none_are_nobodys_and_the_share_counts_meanwhile),
        cmocka_unit_test_setup_teardown(
            a_store_that_does_not_know_us_yet_is_asked_again_and_is_no_fault, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_client_without_a_limit_of_the_fleet_any_more_gives_all_places_back, set_up,
            tear_down),
        cmocka_unit_test_setup_teardown(
            an_account_that_ends_says_first_that_it_wants_no_bandwidth_any_more, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            an_account_ends_also_where_the_store_cannot_hear_of_its_bandwidth, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_account_that_ends_without_a_store_is_kept_by_nobody,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            what_the_store_had_of_an_account_that_has_ended_is_given_back_once_when_it_returns,
            set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            an_account_that_comes_again_before_the_store_does_claims_what_is_open, set_up,
            tear_down),
        cmocka_unit_test_setup_teardown(
            a_share_ends_with_an_error_and_is_an_equal_part_until_the_store_can_say_more, set_up,
            tear_down),
        cmocka_unit_test_setup_teardown(
            what_a_store_says_of_a_rate_ends_with_it_and_is_a_second_at_most, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
