// relay: a local client and the proxy as streams in memory.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy/sidecar/relay.h"
#include "tests/unit/proxy/fake_stream.h"

#define HEAD "CONNECT a.test:443 HTTP/1.1\r\n\r\n"
#define RECORD                                                                                     \
    "\x17\x03\x03\x00\x04"                                                                         \
    "abcd"

struct bench {
    struct fake_stream *client;
    struct fake_stream *proxy;
    struct buffer_pool pool;
    struct relay relay;
};

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    bench->client = fake_stream_create();
    bench->proxy = fake_stream_create();
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    duplex_deinit(&bench->relay.duplex);
    assert_int_equal(bench->pool.buffers.lent_count, 0);
    buffer_pool_deinit(&bench->pool);
    fake_stream_destroy(bench->client);
    fake_stream_destroy(bench->proxy);
    free(bench);
    return 0;
}

static void begin(struct bench *bench, struct slice rest)
{
    assert_int_equal(relay_open(&bench->relay, &bench->client->stream, &bench->proxy->stream,
                                &bench->pool, SLICE_LITERAL(HEAD), rest, 1000),
                     ERR_OK);
}

static void assert_written(const struct fake_stream *fake, struct slice bytes)
{
    assert_true(slice_equal(fake_stream_written(fake), bytes));
}

static void the_head_goes_first_and_an_answer_comes_back(void **state)
{
    struct bench *bench = *state;
    begin(bench, SLICE_LITERAL("early"));
    assert_int_equal(relay_step(&bench->relay, 1000), RELAY_WAITS);
    assert_written(bench->proxy, SLICE_LITERAL(HEAD "early"));
    assert_false(bench->relay.is_answered);
    fake_stream_feed(bench->proxy, SLICE_LITERAL("HTTP/1.1 200 OK\r\n\r\n"));
    assert_int_equal(relay_step(&bench->relay, 1000), RELAY_WAITS);
    assert_written(bench->client, SLICE_LITERAL("HTTP/1.1 200 OK\r\n\r\n"));
    assert_true(bench->relay.is_answered);
    assert_int_equal(bench->relay.status, 200);
}

static void a_status_that_cannot_be_read_is_none(void **state)
{
    struct bench *bench = *state;
    static const char *const odd[] = {"HTTP/1.1 20", "HTTP/1.1 2x0 OK\r\n", "SSH-2.0", "H"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        begin(bench, SLICE_LITERAL(""));
        fake_stream_feed(bench->proxy, slice_of_string(odd[i]));
        assert_int_equal(relay_step(&bench->relay, 1000), RELAY_WAITS);
        assert_true(bench->relay.is_answered);
        assert_int_equal(bench->relay.status, 0);
        duplex_deinit(&bench->relay.duplex);
    }
}

static void tls_records_behind_a_connect_are_written_apart_to_the_proxy(void **state)
{
    struct bench *bench = *state;
    begin(bench, SLICE_LITERAL(""));
    fake_stream_feed(bench->client, SLICE_LITERAL(RECORD RECORD RECORD));
    assert_int_equal(relay_step(&bench->relay, 1000), RELAY_WAITS);
    assert_written(bench->proxy, SLICE_LITERAL(HEAD RECORD RECORD RECORD));
    assert_int_equal(bench->proxy->piece_count, 4); // the head, and each record on its own
    for (size_t i = 1; i < 4; i++)
        assert_int_equal(bench->proxy->pieces[i], sizeof RECORD - 1);
}

static void a_proxy_that_ends_or_breaks_off_without_an_answer_is_told_apart(void **state)
{
    struct bench *bench = *state;
    begin(bench, SLICE_LITERAL(""));
    assert_int_equal(relay_step(&bench->relay, 1000), RELAY_WAITS);
    bench->proxy->read_failure = ERR_INPUT; // an alert
    assert_int_equal(relay_step(&bench->relay, 1000), RELAY_UNANSWERED);
    bench->proxy->read_failure = ERR_OK;
    bench->proxy->has_end = true;
    assert_int_equal(relay_step(&bench->relay, 1000), RELAY_UNANSWERED);
    assert_int_equal(bench->client->finish_count, 0); // there is still something to be said
}

static void a_proxy_that_takes_no_more_may_still_say_why(void **state)
{
    struct bench *bench = *state;
    bench->proxy->write_failure = ERR_SYSTEM;
    begin(bench, SLICE_LITERAL(""));
    assert_int_equal(relay_step(&bench->relay, 1000), RELAY_WAITS);
    bench->proxy->read_failure = ERR_INPUT;
    assert_int_equal(relay_step(&bench->relay, 1000), RELAY_UNANSWERED);
}

static void a_client_that_left_before_the_answer_needs_no_explanation(void **state)
{
    struct bench *bench = *state;
    begin(bench, SLICE_LITERAL(""));
    bench->client->has_end = true;
    assert_int_equal(relay_step(&bench->relay, 1000), RELAY_WAITS);
    assert_int_equal(bench->proxy->finish_count, 1);
    bench->proxy->has_end = true;
    assert_int_equal(relay_step(&bench->relay, 1000), RELAY_LEFT);
}

static void half_an_answer_never_looks_like_a_whole_one(void **state)
{
    struct bench *bench = *state;
    begin(bench, SLICE_LITERAL(""));
    fake_stream_feed(bench->proxy, SLICE_LITERAL("HTTP/1.1 200 OK\r\n\r\nhalf"));
    bench->proxy->has_end = true;
    bench->proxy->is_truncated = true;
    assert_int_equal(relay_step(&bench->relay, 1000), RELAY_BROKEN);
    assert_int_equal(bench->client->finish_count, 0);
}

static void both_ends_finish_it(void **state)
{
    struct bench *bench = *state;
    begin(bench, SLICE_LITERAL(""));
    fake_stream_feed(bench->proxy, SLICE_LITERAL("answer"));
    bench->proxy->has_end = true;
    assert_int_equal(relay_step(&bench->relay, 1000), RELAY_WAITS);
    assert_true(duplex_is_half_closed(&bench->relay.duplex));
    assert_int_equal(bench->client->finish_count, 1);
    bench->client->has_end = true;
    assert_int_equal(relay_step(&bench->relay, 1000), RELAY_FINISHED);
}

static void ending_the_way_up_sends_what_waits_and_hears_the_answer_out(void **state)
{
    struct bench *bench = *state;
    begin(bench, SLICE_LITERAL("body"));
    bench->proxy->room = 10;
    fake_stream_feed(bench->proxy, SLICE_LITERAL("first"));
    assert_int_equal(relay_step(&bench->relay, 1000), RELAY_WAITS);
    bench->relay.duplex.up.has_end = true;
    bench->proxy->room = FAKE_CAP;
    assert_int_equal(relay_step(&bench->relay, 1000), RELAY_WAITS);
    assert_written(bench->proxy, SLICE_LITERAL(HEAD "body"));
    assert_int_equal(bench->proxy->finish_count, 1);
    fake_stream_feed(bench->proxy, SLICE_LITERAL(" and last"));
    bench->proxy->has_end = true;
    assert_int_equal(relay_step(&bench->relay, 1000), RELAY_FINISHED);
    assert_written(bench->client, SLICE_LITERAL("first and last"));
}

static void a_reset_of_the_client_breaks_it(void **state)
{
    struct bench *bench = *state;
    begin(bench, SLICE_LITERAL(""));
    bench->client->read_failure = ERR_SYSTEM;
    assert_int_equal(relay_step(&bench->relay, 1000), RELAY_BROKEN);
}

static void bytes_move_the_clocks_that_they_are_about(void **state)
{
    struct bench *bench = *state;
    begin(bench, SLICE_LITERAL(""));
    fake_stream_feed(bench->client, SLICE_LITERAL("up"));
    assert_int_equal(relay_step(&bench->relay, 2000), RELAY_WAITS);
    assert_int_equal(bench->relay.duplex.up_ms, 2000);
    fake_stream_feed(bench->proxy, SLICE_LITERAL("down"));
    assert_int_equal(relay_step(&bench->relay, 3000), RELAY_WAITS);
    assert_int_equal(bench->relay.duplex.up_ms, 2000);
    assert_int_equal(bench->relay.duplex.active_ms, 3000);
    assert_int_equal(relay_step(&bench->relay, 4000), RELAY_WAITS);
    assert_int_equal(bench->relay.duplex.active_ms, 3000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_head_goes_first_and_an_answer_comes_back),
        TEST(a_status_that_cannot_be_read_is_none),
        TEST(tls_records_behind_a_connect_are_written_apart_to_the_proxy),
        TEST(a_proxy_that_ends_or_breaks_off_without_an_answer_is_told_apart),
        TEST(a_proxy_that_takes_no_more_may_still_say_why),
        TEST(a_client_that_left_before_the_answer_needs_no_explanation),
        TEST(half_an_answer_never_looks_like_a_whole_one),
        TEST(both_ends_finish_it),
        TEST(ending_the_way_up_sends_what_waits_and_hears_the_answer_out),
        TEST(a_reset_of_the_client_breaks_it),
        TEST(bytes_move_the_clocks_that_they_are_about),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
