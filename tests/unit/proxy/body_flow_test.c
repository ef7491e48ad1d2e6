// A body on its way over streams in memory: however it is cut, what comes out is what went in.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy/session/body_flow.h"
#include "tests/unit/proxy/fake_stream.h"
#include "tests/unit/proxy/random.h"

enum { RUNS = 400, CONTENT_MAX = 200 * 1024, BEHIND_MAX = 16 * 1024 };

struct bench {
    struct fake_stream *from;
    struct fake_stream *to;
    struct buffer_pool pool;
    struct body_flow flow;
};

static void bench_begin(struct bench *bench)
{
    *bench = (struct bench){.from = fake_stream_create(), .to = fake_stream_create()};
    body_flow_init(&bench->flow, &bench->from->stream, &bench->to->stream, &bench->pool,
                   BEHIND_MAX);
}

static void bench_end(struct bench *bench)
{
    body_flow_deinit(&bench->flow);
    assert_int_equal(bench->pool.buffers.lent_count, 0);
    buffer_pool_deinit(&bench->pool);
    fake_stream_destroy(bench->from);
    fake_stream_destroy(bench->to);
}

// decode reads a whole body out of `text`; its content, on the heap.
static uint8_t *decode(enum body_kind kind, uint64_t length, struct slice text, size_t *out_len)
{
    struct body_reader reader;
    uint8_t *content = malloc(text.len + 1);
    enum body_result result = BODY_DATA;
    assert_non_null(content);
    *out_len = 0;
    body_reader_init(&reader, kind, length);
    while (result == BODY_DATA) {
        struct slice piece;
        const char *why = NULL;
        size_t used = 0;
        result = body_reader_next(&reader, text, &used, &piece, &why);
        if (result == BODY_DATA) {
            assert_true(bytes_copy(content + *out_len, piece.len, piece));
            *out_len += piece.len;
        }
        text = slice_from(text, used);
    }
    assert_true(kind == BODY_TO_END ? result == BODY_MORE : result == BODY_DONE);
    assert_int_equal(text.len, 0);
    return content;
}

// feed_body gives the sender a body of `content`, in the framing of `kind`.
static void feed_body(struct fake_stream *from, enum body_kind kind, struct slice content,
                      struct random *random)
{
    char *chunk = malloc(CONTENT_MAX + 64);
    assert_non_null(chunk);
    if (kind != BODY_CHUNKED)
        fake_stream_feed(from, content);
    while (kind == BODY_CHUNKED && content.len > 0) {
        struct text text;
        const struct slice piece = slice_first(content, 1 + random_below(random, 40000));
        text_init(&text, chunk, CONTENT_MAX + 64);
        body_chunk_append(piece, &text);
        fake_stream_feed(from, text_slice(&text));
        content = slice_from(content, piece.len);
    }
    if (kind == BODY_CHUNKED)
        fake_stream_feed(from, SLICE_LITERAL("0\r\nDigest: x\r\n\r\n"));
    free(chunk);
}

// run passes one body on, with reads and writes of every size and room that comes bit by bit.
static void run(struct random *random)
{
    static const enum body_kind kinds[] = {BODY_LENGTH, BODY_CHUNKED, BODY_TO_END};
    static uint8_t content[CONTENT_MAX];
    struct bench bench;
    const enum body_kind kind = kinds[random_below(random, 3)];
    const enum body_kind as = random_below(random, 2) == 0 ? BODY_CHUNKED : BODY_TO_END;
    const size_t len =
        random_below(random, 3) == 0 ? random_below(random, 50) : random_below(random, CONTENT_MAX);
    const struct slice behind = slice_first(SLICE_LITERAL("GET / HTTP/1.1\r\n\r\n"),
                                            kind == BODY_TO_END ? 0 : random_below(random, 18));
    enum body_flow_status status = BODY_FLOW_WAITS;
    for (size_t i = 0; i < len; i++)
        content[i] = (uint8_t)random_below(random, 256);
    bench_begin(&bench);
    feed_body(bench.from, kind, slice_of(content, len), random);
    fake_stream_feed(bench.from, behind);
    bench.from->has_end = kind == BODY_TO_END;
    bench.from->read_max = random_below(random, 2) == 0 ? 0 : 1 + random_below(random, 30000);
    bench.to->write_max = random_below(random, 2) == 0 ? 0 : 100 + random_below(random, 30000);
    bench.to->room = random_below(random, 2) == 0 ? FAKE_CAP : 0;
    body_flow_expect(&bench.flow, kind, len, as);
    for (size_t turns = 0; status == BODY_FLOW_WAITS || status == BODY_FLOW_MORE; turns++) {
        assert_true(turns < 100000);
        status = body_flow_step(&bench.flow);
        if (status == BODY_FLOW_WAITS) {
            assert_true(body_flow_wants_write(&bench.flow));
            bench.to->room += 1 + random_below(random, 50000);
        }
    }
    assert_int_equal(status, BODY_FLOW_DONE);
    assert_int_equal(bench.flow.passed, len);
    // What stands after has been read not at all, in part, or whole; nothing of it is gone.
    const struct slice unread = body_flow_unread(&bench.flow);
    assert_true(unread.len <= behind.len && slice_starts_with(behind, unread));
    assert_int_equal(bench.from->in_len - bench.from->in_taken, behind.len - unread.len);
    size_t got = 0;
    uint8_t *decoded = decode(as, len, fake_stream_written(bench.to), &got);
    assert_true(slice_equal(slice_of(decoded, got), slice_of(content, len)));
    free(decoded);
    bench_end(&bench);
}

static void what_comes_out_is_what_went_in(void **state)
{
    (void)state;
    struct random random = {.state = 20261122};
    for (size_t i = 0; i < RUNS; i++)
        run(&random);
}

static void a_waiting_flow_holds_no_buffer(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    body_flow_expect(&bench.flow, BODY_CHUNKED, 0, BODY_CHUNKED);
    fake_stream_feed(bench.from, SLICE_LITERAL("5\r\nhello\r\n"));
    assert_int_equal(body_flow_step(&bench.flow), BODY_FLOW_WAITS);
    assert_true(slice_equal(fake_stream_written(bench.to), SLICE_LITERAL("5\r\nhello\r\n")));
    assert_int_equal(bench.pool.buffers.lent_count, 0);
    assert_true(body_flow_wants_read(&bench.flow) && !body_flow_wants_write(&bench.flow));
    bench_end(&bench);
}

// put_head makes a head the next thing to be written.
static void put_head(struct bench *bench)
{
    struct text text;
    assert_true(body_flow_begin_out(&bench->flow, &text));
    text_append_string(&text, "HEAD\r\n");
    assert_true(body_flow_end_out(&bench->flow, &text));
}

static void the_head_goes_with_the_first_bytes(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    put_head(&bench);
    assert_int_equal(body_flow_give(&bench.flow, SLICE_LITERAL("helloGET")), ERR_OK);
    body_flow_expect(&bench.flow, BODY_LENGTH, 5, BODY_LENGTH);
    assert_int_equal(body_flow_step(&bench.flow), BODY_FLOW_DONE);
    assert_true(slice_equal(fake_stream_written(bench.to), SLICE_LITERAL("HEAD\r\nhello")));
    assert_int_equal(bench.to->piece_count, 1);
    assert_true(slice_equal(body_flow_unread(&bench.flow), SLICE_LITERAL("GET")));
    bench_end(&bench);
}

static void a_head_that_has_gone_out_in_part_is_told_apart(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    put_head(&bench);
    assert_false(body_flow_is_cut(&bench.flow));
    bench.to->room = 3;
    assert_int_equal(body_flow_push(&bench.flow), ERR_AGAIN);
    assert_true(body_flow_is_cut(&bench.flow));
    bench.to->room = 3;
    assert_int_equal(body_flow_push(&bench.flow), ERR_OK);
    assert_false(body_flow_is_cut(&bench.flow));
    bench_end(&bench);
}

static const struct {
    enum body_kind kind;
    const char *text;
    bool has_end;
    enum err failure;
    enum body_flow_status status;
} broken[] = {
    {BODY_LENGTH, "hell", true, ERR_OK, BODY_FLOW_FROM_CUT},
    {BODY_LENGTH, "", true, ERR_OK, BODY_FLOW_FROM_CUT},
    {BODY_CHUNKED, "5\r\nhello\r\n", true, ERR_OK, BODY_FLOW_FROM_CUT},
    {BODY_CHUNKED, "5\r\nhello\r\n0\r\n", true, ERR_OK, BODY_FLOW_FROM_CUT},
    {BODY_CHUNKED, "5\r\nhello!\r\n", false, ERR_OK, BODY_FLOW_FROM_BAD},
    {BODY_CHUNKED, "x\r\n", false, ERR_OK, BODY_FLOW_FROM_BAD},
    {BODY_LENGTH, "hell", false, ERR_SYSTEM, BODY_FLOW_FROM_FAILED},
    {BODY_TO_END, "hell", false, ERR_SYSTEM, BODY_FLOW_FROM_FAILED},
};

static void a_body_that_breaks_off_is_never_ended(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        struct bench bench;
        bench_begin(&bench);
        body_flow_expect(&bench.flow, broken[i].kind, 5, BODY_CHUNKED);
        fake_stream_feed(bench.from, slice_of_string(broken[i].text));
        bench.from->has_end = broken[i].has_end;
        bench.from->read_failure = broken[i].failure;
        assert_int_equal(body_flow_step(&bench.flow), broken[i].status);
        assert_false(slice_ends_with(fake_stream_written(bench.to), SLICE_LITERAL("0\r\n\r\n")));
        bench_end(&bench);
    }
}

static void a_receiver_that_fails_is_told_apart(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    body_flow_expect(&bench.flow, BODY_LENGTH, 5, BODY_LENGTH);
    fake_stream_feed(bench.from, SLICE_LITERAL("hello"));
    bench.to->write_failure = ERR_SYSTEM;
    assert_int_equal(body_flow_step(&bench.flow), BODY_FLOW_TO_FAILED);
    bench_end(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_out_is_what_went_in),
        cmocka_unit_test(a_waiting_flow_holds_no_buffer),
        cmocka_unit_test(the_head_goes_with_the_first_bytes),
        cmocka_unit_test(a_head_that_has_gone_out_in_part_is_told_apart),
        cmocka_unit_test(a_body_that_breaks_off_is_never_ended),
        cmocka_unit_test(a_receiver_that_fails_is_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
