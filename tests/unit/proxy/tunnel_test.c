// A tunnel whose first flight is looked at, over streams in memory.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy/session/tunnel.h"
#include "tests/unit/auth/hello.h"
#include "tests/unit/proxy/fake_stream.h"

static const struct inner observes = {.tls = INNER_OBSERVE};

struct bench {
    struct fake_stream *client;
    struct fake_stream *server;
    struct buffer_pool pool;
    struct target asked;
    struct tunnel tunnel;
};

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    *state = bench;
    if (bench == NULL)
        return 1;
    bench->client = fake_stream_create();
    bench->server = fake_stream_create();
    assert_int_equal(target_parse(SLICE_LITERAL("good.example:443"), &bench->asked), ERR_OK);
    duplex_init(&bench->tunnel.duplex, &bench->client->stream, &bench->server->stream, &bench->pool,
                false, false, 0);
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    inspection_close(bench->tunnel.inspection, &bench->pool);
    duplex_deinit(&bench->tunnel.duplex);
    tunnel_deinit(&bench->tunnel);
    assert_int_equal(bench->pool.buffers.lent_count, 0);
    buffer_pool_deinit(&bench->pool);
    fake_stream_destroy(bench->client);
    fake_stream_destroy(bench->server);
    free(bench);
    return 0;
}

// says adds blanks: a request may follow, so that it is not known yet what the flight is.
static void says(struct bench *bench, size_t len)
{
    while (len-- > 0)
        fake_stream_feed(bench->client, SLICE_LITERAL("\r"));
}

// go_on steps until nothing moves any more.
static void go_on(struct bench *bench)
{
    enum duplex_status status = DUPLEX_MORE;
    for (size_t i = 0; i < 100 && status == DUPLEX_MORE; i++)
        status = tunnel_step(&bench->tunnel, 0);
    assert_int_equal(status, DUPLEX_WAITS);
}

static void other_rules_find_what_a_slow_target_has_not_taken_yet_in_its_place(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(tunnel_inspect(&bench->tunnel, &observes, &bench->asked, false), ERR_OK);
    says(bench, (size_t)120 * 1024);
    bench->server->room = (size_t)60 * 1024;
    go_on(bench);
    assert_int_equal(bench->tunnel.duplex.up.passed, 60 * 1024);
    assert_int_equal(bench->tunnel.inspection->gate.state, GATE_FIRST);
    assert_true(tunnel_inspect_by(&bench->tunnel, &observes, false));
    says(bench, (size_t)120 * 1024);
    go_on(bench);
    assert_int_equal(bench->tunnel.duplex.up.passed, 60 * 1024);
    bench->server->room = SIZE_MAX;
    go_on(bench);
    assert_int_equal(bench->server->out_len, bench->client->in_len);
}

static void a_client_that_ends_after_its_hello_leaves_nothing_to_do(void **state)
{
    struct bench *bench = *state;
    static struct hello sent;
    const struct inner requires = {.tls = INNER_REQUIRE};
    hello_named(&sent, "good.example", HELLO_CAP);
    const struct slice hello = slice_of(sent.bytes, sent.len);
    assert_int_equal(tunnel_inspect(&bench->tunnel, &requires, &bench->asked, false), ERR_OK);
    fake_stream_feed(bench->client, hello);
    bench->client->has_end = true;
    go_on(bench);
    assert_true(slice_equal(fake_stream_written(bench->server), hello));
    assert_int_equal(bench->server->finish_count, 1);
    fake_stream_feed(bench->server, SLICE_LITERAL("hello"));
    go_on(bench);
    assert_int_equal(bench->client->out_len, 5);
}

static void what_has_passed_ends_a_tunnel_that_would_have_been_held(void **state)
{
    struct bench *bench = *state;
    const struct inner requires = {.tls = INNER_REQUIRE};
    assert_int_equal(tunnel_inspect(&bench->tunnel, &observes, &bench->asked, false), ERR_OK);
    says(bench, 1);
    bench->server->room = 0;
    go_on(bench);
    assert_false(tunnel_inspect_by(&bench->tunnel, &requires, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            other_rules_find_what_a_slow_target_has_not_taken_yet_in_its_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_client_that_ends_after_its_hello_leaves_nothing_to_do,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_has_passed_ends_a_tunnel_that_would_have_been_held,
                                        set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
