// A forward between a client in memory and a target at the other end of a socketpair. The target has said all that it
// says before the first step.
#include <ev.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/limits/ledger.h"
#include "proxy/session/forward.h"
#include "tests/unit/proxy/fake_stream.h"

#define REQUEST                                                                                    \
    "GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n"                                        \
    "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n"
#define INTERIM "HTTP/1.1 103 Early Hints\r\n"
#define SWITCH  "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"

enum { INTERIM_COUNT = 16, FIELD_LEN = 7900, SOCKET_CAP = 200 * 1024 };

struct bench {
    struct session_context context;
    struct account *account;
    struct request request;
    struct fake_stream *client;
    struct peer peer;
    struct channel channel;
    struct forward *forward;
    int target; // the target's end
};

static void bench_begin(struct bench *bench)
{
    static const int cap = SOCKET_CAP;
    struct message_head head;
    const char *why = NULL;
    int fds[2];
    *bench = (struct bench){.client = fake_stream_create(),
                            .account = calloc(1, sizeof *bench->account)};
    assert_non_null(bench->account);
    bench->context.loop = ev_loop_new(0);
    assert_non_null(bench->context.loop);
    bench->peer = (struct peer){.context = &bench->context};
    channel_init(&bench->channel, &bench->peer, &bench->client->stream);
    assert_int_equal(request_head_parse(SLICE_LITERAL(REQUEST), HEAD_MAX_LEN, &head, &why),
                     HEAD_OK);
    assert_int_equal(request_take(&bench->request, &head).status, 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &cap, sizeof cap), 0);
    bench->target = fds[1];
    struct line line = {.stream = NULL};
    line_open_socket(&line, &bench->channel, fds[0]);
    assert_int_equal(forward_create(&bench->channel, &line, (struct slice){0}, &bench->request,
                                    bench->account, false, &bench->forward),
                     ERR_OK);
}

static void bench_end(struct bench *bench)
{
    forward_destroy(bench->forward, true);
    channel_empty(&bench->channel);
    assert_int_equal(bench->context.buffers.buffers.lent_count, 0);
    buffer_pool_deinit(&bench->context.buffers);
    fake_stream_destroy(bench->client);
    free(bench->account);
    ev_loop_destroy(bench->context.loop);
    assert_int_equal(close(bench->target), 0);
}

// say has the target send `line`, and a field of `field_len` bytes that ends the head.
static void say(const struct bench *bench, const char *line, size_t field_len)
{
    char data[FIELD_LEN + 256];
    struct text text;
    text_init(&text, data, sizeof data);
    text_append_string(&text, line);
    text_append_string(&text, "X: ");
    for (size_t i = 0; i < field_len; i++)
        text_append_string(&text, "x");
    text_append_string(&text, "\r\n\r\n");
    assert_false(text.is_cut);
    assert_int_equal(send(bench->target, data, text.len, MSG_NOSIGNAL), text.len);
}

static void a_switch_goes_after_the_interim_responses_that_wait(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    bench.client->room = 0;
    say(&bench, INTERIM, 10);
    say(&bench, SWITCH, 10);
    assert_int_equal(forward_step(bench.forward), FORWARD_UPGRADED);
    const struct slice out = buffer_unread(bench.forward->down.out);
    assert_true(slice_starts_with(out, SLICE_LITERAL(INTERIM)));
    assert_true(
        slice_ends_with(out, SLICE_LITERAL("Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n")));
    assert_int_equal(bench.client->out_len, 0);
    bench_end(&bench);
}

static void a_switch_that_does_not_fit_after_them_is_bad(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    bench.client->room = 0;
    for (size_t i = 0; i < INTERIM_COUNT; i++)
        say(&bench, INTERIM, FIELD_LEN);
    say(&bench, SWITCH, FIELD_LEN);
    assert_int_equal(forward_step(bench.forward), FORWARD_BAD);
    assert_int_equal(bench.forward->reason, REASON_BAD_RESPONSE);
    assert_string_equal(bench.forward->why, "head too large");
    assert_int_equal(bench.client->out_len, 0);
    bench_end(&bench);
}

static const struct {
    size_t room; // bytes that the client takes of the interim response
    enum forward_status status;
} ends[] = {{0, FORWARD_BAD}, {10, FORWARD_BROKEN}, {SIZE_MAX, FORWARD_BAD}};

static void an_answer_is_possible_only_where_no_interim_response_has_gone_out_in_part(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct bench bench;
        bench_begin(&bench);
        bench.client->room = ends[i].room;
        say(&bench, INTERIM, 10);
        assert_int_equal(forward_step(bench.forward), FORWARD_WAITS);
        assert_int_equal(shutdown(bench.target, SHUT_WR), 0);
        bench.forward->line.tcp.can_read = true; // as the loop would say
        assert_int_equal(forward_step(bench.forward), ends[i].status);
        assert_int_equal(forward_has_begun_answer(bench.forward), ends[i].status == FORWARD_BROKEN);
        assert_int_equal(bench.forward->reason, REASON_BAD_RESPONSE);
        bench_end(&bench);
    }
}

static void a_forward_that_moves_leaves_the_bandwidth_of_the_old_account(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    struct account *other = calloc(1, sizeof *other);
    assert_non_null(other);
    forward_move_pace(bench.forward, other);
    assert_ptr_equal(bench.forward->up.pacer.bandwidth, &other->up);
    assert_ptr_equal(bench.forward->down.pacer.bandwidth, &other->down);
    free(bench.account); // as the ledger does when nobody holds it
    bench.account = other;
    say(&bench, SWITCH, 10);
    assert_int_equal(forward_step(bench.forward), FORWARD_UPGRADED);
    bench_end(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_switch_goes_after_the_interim_responses_that_wait),
        cmocka_unit_test(a_switch_that_does_not_fit_after_them_is_bad),
        cmocka_unit_test(an_answer_is_possible_only_where_no_interim_response_has_gone_out_in_part),
        cmocka_unit_test(a_forward_that_moves_leaves_the_bandwidth_of_the_old_account),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
