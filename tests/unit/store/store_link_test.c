// store_link: the connection to a store that behaves, and to one that does not, on loopback.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy/clock/clock.h"
#include "proxy/net/dns_channel.h"
#include "proxy/store/store_link.h"
#include "tests/unit/proxy/loop_rig.h"
#include "tests/unit/store/store_peer.h"

enum { FAR_MS = 60000, HEARD_CAP = 1024 };

#define MASTER  "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"
#define REPLICA "*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:1\r\n$9\r\nconnected\r\n:0\r\n"

struct bench {
    struct ev_loop *loop;
    struct resolver *resolver;
    struct buffer_pool pool;
    struct fetch_path path;
    struct store_settings settings;
    struct store_peer first;
    struct store_peer second;
    struct store_link *link;
    bool is_changed;
    enum store_state wanted;
    char heard[HEARD_CAP]; // answers, by `;`
    bool has_heard;
    size_t wanted_answers;
    size_t answers;
    // what the peers answer with
    const char *role;
    const char *auth;
    const char *pong;
    const char *other;
};

// behave answers as a store does, but for what the test has set.
static const char *behave(void *arg, const struct resp *command)
{
    struct bench *bench = arg;
    if (store_peer_word(command, "ROLE"))
        return bench->role;
    if (store_peer_word(command, "AUTH"))
        return bench->auth;
    if (store_peer_word(command, "PING"))
        return bench->pong;
    return bench->other;
}

static const char *be_master(void *arg, const struct resp *command)
{
    (void)arg;
    return store_peer_word(command, "ROLE") ? MASTER : "+PONG\r\n";
}

static void on_change(void *owner)
{
    struct bench *bench = owner;
    bench->is_changed = store_link_facts(bench->link)->state == bench->wanted;
}

static void on_reply(void *owner, const struct resp *answer)
{
    struct bench *bench = owner;
    char text[128] = "lost";
    if (answer != NULL && answer->kind == RESP_INTEGER)
        (void)snprintf(text, sizeof text, "%lld", (long long)answer->integer);
    else if (answer != NULL)
        assert_true(string_copy(text, sizeof text, answer->text));
    const size_t len = strlen(bench->heard);
    (void)snprintf(bench->heard + len, sizeof bench->heard - len, "%s;", text);
    bench->has_heard = ++bench->answers >= bench->wanted_answers;
}

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    struct errinfo info;
    assert_non_null(bench);
    bench->loop = ev_loop_new(EVFLAG_AUTO);
    assert_int_equal(dns_channel_global_init(), ERR_OK);
    const struct resolver_options options = {
        .servers = {{.address = loop_rig_ip("127.0.0.1"), .port = 9}},
        .server_count = 1,
        .timeout_ms = 50,
        .tries = 1,
    };
    assert_int_equal(resolver_create(bench->loop, &options, &bench->resolver, &info), ERR_OK);
    bench->path = (struct fetch_path){
        .loop = bench->loop, .resolver = bench->resolver, .buffers = &bench->pool};
    store_peer_start(&bench->first, bench->loop, behave, bench);
    store_peer_start(&bench->second, bench->loop, be_master, bench);
    bench->role = MASTER;
    bench->auth = "+OK\r\n";
    bench->pong = "+PONG\r\n";
    bench->other = "+OK\r\n";
    bench->settings.place_count = 1;
    bench->settings.places[0] = (struct target){
        .kind = TARGET_ADDRESS, .address = loop_rig_ip("127.0.0.1"), .port = bench->first.port};
    bench->settings.places[1] = bench->settings.places[0];
    bench->settings.places[1].port = bench->second.port;
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    store_link_destroy(bench->link);
    store_peer_stop(&bench->first);
    store_peer_stop(&bench->second);
    resolver_destroy(bench->resolver);
    assert_int_equal(bench->pool.buffers.lent_count, 0);
    assert_int_equal(bench->pool.pieces.lent_count, 0);
    buffer_pool_deinit(&bench->pool);
    dns_channel_global_deinit();
    ev_loop_destroy(bench->loop);
    free(bench);
    return 0;
}

static void start(struct bench *bench)
{
    const struct store_link_options options = {
        .path = &bench->path, .settings = &bench->settings, .on_change = on_change, .owner = bench};
    bench->link = store_link_create(&options);
    assert_non_null(bench->link);
    assert_int_equal(store_link_facts(bench->link)->state, STORE_CONNECTING);
}

static void wait_for(struct bench *bench, enum store_state wanted)
{
    bench->wanted = wanted;
    bench->is_changed = store_link_facts(bench->link)->state == wanted;
    loop_rig_run(bench->loop, &bench->is_changed);
}

static void wait_for_answers(struct bench *bench, size_t count)
{
    bench->wanted_answers = count;
    bench->has_heard = bench->answers >= count;
    loop_rig_run(bench->loop, &bench->has_heard);
}

static bool ask(struct bench *bench, const char *word, int64_t wait_ms)
{
    const struct slice words[] = {slice_of_string(word)};
    return store_link_call(bench->link, words, 1, monotonic_ms() + wait_ms, on_reply, bench);
}

static void assert_sentence(const struct bench *bench, const char *part)
{
    const struct store_facts *facts = store_link_facts(bench->link);
    if (strstr(facts->sentence, part) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", part, facts->sentence);
}

static void a_master_is_ready_and_answers_in_order(void **state)
{
    struct bench *bench = *state;
    start(bench);
    assert_false(ask(bench, "EARLY", FAR_MS));
    wait_for(bench, STORE_READY);
    assert_true(ask(bench, "ONE", FAR_MS));
    assert_true(ask(bench, "TWO", FAR_MS));
    assert_string_equal(bench->heard, ""); // never from within
    wait_for_answers(bench, 2);
    assert_string_equal(bench->heard, "OK;OK;");
    assert_string_equal(bench->first.words, "ROLE;ONE;TWO;");
    const struct store_facts *facts = store_link_facts(bench->link);
    assert_int_equal(facts->connects, 1);
    assert_int_equal(facts->failures, 0);
    assert_int_equal(facts->refusals, 1);
    assert_string_equal(facts->sentence, "");
}

static void user_and_password_are_said_first(void **state)
{
    struct bench *bench = *state;
    assert_true(string_copy(bench->settings.user, STORE_USER_CAP, SLICE_LITERAL("us")));
    assert_true(string_copy(bench->settings.password, STORE_PASSWORD_CAP, SLICE_LITERAL("s3")));
    start(bench);
    wait_for(bench, STORE_READY);
    assert_string_equal(bench->first.words, "AUTH us s3;ROLE;");
}

static void a_password_alone_is_the_default_users(void **state)
{
    struct bench *bench = *state;
    assert_true(string_copy(bench->settings.password, STORE_PASSWORD_CAP, SLICE_LITERAL("s3")));
    start(bench);
    wait_for(bench, STORE_READY);
    assert_string_equal(bench->first.words, "AUTH s3;ROLE;");
}

static void a_wrong_password_is_told(void **state)
{
    struct bench *bench = *state;
    assert_true(string_copy(bench->settings.password, STORE_PASSWORD_CAP, SLICE_LITERAL("s3")));
    bench->auth = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
    start(bench);
    wait_for(bench, STORE_LOST);
    assert_sentence(bench, "WRONGPASS: it knows no such user and password");
    bench->auth = "+OK\r\n";
    wait_for(bench, STORE_READY); // it tries again by itself
}

static void a_replica_is_not_used(void **state)
{
    struct bench *bench = *state;
    bench->role = REPLICA;
    bench->settings.place_count = 2;
    start(bench);
    wait_for(bench, STORE_READY);
    char place[TARGET_TEXT_CAP];
    (void)snprintf(place, sizeof place, "127.0.0.1:%u", bench->second.port);
    assert_string_equal(store_link_facts(bench->link)->place, place);
    assert_int_equal(bench->first.accept_count, 1);
}

static void a_master_that_becomes_a_replica_is_left(void **state)
{
    struct bench *bench = *state;
    bench->settings.place_count = 2;
    start(bench);
    wait_for(bench, STORE_READY);
    bench->role = REPLICA;
    bench->other = "-READONLY You can't write against a read only replica.\r\n";
    assert_true(ask(bench, "SET", FAR_MS));
    wait_for(bench, STORE_LOST);
    assert_sentence(bench, "READONLY: it is a replica");
    assert_int_equal(bench->answers, 1);
    wait_for(bench, STORE_READY);
    assert_int_equal(bench->second.accept_count, 1);
}

static void a_sentinel_is_asked_for_the_master(void **state)
{
    static char answer[64];
    struct bench *bench = *state;
    assert_true(string_copy(bench->settings.master, STORE_MASTER_CAP, SLICE_LITERAL("mine")));
    (void)snprintf(answer, sizeof answer, "*2\r\n$9\r\n127.0.0.1\r\n$%d\r\n%u\r\n",
                   bench->second.port > 9999 ? 5 : 4, bench->second.port);
    bench->other = answer;
    start(bench);
    wait_for(bench, STORE_READY);
    assert_string_equal(bench->first.words, "SENTINEL get-master-addr-by-name mine;");
    assert_int_equal(bench->second.accept_count, 1);
}

static void a_sentinel_that_knows_no_master_is_told(void **state)
{
    struct bench *bench = *state;
    assert_true(string_copy(bench->settings.master, STORE_MASTER_CAP, SLICE_LITERAL("mine")));
    bench->other = "*-1\r\n";
    start(bench);
    wait_for(bench, STORE_LOST);
    assert_sentence(bench, "the Sentinel at 127.0.0.1:");
    assert_sentence(bench, "it names no master");
}

static void a_script_that_is_not_known_is_sent_with_its_text(void **state)
{
    struct bench *bench = *state;
    static const struct store_script script = {.text = "return 1",
                                               .sha1 = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db"};
    const struct slice keys[] = {SLICE_LITERAL("k1"), SLICE_LITERAL("k2")};
    const struct slice arguments[] = {SLICE_LITERAL("a")};
    const struct store_script_call call = {.script = &script,
                                           .keys = keys,
                                           .key_count = 2,
                                           .arguments = arguments,
                                           .argument_count = 1};
    start(bench);
    wait_for(bench, STORE_READY);
    bench->other = "-NOSCRIPT No matching script. Please use EVAL.\r\n";
    assert_true(store_link_script(bench->link, &call, monotonic_ms() + FAR_MS, on_reply, bench));
    wait_for_answers(bench, 1);
    assert_string_equal(bench->first.words,
                        "ROLE;EVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8db 2 k1 k2 a;"
                        "EVAL return 1 2 k1 k2 a;");
    assert_non_null(strstr(bench->heard, "NOSCRIPT")); // not asked a third time
}

static void bad_answers_end_the_connection(void **state)
{
    struct bench *bench = *state;
    static const struct {
        const char *answer;
        const char *part;
    } rows[] = {
        {"HTTP/1.1 400 Bad Request\r\n\r\n", "what came is no answer"},
        {"*999999\r\n", "announced that is longer"},
        {"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", "more than four"},
        {"%1\r\n+a\r\n+b\r\n", "no"},
        {":1\r\n:2\r\n", "what nobody has asked"},
        {"$1\r\nabc", "does not end where"},
        {"-LOADING Redis is loading the dataset in memory\r\n", "LOADING: it still loads"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        start(bench);
        wait_for(bench, STORE_READY);
        bench->other = rows[i].answer;
        assert_true(ask(bench, "ASK", FAR_MS));
        wait_for(bench, STORE_LOST);
        assert_sentence(bench, rows[i].part);
        assert_int_equal(bench->answers, i + 1);
        store_link_destroy(bench->link);
        bench->link = NULL;
    }
    assert_string_equal(
        bench->heard, "lost;lost;lost;lost;1;lost;LOADING Redis is loading the dataset in memory;");
}

static void
an_answer_that_is_too_long_is_told_with_its_key_and_size_and_makes_no_storm(void **state)
{
    struct bench *bench = *state;
    static const int64_t pauses[] = {100, 200, 400};
    const struct slice words[] = {SLICE_LITERAL("GET"), SLICE_LITERAL("sallyport:tickets")};
    start(bench);
    bench->other = "$2000000\r\n";
    for (size_t i = 0; i < sizeof pauses / sizeof pauses[0]; i++) {
        wait_for(bench, STORE_READY);
        assert_true(
            store_link_call(bench->link, words, 2, monotonic_ms() + FAR_MS, on_reply, bench));
        wait_for(bench, STORE_LOST);
        assert_sentence(bench, "2000000 bytes");
        assert_sentence(bench, "sallyport:tickets");
        assert_int_equal(store_link_facts(bench->link)->pause_ms, pauses[i]);
    }
}

static void what_answers_ping_or_role_otherwise_is_no_store(void **state)
{
    struct bench *bench = *state;
    bench->pong = "+PING\r\n";
    start(bench);
    wait_for(bench, STORE_READY);
    wait_for(bench, STORE_LOST);
    assert_sentence(bench, "none to PING");
    bench->pong = "+PONG\r\n";
    bench->role = "+OK\r\n";
    wait_for(bench, STORE_LOST);
    bench->is_changed = false;
    bench->role = MASTER;
    wait_for(bench, STORE_READY);
}

static void silence_is_a_loss(void **state)
{
    struct bench *bench = *state;
    start(bench);
    wait_for(bench, STORE_READY);
    bench->other = NULL;
    bench->role = NULL;
    assert_true(ask(bench, "ONE", FAR_MS));
    assert_true(ask(bench, "TWO", FAR_MS));
    wait_for(bench, STORE_LOST);
    assert_sentence(bench, "not answered for a second");
    wait_for_answers(bench, 2);
    assert_string_equal(bench->heard, "lost;lost;");
    assert_false(ask(bench, "THREE", FAR_MS));
    assert_int_equal(store_link_facts(bench->link)->failures, 2);
}

static void a_connection_that_is_given_up_is_reset(void **state)
{
    struct bench *bench = *state;
    start(bench);
    wait_for(bench, STORE_READY);
    bench->other = NULL;
    bench->pong = NULL;
    assert_true(ask(bench, "ONE", FAR_MS));
    wait_for(bench, STORE_LOST);
    loop_rig_run(bench->loop, &bench->first.is_reset); // what was not delivered never will be
}

static void an_idle_store_that_hangs_is_noticed(void **state)
{
    struct bench *bench = *state;
    start(bench);
    wait_for(bench, STORE_READY);
    bench->pong = NULL;
    wait_for(bench, STORE_LOST);
    assert_sentence(bench, "not answered for a second");
}

static void a_late_answer_is_not_given_to_the_next_call(void **state)
{
    struct bench *bench = *state;
    start(bench);
    wait_for(bench, STORE_READY);
    bench->other = NULL;
    assert_true(ask(bench, "ONE", 20));
    wait_for_answers(bench, 1);
    assert_string_equal(bench->heard, "lost;");
    assert_true(ask(bench, "TWO", FAR_MS));
    store_peer_say(&bench->first, ":1\r\n:2\r\n");
    wait_for_answers(bench, 2);
    assert_string_equal(bench->heard, "lost;2;");
    assert_int_equal(store_link_facts(bench->link)->state, STORE_READY);
}

static void forgotten_calls_are_not_answered(void **state)
{
    struct bench *bench = *state;
    int other = 0;
    const struct slice words[] = {SLICE_LITERAL("HERS")};
    start(bench);
    wait_for(bench, STORE_READY);
    assert_true(store_link_call(bench->link, words, 1, monotonic_ms() + FAR_MS, on_reply, &other));
    assert_true(ask(bench, "MINE", FAR_MS));
    store_link_forget(bench->link, &other);
    wait_for_answers(bench, 1);
    assert_string_equal(bench->heard, "OK;");
}

static void no_more_calls_than_may_be_are_taken(void **state)
{
    struct bench *bench = *state;
    static uint8_t large[STORE_MAX_UNSENT_LEN];
    const struct slice words[] = {SLICE_LITERAL("X"), slice_of(large, sizeof large)};
    size_t count = 0;
    start(bench);
    wait_for(bench, STORE_READY);
    assert_false(store_link_call(bench->link, words, 2, monotonic_ms() + FAR_MS, on_reply, bench));
    while (ask(bench, "MANY", FAR_MS))
        count++;
    assert_int_equal(count, STORE_MAX_CALLS);
    wait_for_answers(bench, count);
    assert_true(ask(bench, "AGAIN", FAR_MS));
    wait_for_answers(bench, count + 1);
}

static void a_store_that_ends_the_connection_is_connected_to_again(void **state)
{
    struct bench *bench = *state;
    start(bench);
    wait_for(bench, STORE_READY);
    store_peer_hang_up(&bench->first);
    wait_for(bench, STORE_LOST);
    assert_sentence(bench, "it has ended the connection");
    wait_for(bench, STORE_READY);
    assert_int_equal(store_link_facts(bench->link)->connects, 2);
}

static const char *say_alert(void *arg, const struct resp *command)
{
    (void)arg;
    (void)command;
    return "\x15\x03\x01";
}

static const char *say_nothing(void *arg, const struct resp *command)
{
    (void)arg;
    (void)command;
    return NULL;
}

static void a_store_that_wants_tls_is_told_as_that(void **state)
{
    struct bench *bench = *state;
    bench->first.answer = say_alert;
    start(bench);
    wait_for(bench, STORE_LOST);
    assert_sentence(bench, "it speaks TLS, and the proxy does not: set `shared.tls`");
    bench->first.answer = say_nothing;
    for (const size_t before = strlen(bench->first.words); strlen(bench->first.words) == before;)
        (void)ev_run(bench->loop, EVRUN_ONCE);
    store_peer_hang_up(&bench->first);
    while (strstr(store_link_facts(bench->link)->sentence, "it may want TLS") == NULL)
        (void)ev_run(bench->loop, EVRUN_ONCE);
}

static void a_port_where_nobody_listens_is_told(void **state)
{
    struct bench *bench = *state;
    store_peer_stop(&bench->first);
    start(bench);
    wait_for(bench, STORE_LOST);
    assert_sentence(bench, "the store at 127.0.0.1:");
    assert_sentence(bench, "nobody accepts the connection");
}

static void what_is_said_at_the_end_arrives(void **state)
{
    struct bench *bench = *state;
    const struct slice words[] = {SLICE_LITERAL("BYE"), SLICE_LITERAL("now")};
    start(bench);
    store_link_say(bench->link, words, 2); // it is not ready: nothing
    wait_for(bench, STORE_READY);
    store_link_say(bench->link, words, 2);
    store_link_destroy(bench->link);
    bench->link = NULL;
    loop_rig_run(bench->loop, &bench->first.has_ended);
    assert_string_equal(bench->first.words, "ROLE;BYE now;");
}

static void it_may_be_destroyed_while_calls_are_under_way(void **state)
{
    struct bench *bench = *state;
    start(bench);
    wait_for(bench, STORE_READY);
    bench->other = NULL;
    assert_true(ask(bench, "ONE", FAR_MS));
    store_link_destroy(bench->link);
    bench->link = NULL;
    assert_string_equal(bench->heard, "");
}

int main(void)
{
#define LINK_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        LINK_TEST(a_master_is_ready_and_answers_in_order),
        LINK_TEST(user_and_password_are_said_first),
        LINK_TEST(a_password_alone_is_the_default_users),
        LINK_TEST(a_wrong_password_is_told),
        LINK_TEST(a_replica_is_not_used),
        LINK_TEST(a_master_that_becomes_a_replica_is_left),
        LINK_TEST(a_sentinel_is_asked_for_the_master),
        LINK_TEST(a_sentinel_that_knows_no_master_is_told),
        LINK_TEST(a_script_that_is_not_known_is_sent_with_its_text),
        LINK_TEST(bad_answers_end_the_connection),
        LINK_TEST(an_answer_that_is_too_long_is_told_with_its_key_and_size_and_makes_no_storm),
        LINK_TEST(what_answers_ping_or_role_otherwise_is_no_store),
        LINK_TEST(silence_is_a_loss),
        LINK_TEST(a_connection_that_is_given_up_is_reset),
        LINK_TEST(an_idle_store_that_hangs_is_noticed),
        LINK_TEST(a_late_answer_is_not_given_to_the_next_call),
        LINK_TEST(forgotten_calls_are_not_answered),
        LINK_TEST(no_more_calls_than_may_be_are_taken),
        LINK_TEST(a_store_that_ends_the_connection_is_connected_to_again),
        LINK_TEST(a_store_that_wants_tls_is_told_as_that),
        LINK_TEST(a_port_where_nobody_listens_is_told),
        LINK_TEST(what_is_said_at_the_end_arrives),
        LINK_TEST(it_may_be_destroyed_while_calls_are_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
