// One direction of a tunnel over streams in memory.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy/net/flow.h"
#include "tests/unit/proxy/fake_stream.h"
#include "tests/unit/proxy/random.h"

struct bench {
    struct fake_stream *from;
    struct fake_stream *to;
    struct buffer_pool pool;
    struct flow flow;
};

static void bench_begin(struct bench *bench, bool keeps_records)
{
    *bench = (struct bench){.from = fake_stream_create(), .to = fake_stream_create()};
    flow_init(&bench->flow, &bench->from->stream, &bench->to->stream, &bench->pool, keeps_records);
}

static void bench_end(struct bench *bench)
{
    flow_deinit(&bench->flow);
    assert_int_equal(bench->pool.buffers.lent_count, 0);
    buffer_pool_deinit(&bench->pool);
    fake_stream_destroy(bench->from);
    fake_stream_destroy(bench->to);
}

static int set_up(void **state)
{
    *state = calloc(1, sizeof(struct bench));
    if (*state != NULL)
        bench_begin(*state, false);
    return *state == NULL;
}

static int tear_down(void **state)
{
    bench_end(*state);
    free(*state);
    return 0;
}

static void feed_pattern(struct fake_stream *fake, size_t len)
{
    for (size_t i = 0; i < len; i++)
        fake->in[fake->in_len++] = (uint8_t)(i * 7 + i / 251);
}

static void assert_all_passed(const struct bench *bench)
{
    assert_true(slice_equal(fake_stream_written(bench->to),
                            slice_of(bench->from->in, bench->from->in_len)));
}

static void passes_bytes_and_then_waits_without_a_buffer(void **state)
{
    struct bench *bench = *state;
    fake_stream_feed(bench->from, SLICE_LITERAL("hello"));
    assert_int_equal(flow_step(&bench->flow), FLOW_WAITS);
    assert_all_passed(bench);
    assert_int_equal(bench->flow.passed, 5);
    assert_int_equal(bench->pool.buffers.lent_count, 0);
    assert_true(flow_wants_read(&bench->flow));
    assert_false(flow_wants_write(&bench->flow));
    assert_true(bench->to->flush_count > 0);
    fake_stream_feed(bench->from, SLICE_LITERAL(" world"));
    assert_int_equal(flow_step(&bench->flow), FLOW_WAITS);
    assert_all_passed(bench);
    assert_int_equal(bench->flow.passed, 11);
}

static void a_receiver_without_room_stops_the_reading(void **state)
{
    struct bench *bench = *state;
    feed_pattern(bench->from, 200000);
    bench->to->room = 1000;
    assert_int_equal(flow_step(&bench->flow), FLOW_WAITS);
    assert_int_equal(bench->to->out_len, 1000);
    assert_int_equal(bench->flow.passed, 1000);
    assert_false(flow_wants_read(&bench->flow));
    assert_true(flow_wants_write(&bench->flow));
    assert_int_equal(bench->pool.buffers.lent_count, 1);
    const size_t read_count = bench->from->read_count;
    const size_t taken = bench->from->in_taken;
    assert_true(taken <= BUFFER_CAP);
    for (int i = 0; i < 3; i++)
        assert_int_equal(flow_step(&bench->flow), FLOW_WAITS);
    assert_int_equal(bench->from->read_count, read_count);
    assert_int_equal(bench->from->in_taken, taken);
    bench->to->room = SIZE_MAX;
    assert_int_equal(flow_step(&bench->flow), FLOW_WAITS);
    assert_all_passed(bench);
    assert_int_equal(bench->pool.buffers.lent_count, 0);
    assert_true(flow_wants_read(&bench->flow));
}

static void bytes_that_the_receiver_still_holds_stop_the_reading_too(void **state)
{
    struct bench *bench = *state;
    bench->to->is_flush_blocked = true;
    feed_pattern(bench->from, 100000);
    assert_int_equal(flow_step(&bench->flow), FLOW_WAITS);
    assert_true(flow_wants_write(&bench->flow));
    assert_false(flow_wants_read(&bench->flow));
    assert_int_equal(bench->pool.buffers.lent_count, 0); // they lie in the stream, not here
    assert_true(bench->from->in_taken < bench->from->in_len);
    bench->to->is_flush_blocked = false;
    assert_int_equal(flow_step(&bench->flow), FLOW_WAITS);
    assert_all_passed(bench);
}

static void the_end_is_passed_on_once_and_after_the_last_byte(void **state)
{
    struct bench *bench = *state;
    feed_pattern(bench->from, 70000);
    bench->from->has_end = true;
    bench->to->room = 69999;
    assert_int_equal(flow_step(&bench->flow), FLOW_WAITS);
    assert_int_equal(bench->to->finish_count, 0);
    bench->to->room = 1;
    assert_int_equal(flow_step(&bench->flow), FLOW_DONE);
    assert_int_equal(bench->to->finish_count, 1);
    assert_int_equal(bench->to->out_len_at_finish, 70000);
    assert_all_passed(bench);
    assert_int_equal(flow_step(&bench->flow), FLOW_DONE);
    assert_int_equal(bench->to->finish_count, 1);
    assert_false(flow_wants_read(&bench->flow));
    assert_false(flow_wants_write(&bench->flow));
    assert_false(bench->from->is_closed || bench->to->is_closed);
}

static void an_end_without_close_notify_is_a_failure_where_one_is_demanded(void **state)
{
    struct bench *bench = *state;
    bench->flow.demands_close = true;
    bench->from->has_end = true;
    bench->from->is_truncated = true;
    feed_pattern(bench->from, 100);
    assert_int_equal(flow_step(&bench->flow), FLOW_FROM_FAILED);
    assert_all_passed(bench);
    assert_int_equal(bench->to->finish_count, 0); // nobody takes it for an orderly end
}

static void an_end_that_cannot_go_out_yet_is_waited_for(void **state)
{
    struct bench *bench = *state;
    bench->from->has_end = true;
    bench->to->is_finish_blocked = true;
    assert_int_equal(flow_step(&bench->flow), FLOW_WAITS);
    assert_true(bench->flow.has_end);
    assert_false(bench->flow.is_done);
    assert_true(flow_wants_write(&bench->flow));
    assert_false(flow_wants_read(&bench->flow));
    const size_t read_count = bench->from->read_count;
    bench->to->is_finish_blocked = false;
    assert_int_equal(flow_step(&bench->flow), FLOW_DONE);
    assert_int_equal(bench->from->read_count, read_count); // an end is read once
}

static void a_preamble_goes_first_as_a_piece_of_its_own_and_is_not_counted(void **state)
{
    struct bench *bench = *state;
    fake_stream_feed(bench->from, SLICE_LITERAL("stream"));
    assert_int_equal(flow_preload(&bench->flow, SLICE_LITERAL("answer"), true), ERR_OK);
    assert_int_equal(flow_preload(&bench->flow, SLICE_LITERAL("early"), false), ERR_OK);
    assert_int_equal(flow_step(&bench->flow), FLOW_WAITS);
    assert_true(slice_equal(fake_stream_written(bench->to), SLICE_LITERAL("answerearlystream")));
    assert_int_equal(bench->to->pieces[0], 6);
    assert_int_equal(bench->flow.passed, 11);
    assert_int_equal(bench->pool.buffers.lent_count, 0);
}

static void a_preamble_is_not_counted_when_it_goes_out_in_bits(void **state)
{
    struct bench *bench = *state;
    bench->to->write_max = 4;
    assert_int_equal(flow_preload(&bench->flow, SLICE_LITERAL("answer"), true), ERR_OK);
    assert_int_equal(flow_preload(&bench->flow, SLICE_LITERAL("early"), false), ERR_OK);
    assert_int_equal(flow_step(&bench->flow), FLOW_WAITS);
    assert_true(slice_equal(fake_stream_written(bench->to), SLICE_LITERAL("answerearly")));
    assert_int_equal(bench->to->pieces[1], 2); // never together with what is counted
    assert_int_equal(bench->flow.passed, 5);
}

static void early_bytes_go_out_before_anything_is_read(void **state)
{
    struct bench *bench = *state;
    bench->to->room = 0;
    fake_stream_feed(bench->from, SLICE_LITERAL("later"));
    assert_int_equal(flow_preload(&bench->flow, SLICE_LITERAL("early"), false), ERR_OK);
    assert_int_equal(flow_preload(&bench->flow, (struct slice){0}, false), ERR_OK);
    assert_int_equal(flow_step(&bench->flow), FLOW_WAITS);
    assert_int_equal(bench->from->read_count, 0);
    bench->to->room = SIZE_MAX;
    assert_int_equal(flow_step(&bench->flow), FLOW_WAITS);
    assert_true(slice_equal(fake_stream_written(bench->to), SLICE_LITERAL("earlylater")));
    assert_int_equal(bench->flow.passed, 10);
}

static void early_bytes_reach_a_target_whose_client_has_ended_already(void **state)
{
    struct bench *bench = *state;
    bench->from->has_end = true;
    assert_int_equal(flow_preload(&bench->flow, SLICE_LITERAL("all I have to say"), false), ERR_OK);
    assert_int_equal(flow_step(&bench->flow), FLOW_DONE);
    assert_int_equal(bench->to->out_len_at_finish, strlen("all I have to say"));
}

static void more_than_a_buffer_cannot_be_preloaded(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(flow_preload(&bench->flow, slice_of(bench->from->in, BUFFER_CAP), false),
                     ERR_OK);
    assert_int_equal(flow_preload(&bench->flow, SLICE_LITERAL("x"), false), ERR_LIMIT);
    assert_int_equal(buffer_len(bench->flow.buffer), BUFFER_CAP);
}

static void a_flow_takes_its_share_and_lets_others_go_on(void **state)
{
    struct bench *bench = *state;
    feed_pattern(bench->from, FAKE_CAP);
    size_t steps = 1;
    while (flow_step(&bench->flow) == FLOW_MORE) {
        assert_int_equal(bench->pool.buffers.lent_count, 0);
        assert_true(bench->to->out_len <= steps * 320 * 1024);
        steps++;
    }
    assert_true(steps >= 3);
    assert_all_passed(bench);
}

struct failure {
    enum err error;
    size_t where; // 0 read, 1 write, 2 flush, 3 finish
    enum flow_status status;
};

static void errors_tell_on_which_side_they_happened(void **state)
{
    (void)state;
    static const struct failure failures[] = {
        {ERR_SYSTEM, 0, FLOW_FROM_FAILED}, {ERR_INPUT, 0, FLOW_FROM_FAILED},
        {ERR_MEMORY, 0, FLOW_FROM_FAILED}, {ERR_SYSTEM, 1, FLOW_TO_FAILED},
        {ERR_INPUT, 1, FLOW_TO_FAILED},    {ERR_SYSTEM, 2, FLOW_TO_FAILED},
        {ERR_SYSTEM, 3, FLOW_TO_FAILED},
    };
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
        struct bench bench;
        bench_begin(&bench, false);
        fake_stream_feed(bench.from, SLICE_LITERAL("last words"));
        bench.from->has_end = true;
        enum err *const places[] = {&bench.from->read_failure, &bench.to->write_failure,
                                    &bench.to->flush_failure, &bench.to->finish_failure};
        *places[failures[i].where] = failures[i].error;
        assert_int_equal(flow_step(&bench.flow), failures[i].status);
        assert_false(bench.flow.is_done);
        assert_int_equal(bench.to->finish_count, 0);
        if (failures[i].where == 0)
            assert_all_passed(&bench); // what came before a reset still arrives
        bench_end(&bench);
    }
}

static void add_record(struct fake_stream *fake, size_t body_len)
{
    const uint8_t header[] = {23, 3, 3, (uint8_t)(body_len >> 8), (uint8_t)body_len};
    fake_stream_feed(fake, slice_of(header, sizeof header));
    feed_pattern(fake, body_len);
}

static void inner_records_are_written_apart(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench, true);
    const size_t lens[] = {100, 0, 5000, 1};
    for (size_t i = 0; i < 4; i++)
        add_record(bench.from, lens[i]);
    assert_int_equal(flow_preload(&bench.flow, SLICE_LITERAL("HTTP/1.1 200 OK\r\n\r\n"), true),
                     ERR_OK);
    assert_int_equal(flow_step(&bench.flow), FLOW_WAITS);
    assert_int_equal(bench.to->piece_count, 5);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(bench.to->pieces[i + 1], lens[i] + 5);
    assert_int_equal(bench.flow.passed, bench.from->in_len);
    bench_end(&bench);
}

static void records_that_come_in_bits_are_written_apart_too(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench, true);
    const size_t lens[] = {20, 0, 33, 1, 50};
    size_t borders[5];
    for (size_t i = 0; i < 5; i++) {
        add_record(bench.from, lens[i]);
        borders[i] = bench.from->in_len;
    }
    bench.from->read_max = 7;
    bench.to->write_max = 3;
    assert_int_equal(flow_step(&bench.flow), FLOW_WAITS);
    assert_all_passed(&bench);
    size_t at = 0;
    for (size_t i = 0; i < bench.to->piece_count; i++) {
        const size_t next = at + bench.to->pieces[i];
        for (size_t j = 0; j < 5; j++)
            assert_false(borders[j] > at && borders[j] < next);
        at = next;
    }
    bench_end(&bench);
}

static void without_keeping_records_bytes_are_written_together(void **state)
{
    struct bench *bench = *state;
    add_record(bench->from, 100);
    add_record(bench->from, 100);
    assert_int_equal(flow_step(&bench->flow), FLOW_WAITS);
    assert_int_equal(bench->to->piece_count, 1);
}

// run_to_the_end drives a flow as a loop would, counting steps so that one that spins is seen.
static void run_to_the_end(struct bench *bench)
{
    for (int steps = 0; steps < 10000; steps++) {
        const enum flow_status status = flow_step(&bench->flow);
        if (status == FLOW_DONE)
            return;
        assert_true(status == FLOW_WAITS || status == FLOW_MORE);
        if (status == FLOW_WAITS)
            assert_true(flow_wants_read(&bench->flow) != flow_wants_write(&bench->flow));
    }
    fail_msg("the flow does not end");
}

static void prepare_scenario(struct bench *bench)
{
    bench_begin(bench, true);
    bench->from->read_max = 500;
    bench->from->has_end = true;
    bench->to->write_max = 300;
    for (size_t i = 0; i < 8; i++)
        add_record(bench->from, 150 * i);
    assert_int_equal(flow_preload(&bench->flow, SLICE_LITERAL("preamble"), true), ERR_OK);
    assert_int_equal(flow_preload(&bench->flow, SLICE_LITERAL("\x17\x03\x03\x00\x01x"), false),
                     ERR_OK);
}

static void nothing_is_lost_or_doubled_whichever_operation_says_again(void **state)
{
    (void)state;
    struct bench plain;
    prepare_scenario(&plain);
    run_to_the_end(&plain);
    const size_t reads = plain.from->operations;
    const size_t writes = plain.to->operations;
    assert_true(reads > 5 && writes > 20);
    for (size_t at = 1; at <= reads + writes; at++) {
        struct bench bench;
        prepare_scenario(&bench);
        bench.from->again_at = at <= reads ? at : 0;
        bench.to->again_at = at > reads ? at - reads : 0;
        run_to_the_end(&bench);
        assert_true(slice_equal(fake_stream_written(bench.to), fake_stream_written(plain.to)));
        assert_int_equal(bench.flow.passed, plain.flow.passed);
        assert_int_equal(bench.to->finish_count, 1);
        assert_int_equal(bench.to->out_len_at_finish, bench.to->out_len);
        assert_int_equal(bench.pool.buffers.lent_count, 0);
        bench_end(&bench);
    }
    bench_end(&plain);
}

static void any_rhythm_of_room_and_bytes_gives_the_same_stream(void **state)
{
    (void)state;
    struct random random = {.state = 4711};
    for (int round = 0; round < 60; round++) {
        struct bench bench;
        bench_begin(&bench, round % 2 == 0);
        bench.to->room = 0;
        const size_t total = 1 + random_below(&random, 150000);
        size_t passed = 0;
        while (!bench.flow.is_done) {
            const size_t left = total - bench.from->in_len;
            const size_t more = random_below(&random, 20000);
            feed_pattern(bench.from, more < left ? more : left);
            bench.from->has_end = bench.from->in_len == total;
            bench.to->room += random_below(&random, 20000);
            (void)flow_step(&bench.flow);
            assert_true(bench.flow.passed >= passed);
            assert_int_equal(bench.flow.passed, bench.to->out_len);
            assert_true(bench.pool.buffers.lent_count ==
                        (buffer_len(bench.flow.buffer) > 0 ? 1 : 0));
            passed = bench.flow.passed;
        }
        assert_all_passed(&bench);
        bench_end(&bench);
    }
}

static void an_unused_flow_can_be_deinited(void **state)
{
    (void)state;
    struct flow flow = {0};
    flow_deinit(&flow);
}

int main(void)
{
#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_BENCH(passes_bytes_and_then_waits_without_a_buffer),
        WITH_BENCH(a_receiver_without_room_stops_the_reading),
        WITH_BENCH(bytes_that_the_receiver_still_holds_stop_the_reading_too),
        WITH_BENCH(the_end_is_passed_on_once_and_after_the_last_byte),
        WITH_BENCH(an_end_without_close_notify_is_a_failure_where_one_is_demanded),
        WITH_BENCH(an_end_that_cannot_go_out_yet_is_waited_for),
        WITH_BENCH(a_preamble_goes_first_as_a_piece_of_its_own_and_is_not_counted),
        WITH_BENCH(a_preamble_is_not_counted_when_it_goes_out_in_bits),
        WITH_BENCH(early_bytes_go_out_before_anything_is_read),
        WITH_BENCH(early_bytes_reach_a_target_whose_client_has_ended_already),
        WITH_BENCH(more_than_a_buffer_cannot_be_preloaded),
        WITH_BENCH(a_flow_takes_its_share_and_lets_others_go_on),
        cmocka_unit_test(errors_tell_on_which_side_they_happened),
        cmocka_unit_test(inner_records_are_written_apart),
        cmocka_unit_test(records_that_come_in_bits_are_written_apart_too),
        WITH_BENCH(without_keeping_records_bytes_are_written_together),
        cmocka_unit_test(nothing_is_lost_or_doubled_whichever_operation_says_again),
        cmocka_unit_test(any_rhythm_of_room_and_bytes_gives_the_same_stream),
        cmocka_unit_test(an_unused_flow_can_be_deinited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
