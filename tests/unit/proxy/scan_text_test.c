// Questions and answers come out as they went in; what only rises stays behind.
#include "proxy/service/scan_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct scan ask_again(const struct scan *question)
{
    char data[SCAN_QUESTION_CAP];
    struct text text;
    struct scan out = {0};
    text_init(&text, data, sizeof data);
    scan_question_format(question, &text);
    assert_false(text.is_cut);
    assert_int_equal(scan_question_parse(text_slice(&text), &out), ERR_OK);
    return out;
}

static void every_question_comes_out_as_it_went_in(void **state)
{
    (void)state;
    for (int kind = SCAN_TOTALS; kind <= SCAN_KILL_CLIENT; kind++) {
        const struct scan question = {.kind = (enum scan_kind)kind,
                                      .id = "0123456789abcdef",
                                      .client = "agent {uri.path[2]}",
                                      .max_tunnels = 20};
        const struct scan out = ask_again(&question);
        assert_int_equal(out.kind, kind);
        assert_string_equal(out.id, question.id);
        assert_string_equal(out.client, question.client);
        assert_int_equal(out.max_tunnels, 20);
    }
    const struct scan plain = {.kind = SCAN_COUNT};
    const struct scan out = ask_again(&plain);
    assert_string_equal(out.id, "");
    assert_string_equal(out.client, "");
}

static void what_is_no_question_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",           "count", "count x - ", "explode 0 - ", "count 1001 - ", "kill_id 0 abc ",
        "count -1 - "};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct scan out = {0};
        if (scan_question_parse(slice_of_string(texts[i]), &out) != ERR_INPUT)
            fail_msg("%s", texts[i]);
    }
    struct scan out = {0};
    assert_int_equal(scan_question_parse(SLICE_LITERAL("kill_id 0 0123456789abc\0ef "), &out),
                     ERR_INPUT);
    assert_int_equal(scan_question_parse(SLICE_LITERAL("tunnels 20 - a\0b"), &out), ERR_INPUT);
}

static const char answer[] =
    "session serving 3\n"
    "exchange tunnel 2\n"
    "client 2 1 scrapers\n"
    "client 1 1 a b\n"
    "tunnel 0123456789abcdef fedcba9876543210 5 443 10 20 3000 192.0.2.1 2001:db8::1 example.org a b\n"
    "tunnel 1123456789abcdef fedcba9876543210 0 22 1 2 3 - - 192.0.2.7 \n"
    "http2_sessions 1\n"
    "http2_streams 1\n"
    "nobody_sessions 4\n"
    "open 2\n"
    "killed 6\n"
    "found 1\n"
    "partial 1\n";

static void an_answer_is_added_and_can_be_passed_on(void **state)
{
    (void)state;
    char data[2048];
    struct text text;
    struct scan sum = {.kind = SCAN_TUNNELS, .max_tunnels = 20};
    assert_int_equal(scan_answer_parse(slice_of_string(answer), &sum), ERR_OK);
    assert_int_equal(sum.sessions[SESSION_SERVING], 3);
    assert_int_equal(sum.exchanges[EXCHANGE_TUNNEL], 2);
    assert_int_equal(sum.client_count, 2);
    assert_int_equal(sum.tunnel_count, 2);
    assert_string_equal(sum.tunnels[0].host, "example.org");
    assert_string_equal(sum.tunnels[0].client, "a b");
    assert_int_equal(sum.tunnels[0].stream_id, 5);
    assert_int_equal(sum.tunnels[1].upstream.family, IP_NONE);
    assert_true(sum.is_found && sum.is_partial);
    text_init(&text, data, sizeof data);
    scan_answer_format(&sum, &text);
    struct scan again = {.kind = SCAN_TUNNELS, .max_tunnels = 20};
    assert_int_equal(scan_answer_parse(text_slice(&text), &again), ERR_OK);
    assert_int_equal(again.killed, 6);
    assert_int_equal(again.tunnels[0].age_ms, 3000);
    assert_int_equal(scan_answer_parse(text_slice(&text), &again), ERR_OK);
    assert_int_equal(again.killed, 12);
    assert_int_equal(again.client_count, 2);
    scan_deinit(&sum);
    scan_deinit(&again);
}

static void what_only_rises_is_left_out(void **state)
{
    (void)state;
    char data[256];
    struct text text;
    const struct scan scan = {.counters = {.accepted = 7, .tunnels = 3}};
    text_init(&text, data, sizeof data);
    scan_answer_format(&scan, &text);
    assert_string_equal(data, "");
}

static void words_of_another_version_are_passed_over(void **state)
{
    (void)state;
    struct scan sum = {0};
    assert_int_equal(
        scan_answer_parse(SLICE_LITERAL("quic_streams 3 x\nsession dreaming 4\nkilled 1\n"), &sum),
        ERR_OK);
    assert_int_equal(sum.killed, 1);
    scan_deinit(&sum);
}

static void what_is_cut_or_malformed_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "killed 1",
        "killed x\n",
        "killed 1 2\n",
        "session serving\n",
        "session serving 1 2\n",
        "client 1 2 \n",
        "client 1 scrapers\n",
        "tunnel 0123456789abcdef fedcba9876543210 5 70000 10 20 3000 - - h c\n",
        "tunnel short fedcba9876543210 5 443 10 20 3000 - - h c\n",
        "tunnel 0123456789abcdef fedcba9876543210 5 443 10 20 3000 x - h c\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct scan sum = {.max_tunnels = 20};
        if (scan_answer_parse(slice_of_string(texts[i]), &sum) != ERR_INPUT)
            fail_msg("%s", texts[i]);
        scan_deinit(&sum);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_question_comes_out_as_it_went_in),
        cmocka_unit_test(what_is_no_question_is_refused),
        cmocka_unit_test(an_answer_is_added_and_can_be_passed_on),
        cmocka_unit_test(what_only_rises_is_left_out),
        cmocka_unit_test(words_of_another_version_are_passed_over),
        cmocka_unit_test(what_is_cut_or_malformed_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
