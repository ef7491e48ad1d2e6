// Bodies: where they end, however they arrive, and at greater length what is refused.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy/http/body.h"

enum { CONTENT_CAP = 4096 };

struct outcome {
    enum body_result result; // of the last call
    size_t used;             // of the whole text
    char content[CONTENT_CAP];
    size_t content_len;
    char trailer[CONTENT_CAP];
    bool ends_well;
};

// read_body gives `text` to a reader, `step` bytes more each time; what was not used is given again, from a
// copy of exactly that size, so that reading too far is seen.
static void read_body(enum body_kind kind, uint64_t length, struct slice text, size_t step,
                      struct outcome *out)
{
    struct body_reader reader;
    *out = (struct outcome){.result = BODY_MORE};
    body_reader_init(&reader, kind, length);
    for (size_t arrived = step < text.len ? step : text.len;;) {
        const struct slice unread = slice_from(slice_first(text, arrived), out->used);
        uint8_t *copy = malloc(unread.len + 1);
        struct slice content;
        const char *why = NULL;
        size_t used = 0;
        assert_true(copy != NULL && bytes_copy(copy, unread.len, unread));
        out->result = body_reader_next(&reader, slice_of(copy, unread.len), &used, &content, &why);
        assert_true(used <= unread.len);
        out->used += used;
        if (out->result == BODY_DATA) {
            assert_true(content.len > 0);
            assert_true(bytes_copy(out->content + out->content_len, CONTENT_CAP - out->content_len,
                                   content));
            out->content_len += content.len;
        }
        if (out->result == BODY_DONE)
            assert_true(string_copy(out->trailer, CONTENT_CAP, content));
        if (out->result == BODY_BAD)
            assert_true(why != NULL && why[0] != '\0');
        free(copy);
        if (out->result == BODY_DONE || out->result == BODY_BAD)
            break;
        if (out->result == BODY_MORE && arrived == text.len)
            break;
        if (out->result == BODY_MORE)
            arrived = arrived + step < text.len ? arrived + step : text.len;
    }
    out->ends_well = body_reader_ends_well(&reader);
}

static const size_t steps[] = {1, 2, 3, 5, 7, 1 << 20};

struct whole {
    const char *text;
    const char *content;
    const char *trailer;
};

static const struct whole whole[] = {
    {"0\r\n\r\n", "", ""},
    {"000\r\n\r\n", "", ""},
    {"5\r\nhello\r\n0\r\n\r\n", "hello", ""},
    {"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world", ""},
    {"00000005\r\nhello\r\n0\r\n\r\n", "hello", ""},
    {"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789", ""},
    {"2\r\n\r\n\r\n0\r\n\r\n", "\r\n", ""},
    {"5\r\n0\r\n\r\n\r\n0\r\n\r\n", "0\r\n\r\n", ""},
    {"5;a\r\nhello\r\n0;b=c\r\n\r\n", "hello", ""},
    {"5;a=\"b;c\";d\r\nhello\r\n0\r\n\r\n", "hello", ""},
    {"5\r\nhello\r\n0\r\nA: b\r\n\r\n", "hello", "A: b\r\n"},
    {"0\r\nA: b\r\nC:\r\n\r\n", "", "A: b\r\nC:\r\n"},
};

static void a_chunked_body_is_read_however_it_arrives(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        for (size_t j = 0; j < sizeof steps / sizeof *steps; j++) {
            struct outcome outcome;
            const struct slice text = slice_of_string(whole[i].text);
            read_body(BODY_CHUNKED, 0, text, steps[j], &outcome);
            if (outcome.result != BODY_DONE)
                fail_msg("not done: %s", whole[i].text);
            assert_int_equal(outcome.used, text.len);
            assert_true(outcome.ends_well);
            assert_true(slice_equal(slice_of(outcome.content, outcome.content_len),
                                    slice_of_string(whole[i].content)));
            assert_string_equal(outcome.trailer, whole[i].trailer);
        }
    }
}

static void no_prefix_of_a_chunked_body_is_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        const struct slice text = slice_of_string(whole[i].text);
        for (size_t len = 0; len < text.len; len++) {
            struct outcome outcome;
            read_body(BODY_CHUNKED, 0, slice_first(text, len), 1 << 20, &outcome);
            assert_int_equal(outcome.result, BODY_MORE);
            assert_false(outcome.ends_well);
        }
    }
}

static void what_stands_behind_a_body_is_left_alone(void **state)
{
    (void)state;
    static const char *const behind[] = {"\r\n", "0\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "\0x"};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        for (size_t j = 0; j < sizeof behind / sizeof *behind; j++) {
            char text[256];
            struct outcome outcome;
            (void)snprintf(text, sizeof text, "%s%s", whole[i].text, behind[j]);
            read_body(BODY_CHUNKED, 0, slice_of_string(text), 1 << 20, &outcome);
            assert_int_equal(outcome.result, BODY_DONE);
            assert_int_equal(outcome.used, strlen(whole[i].text));
        }
    }
    struct outcome outcome;
    read_body(BODY_LENGTH, 5, SLICE_LITERAL("helloGET"), 3, &outcome);
    assert_int_equal(outcome.result, BODY_DONE);
    assert_int_equal(outcome.used, 5);
    read_body(BODY_NONE, 9, SLICE_LITERAL("GET"), 3, &outcome);
    assert_int_equal(outcome.result, BODY_DONE);
    assert_int_equal(outcome.used, 0);
}

static const struct slice refused[] = {
    // sizes
    SLICE_LITERAL("\r\nhello\r\n0\r\n\r\n"),
    SLICE_LITERAL(" 5\r\nhello\r\n0\r\n\r\n"),
    SLICE_LITERAL("5 \r\nhello\r\n0\r\n\r\n"),
    SLICE_LITERAL("5\t\r\nhello\r\n0\r\n\r\n"),
    SLICE_LITERAL("5 ;a\r\nhello\r\n0\r\n\r\n"),
    SLICE_LITERAL("+5\r\nhello\r\n0\r\n\r\n"),
    SLICE_LITERAL("-5\r\nhello\r\n0\r\n\r\n"),
    SLICE_LITERAL("0x5\r\nhello\r\n0\r\n\r\n"),
    SLICE_LITERAL("0X5\r\nhello\r\n0\r\n\r\n"),
    SLICE_LITERAL("5h\r\nhello\r\n0\r\n\r\n"),
    SLICE_LITERAL("g\r\nhello\r\n0\r\n\r\n"),
    SLICE_LITERAL("5,5\r\nhello\r\n0\r\n\r\n"),
    SLICE_LITERAL("5.0\r\nhello\r\n0\r\n\r\n"),
    SLICE_LITERAL("5_0\r\nhello\r\n0\r\n\r\n"),
    SLICE_LITERAL("\"5\"\r\nhello\r\n0\r\n\r\n"),
    SLICE_LITERAL("8000000000000000\r\nhello\r\n0\r\n\r\n"),
    SLICE_LITERAL("ffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
    SLICE_LITERAL("10000000000000005\r\nhello\r\n0\r\n\r\n"),
    SLICE_LITERAL("00000000000000005\r\nhello\r\n0\r\n\r\n"),
    SLICE_LITERAL("5\0\r\nhello\r\n0\r\n\r\n"),
    SLICE_LITERAL("\xEF\xBC\x95\r\nhello\r\n0\r\n\r\n"),
    // extensions
    SLICE_LITERAL("5;\r\nhello\r\n0\r\n\r\n"),
    SLICE_LITERAL("5;a\0\r\nhello\r\n0\r\n\r\n"),
    SLICE_LITERAL("5;a\x01\r\nhello\r\n0\r\n\r\n"),
    SLICE_LITERAL("5;a\nhello\r\n0\r\n\r\n"),
    SLICE_LITERAL("5;a\rb\r\nhello\r\n0\r\n\r\n"),
    SLICE_LITERAL("5:a\r\nhello\r\n0\r\n\r\n"),
    SLICE_LITERAL("5,a\r\nhello\r\n0\r\n\r\n"),
    // line ends
    SLICE_LITERAL("5\nhello\r\n0\r\n\r\n"),
    SLICE_LITERAL("5\rhello\r\n0\r\n\r\n"),
    SLICE_LITERAL("5\r\r\nhello\r\n0\r\n\r\n"),
    SLICE_LITERAL("5\r\nhello0\r\n\r\n"),
    SLICE_LITERAL("5\r\nhello\n0\r\n\r\n"),
    SLICE_LITERAL("5\r\nhello\r0\r\n\r\n"),
    SLICE_LITERAL("5\r\nhello \r\n0\r\n\r\n"),
    SLICE_LITERAL("5\r\nhello\r\n\r\n0\r\n\r\n"),
    SLICE_LITERAL("4\r\nhello\r\n0\r\n\r\n"),
    SLICE_LITERAL("6\r\nhello\r\n0\r\n\r\n"),
    SLICE_LITERAL("0\n\r\n"),
    SLICE_LITERAL("0\r\n\n"),
    // trailers
    SLICE_LITERAL("0\r\nA : b\r\n\r\n"),
    SLICE_LITERAL("0\r\n: b\r\n\r\n"),
    SLICE_LITERAL("0\r\nA\r\n\r\n"),
    SLICE_LITERAL("0\r\nA: b\n\r\n"),
    SLICE_LITERAL("0\r\nA: b\r\n c\r\n\r\n"),
    SLICE_LITERAL("0\r\nA: \0\r\n\r\n"),
    SLICE_LITERAL("0\r\nA: b\rC: d\r\n\r\n"),
    SLICE_LITERAL("0\r\nGET http://b/ HTTP/1.1\r\n\r\n"),
};

static void a_chunked_body_that_is_not_plainly_one_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        for (size_t j = 0; j < sizeof steps / sizeof *steps; j++) {
            struct outcome outcome;
            read_body(BODY_CHUNKED, 0, refused[i], steps[j], &outcome);
            if (outcome.result != BODY_BAD)
                fail_msg("result %d: %.*s", outcome.result, (int)refused[i].len, refused[i].data);
            assert_false(outcome.ends_well);
        }
    }
}

static struct slice repeated(char *data, size_t cap, const char *begin, const char *piece,
                             size_t count)
{
    struct text text;
    text_init(&text, data, cap);
    text_append_string(&text, begin);
    for (size_t i = 0; i < count; i++)
        text_append_string(&text, piece);
    assert_false(text.is_cut);
    return text_slice(&text);
}

static void what_surrounds_the_content_is_bounded(void **state)
{
    (void)state;
    const size_t cap = 512 * 1024;
    char *data = malloc(cap);
    struct outcome outcome;
    assert_non_null(data);
    // A line of extensions without end, many small ones, a trailer without end, many fields in it.
    read_body(BODY_CHUNKED, 0, repeated(data, cap, "1;", "a", BODY_MAX_CHUNK_LINE_LEN), 100,
              &outcome);
    assert_int_equal(outcome.result, BODY_BAD);
    read_body(BODY_CHUNKED, 0,
              repeated(data, cap, "", "1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nb\r\n", 400), 1 << 20,
              &outcome);
    assert_int_equal(outcome.result, BODY_MORE);
    read_body(BODY_CHUNKED, 0,
              repeated(data, cap, "", "1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nb\r\n", 600), 1 << 20,
              &outcome);
    assert_int_equal(outcome.result, BODY_BAD);
    read_body(BODY_CHUNKED, 0, repeated(data, cap, "0\r\nA: ", "b", BODY_MAX_TRAILER_LEN), 1000,
              &outcome);
    assert_int_equal(outcome.result, BODY_BAD);
    read_body(BODY_CHUNKED, 0,
              repeated(data, cap, "0\r\n", "A: b\r\n", BODY_MAX_TRAILER_FIELDS + 1), 1 << 20,
              &outcome);
    assert_int_equal(outcome.result, BODY_BAD);
    read_body(BODY_CHUNKED, 0, repeated(data, cap, "0\r\n", "A: b\r\n", BODY_MAX_TRAILER_FIELDS),
              1 << 20, &outcome);
    assert_int_equal(outcome.result, BODY_MORE);
    free(data);
}

static void a_body_of_known_length_ends_there(void **state)
{
    (void)state;
    struct outcome outcome;
    read_body(BODY_LENGTH, 5, SLICE_LITERAL("hell"), 1, &outcome);
    assert_int_equal(outcome.result, BODY_MORE);
    assert_false(outcome.ends_well);
    read_body(BODY_LENGTH, 5, SLICE_LITERAL("hello"), 1, &outcome);
    assert_int_equal(outcome.result, BODY_DONE);
    assert_true(outcome.ends_well);
    read_body(BODY_LENGTH, 0, SLICE_LITERAL(""), 1, &outcome);
    assert_int_equal(outcome.result, BODY_DONE);
}

static void a_body_without_length_ends_with_its_sender(void **state)
{
    (void)state;
    struct outcome outcome;
    read_body(BODY_TO_END, 0, SLICE_LITERAL("hello\r\n0\r\n\r\n"), 4, &outcome);
    assert_int_equal(outcome.result, BODY_MORE);
    assert_int_equal(outcome.content_len, 12);
    assert_true(outcome.ends_well);
}

static void reading_stops_where_the_next_message_may_begin(void **state)
{
    (void)state;
    struct body_reader reader;
    struct slice content;
    const char *why = NULL;
    size_t used = 0;
    body_reader_init(&reader, BODY_LENGTH, 100);
    assert_int_equal(body_reader_max_read(&reader, 16), 100);
    body_reader_init(&reader, BODY_TO_END, 0);
    assert_int_equal(body_reader_max_read(&reader, 16), UINT64_MAX);
    body_reader_init(&reader, BODY_CHUNKED, 0);
    assert_int_equal(body_reader_max_read(&reader, 16), 16);
    assert_int_equal(body_reader_next(&reader, SLICE_LITERAL("ff\r\nx"), &used, &content, &why),
                     BODY_DATA);
    assert_int_equal(body_reader_max_read(&reader, 16), 254 + 16);
}

static void what_is_written_is_read_again(void **state)
{
    (void)state;
    char data[1024];
    struct text text;
    struct outcome outcome;
    text_init(&text, data, sizeof data);
    body_chunk_append(SLICE_LITERAL("hello"), &text);
    body_chunk_append(SLICE_LITERAL("0123456789abcdef"), &text);
    body_end_append(
        SLICE_LITERAL("A:b\r\nContent-Length: 7\r\ntransfer-encoding: chunked\r\n"
                      "Host: c\r\nTrailer: d\r\nSet-Cookie: e\r\nClient_Cert: e\r\nDigest: f\r\n"),
        &text);
    assert_string_equal(data,
                        "5\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\nA: b\r\nDigest: f\r\n\r\n");
    read_body(BODY_CHUNKED, 0, text_slice(&text), 1, &outcome);
    assert_int_equal(outcome.result, BODY_DONE);
    assert_string_equal(outcome.trailer, "A: b\r\nDigest: f\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chunked_body_is_read_however_it_arrives),
        cmocka_unit_test(no_prefix_of_a_chunked_body_is_whole),
        cmocka_unit_test(what_stands_behind_a_body_is_left_alone),
        cmocka_unit_test(a_chunked_body_that_is_not_plainly_one_is_refused),
        cmocka_unit_test(what_surrounds_the_content_is_bounded),
        cmocka_unit_test(a_body_of_known_length_ends_there),
        cmocka_unit_test(a_body_without_length_ends_with_its_sender),
        cmocka_unit_test(reading_stops_where_the_next_message_may_begin),
        cmocka_unit_test(what_is_written_is_read_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
