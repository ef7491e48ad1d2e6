// Streams over real sockets: what is remembered of their readiness, and how they end.
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/net/flow.h"
#include "proxy/net/tcp_stream.h"
#include "tests/unit/proxy/fake_stream.h"
#include "tests/unit/proxy/loop_rig.h"

struct bench {
    struct ev_loop *loop;
    struct tcp_stream tcp;
    int peer;
    bool is_ready;
    size_t ready_count;
};

static void on_ready(void *owner)
{
    struct bench *bench = owner;
    bench->is_ready = true;
    bench->ready_count++;
}

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    int fds[2];
    loop_rig_pair(fds);
    bench->loop = ev_loop_new(EVFLAG_AUTO);
    bench->peer = fds[1];
    tcp_stream_init(&bench->tcp, bench->loop, fds[0]);
    bench->tcp.stream.on_ready = on_ready;
    bench->tcp.stream.owner = bench;
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    stream_close(&bench->tcp.stream, false);
    if (bench->peer >= 0)
        (void)close(bench->peer);
    ev_loop_destroy(bench->loop);
    free(bench);
    return 0;
}

static void wait_ready(struct bench *bench, bool read, bool write)
{
    bench->is_ready = false;
    stream_want(&bench->tcp.stream, read, write);
    loop_rig_run(bench->loop, &bench->is_ready);
}

static enum err read_some(struct bench *bench, char *out, size_t cap, size_t *out_len)
{
    return stream_read(&bench->tcp.stream, out, cap, out_len);
}

// fill writes until the socket takes no more, and tells how much that was.
static size_t fill(struct bench *bench)
{
    static const uint8_t zeros[65536];
    size_t total = 0;
    size_t len = 0;
    while (stream_write(&bench->tcp.stream, slice_of(zeros, sizeof zeros), &len) == ERR_OK)
        total += len;
    return total;
}

// drain_peer reads at the other end until `len` bytes have come.
static void drain_peer(const struct bench *bench, size_t len)
{
    static char scratch[65536];
    while (len > 0) {
        struct pollfd readable = {.fd = bench->peer, .events = POLLIN};
        assert_int_equal(poll(&readable, 1, 20000), 1);
        const ssize_t count = read(bench->peer, scratch, sizeof scratch);
        assert_true(count > 0 && (size_t)count <= len);
        len -= (size_t)count;
    }
}

static void readiness_is_remembered_and_renewed_by_the_loop(void **state)
{
    struct bench *bench = *state;
    char some[16];
    size_t len = 7;
    assert_int_equal(read_some(bench, some, sizeof some, &len), ERR_AGAIN);
    assert_int_equal(len, 0);
    assert_int_equal(send(bench->peer, "hello", 5, 0), 5);
    assert_int_equal(read_some(bench, some, sizeof some, &len), ERR_AGAIN); // asks nobody
    wait_ready(bench, true, false);
    assert_int_equal(read_some(bench, some, sizeof some, &len), ERR_OK);
    assert_true(slice_equal(slice_of(some, len), SLICE_LITERAL("hello")));
}

static void a_stream_that_awaits_bytes_reads_none_until_the_loop_tells(void **state)
{
    struct bench *bench = *state;
    char some[16];
    size_t len = 0;
    assert_int_equal(send(bench->peer, "hello", 5, 0), 5);
    tcp_stream_await_bytes(&bench->tcp);
    assert_int_equal(read_some(bench, some, sizeof some, &len), ERR_AGAIN);
    wait_ready(bench, true, false);
    assert_int_equal(read_some(bench, some, sizeof some, &len), ERR_OK);
    assert_true(slice_equal(slice_of(some, len), SLICE_LITERAL("hello")));
}

static void more_than_is_asked_for_stays_readable(void **state)
{
    struct bench *bench = *state;
    char some[4];
    size_t len = 0;
    assert_int_equal(send(bench->peer, "abcdef", 6, 0), 6);
    wait_ready(bench, true, false);
    assert_int_equal(read_some(bench, some, sizeof some, &len), ERR_OK);
    assert_int_equal(len, 4);
    assert_int_equal(read_some(bench, some, sizeof some, &len), ERR_OK);
    assert_int_equal(len, 2);
    assert_int_equal(read_some(bench, some, sizeof some, &len), ERR_AGAIN);
}

static void a_full_socket_says_again_until_there_is_room(void **state)
{
    struct bench *bench = *state;
    size_t len = 0;
    const size_t total = fill(bench);
    assert_true(total > 0);
    assert_int_equal(stream_write(&bench->tcp.stream, SLICE_LITERAL("x"), &len), ERR_AGAIN);
    assert_int_equal(stream_push(&bench->tcp.stream, SLICE_LITERAL("x"), &len), ERR_AGAIN);
    drain_peer(bench, total);
    wait_ready(bench, false, true);
    assert_int_equal(stream_push(&bench->tcp.stream, SLICE_LITERAL("x"), &len), ERR_OK);
    drain_peer(bench, 1);
}

static void a_flow_into_a_full_socket_waits_and_does_not_spin(void **state)
{
    struct bench *bench = *state;
    struct fake_stream *from = fake_stream_create();
    struct buffer_pool pool = {0};
    struct flow flow;
    const size_t total = fill(bench);
    flow_init(&flow, &from->stream, &bench->tcp.stream, &pool, false);
    fake_stream_feed(from, SLICE_LITERAL("more"));
    assert_int_equal(flow_step(&flow), FLOW_WAITS);
    assert_true(flow_wants_write(&flow));
    assert_false(flow_wants_read(&flow));
    drain_peer(bench, total);
    wait_ready(bench, false, true);
    assert_int_equal(flow_step(&flow), FLOW_WAITS);
    assert_int_equal(flow.passed, 4);
    drain_peer(bench, 4);
    flow_deinit(&flow);
    buffer_pool_deinit(&pool);
    fake_stream_destroy(from);
}

static void nothing_wanted_means_no_calls(void **state)
{
    struct bench *bench = *state;
    stream_want(&bench->tcp.stream, true, true);
    stream_want(&bench->tcp.stream, false, false);
    assert_int_equal(send(bench->peer, "x", 1, 0), 1);
    (void)ev_run(bench->loop, EVRUN_NOWAIT);
    assert_int_equal(bench->ready_count, 0);
    wait_ready(bench, true, false);
    assert_int_equal(bench->ready_count, 1);
}

static void a_fin_is_the_end_and_not_truncation(void **state)
{
    struct bench *bench = *state;
    char some[16];
    size_t len = 0;
    assert_int_equal(send(bench->peer, "last", 4, 0), 4);
    assert_int_equal(shutdown(bench->peer, SHUT_WR), 0);
    wait_ready(bench, true, false);
    assert_int_equal(read_some(bench, some, sizeof some, &len), ERR_OK);
    enum err error = read_some(bench, some, sizeof some, &len);
    if (error == ERR_AGAIN) { // a short read waits for the event
        wait_ready(bench, true, false);
        error = read_some(bench, some, sizeof some, &len);
    }
    assert_int_equal(error, ERR_EOF);
    assert_false(stream_is_truncated(&bench->tcp.stream));
    assert_int_equal(stream_write(&bench->tcp.stream, SLICE_LITERAL("late"), &len), ERR_OK);
    drain_peer(bench, 4);
}

static void a_reset_is_an_error_and_not_an_end(void **state)
{
    struct bench *bench = *state;
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    char some[16];
    size_t len = 0;
    assert_int_equal(setsockopt(bench->peer, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
    assert_int_equal(close(bench->peer), 0);
    bench->peer = -1;
    wait_ready(bench, true, false);
    assert_int_equal(read_some(bench, some, sizeof some, &len), ERR_SYSTEM);
}

static void finishing_ends_one_direction_once(void **state)
{
    struct bench *bench = *state;
    char some[16];
    size_t len = 0;
    assert_int_equal(stream_finish(&bench->tcp.stream), ERR_OK);
    assert_int_equal(stream_finish(&bench->tcp.stream), ERR_OK);
    assert_int_equal(stream_write(&bench->tcp.stream, SLICE_LITERAL("x"), &len), ERR_SYSTEM);
    struct pollfd readable = {.fd = bench->peer, .events = POLLIN};
    assert_int_equal(poll(&readable, 1, 20000), 1);
    assert_int_equal(read(bench->peer, some, sizeof some), 0);
    assert_int_equal(send(bench->peer, "answer", 6, 0), 6);
    wait_ready(bench, true, false);
    assert_int_equal(read_some(bench, some, sizeof some, &len), ERR_OK);
    assert_int_equal(len, 6);
}

static void a_closed_stream_does_nothing_more(void **state)
{
    struct bench *bench = *state;
    char some[16];
    size_t len = 0;
    stream_want(&bench->tcp.stream, true, true);
    stream_close(&bench->tcp.stream, true);
    stream_close(&bench->tcp.stream, false);
    assert_int_equal(tcp_stream_fd(&bench->tcp), -1);
    assert_int_equal(read_some(bench, some, sizeof some, &len), ERR_SYSTEM);
    assert_int_equal(stream_write(&bench->tcp.stream, SLICE_LITERAL("x"), &len), ERR_SYSTEM);
    assert_int_equal(stream_flush(&bench->tcp.stream), ERR_SYSTEM);
    assert_int_equal(stream_finish(&bench->tcp.stream), ERR_SYSTEM);
    stream_want(&bench->tcp.stream, true, true);
    (void)ev_run(bench->loop, EVRUN_NOWAIT);
    assert_int_equal(bench->ready_count, 0);
}

static void the_peer_can_tell_a_reset_from_an_end(void **state)
{
    struct bench *bench = *state;
    char some[16];
    stream_close(&bench->tcp.stream, true);
    struct pollfd readable = {.fd = bench->peer, .events = POLLIN};
    assert_int_equal(poll(&readable, 1, 20000), 1);
    assert_int_equal(read(bench->peer, some, sizeof some), -1);
    assert_int_equal(errno, ECONNRESET);
}

static void what_comes_before_a_stream_is_made_is_noticed(void **state)
{
    (void)state;
    int said[2];
    int ended[2];
    loop_rig_pair(said);
    loop_rig_pair(ended);
    assert_true(tcp_stream_is_silent(said[0]));
    assert_true(tcp_stream_is_silent(ended[0]));
    assert_int_equal(1, write(said[1], "x", 1));
    assert_int_equal(0, shutdown(ended[1], SHUT_WR));
    assert_false(tcp_stream_is_silent(said[0]));
    assert_false(tcp_stream_is_silent(ended[0]));
    for (size_t i = 0; i < 2; i++) {
        (void)close(said[i]);
        (void)close(ended[i]);
    }
}

int main(void)
{
#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_before_a_stream_is_made_is_noticed),
        WITH_BENCH(readiness_is_remembered_and_renewed_by_the_loop),
        WITH_BENCH(a_stream_that_awaits_bytes_reads_none_until_the_loop_tells),
        WITH_BENCH(more_than_is_asked_for_stays_readable),
        WITH_BENCH(a_full_socket_says_again_until_there_is_room),
        WITH_BENCH(a_flow_into_a_full_socket_waits_and_does_not_spin),
        WITH_BENCH(nothing_wanted_means_no_calls),
        WITH_BENCH(a_fin_is_the_end_and_not_truncation),
        WITH_BENCH(a_reset_is_an_error_and_not_an_end),
        WITH_BENCH(finishing_ends_one_direction_once),
        WITH_BENCH(a_closed_stream_does_nothing_more),
        WITH_BENCH(the_peer_can_tell_a_reset_from_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
