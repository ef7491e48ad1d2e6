// Response heads: what is read, how its body is framed, and what is refused.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy/http/head.h"

static enum head_result parse(struct slice bytes, bool is_for_head, struct message_head *out)
{
    uint8_t *copy = malloc(bytes.len + 1);
    const char *why = NULL;
    assert_true(copy != NULL && bytes_copy(copy, bytes.len, bytes));
    const enum head_result result =
        response_head_parse(slice_of(copy, bytes.len), is_for_head, out, &why);
    if (result == HEAD_BAD || result == HEAD_TOO_LARGE)
        assert_true(why != NULL && why[0] != '\0');
    free(copy);
    return result;
}

struct accepted {
    const char *text;
    uint16_t status;
    enum body_kind body;
    uint64_t length;
    bool is_persistent;
};

#define OK "HTTP/1.1 200 OK\r\n"

static const struct accepted accepted[] = {
    {OK "\r\n", 200, BODY_TO_END, 0, false},
    {OK "Content-Length: 0\r\n\r\n", 200, BODY_NONE, 0, true},
    {OK "Content-Length: 5\r\n\r\n", 200, BODY_LENGTH, 5, true},
    {OK "Transfer-Encoding: chunked\r\n\r\n", 200, BODY_CHUNKED, 0, true},
    {OK "Content-Length: 5\r\nConnection: close\r\n\r\n", 200, BODY_LENGTH, 5, false},
    {OK "Connection: close\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\n", 200,
     BODY_LENGTH, 5, false},
    {"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", 200, BODY_LENGTH, 5, false},
    {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\n", 200, BODY_LENGTH, 5,
     true},
    {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n", 200, BODY_TO_END, 0, false},
    {"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 200, BODY_NONE, 0, true},
    {"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", 200, BODY_NONE, 0, true},
    {"HTTP/1.1 404 Nicht gefunden \xE4\r\nContent-Length: 0\r\n\r\n", 404, BODY_NONE, 0, true},
    {"HTTP/1.1 204 No Content\r\n\r\n", 204, BODY_NONE, 0, true},
    {"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 204, BODY_NONE, 5, false},
    {"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", 204, BODY_NONE, 0, false},
    {"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, BODY_NONE, 5, true},
    {"HTTP/1.1 100 Continue\r\n\r\n", 100, BODY_NONE, 0, true},
    {"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 103, BODY_NONE, 0, true},
    {"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 101, BODY_NONE,
     0, true},
};

static void a_response_is_framed_in_one_way(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof accepted / sizeof *accepted; i++) {
        const struct accepted *row = &accepted[i];
        struct message_head head;
        if (parse(slice_of_string(row->text), false, &head) != HEAD_OK)
            fail_msg("refused: %s", row->text);
        if (head.body != row->body || head.is_persistent != row->is_persistent)
            fail_msg("body %d, persistent %d: %s", head.body, head.is_persistent, row->text);
        assert_int_equal(head.status, row->status);
        assert_int_equal(head.length, row->length);
        assert_int_equal(head.len, strlen(row->text));
        assert_int_equal(parse(slice_of_string(row->text), true, &head), HEAD_OK);
        assert_int_equal(head.body, BODY_NONE);
    }
}

static void a_head_that_is_not_whole_is_waited_for(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof accepted / sizeof *accepted; i++) {
        const struct slice text = slice_of_string(accepted[i].text);
        struct message_head head;
        for (size_t len = 0; len < text.len; len++)
            assert_int_equal(parse(slice_first(text, len), false, &head), HEAD_MORE);
    }
}

static const struct slice refused[] = {
    SLICE_LITERAL("\r\n" OK "\r\n"),
    SLICE_LITERAL(" " OK "\r\n"),
    SLICE_LITERAL("HTTP/1.1 200 OK\n\n"),
    SLICE_LITERAL("HTTP/1.1 200 OK\rX\r\n\r\n"),
    SLICE_LITERAL("HTTP/1.1 200 O\0K\r\n\r\n"),
    SLICE_LITERAL("HTTP/1.1 200 O\x1BK\r\n\r\n"),
    SLICE_LITERAL("HTTP/1.1  200 OK\r\n\r\n"),
    SLICE_LITERAL("HTTP/1.1 20 OK\r\n\r\n"),
    SLICE_LITERAL("HTTP/1.1 2000 OK\r\n\r\n"),
    SLICE_LITERAL("HTTP/1.1 099 OK\r\n\r\n"),
    SLICE_LITERAL("HTTP/1.1 600 OK\r\n\r\n"),
    SLICE_LITERAL("HTTP/1.1 2x0 OK\r\n\r\n"),
    SLICE_LITERAL("HTTP/1.1 +20 OK\r\n\r\n"),
    SLICE_LITERAL("HTTP/1.1\r\n\r\n"),
    SLICE_LITERAL("HTTP/1.2 200 OK\r\n\r\n"),
    SLICE_LITERAL("HTTP/2 200 OK\r\n\r\n"),
    SLICE_LITERAL("HTTP/2.0 200 OK\r\n\r\n"),
    SLICE_LITERAL("http/1.1 200 OK\r\n\r\n"),
    SLICE_LITERAL("ICY 200 OK\r\n\r\n"),
    SLICE_LITERAL("200 OK\r\n\r\n"),
    SLICE_LITERAL("SSH-2.0-OpenSSH_9.2\r\n\r\n"),
    SLICE_LITERAL("<html>\r\n\r\n"),
    SLICE_LITERAL(OK "A : b\r\n\r\n"),
    SLICE_LITERAL(OK "A: b\r\n c\r\n\r\n"),
    SLICE_LITERAL(OK " A: b\r\n\r\n"),
    SLICE_LITERAL(OK ": b\r\n\r\n"),
    SLICE_LITERAL(OK "A\r\n\r\n"),
    SLICE_LITERAL(OK "A: \0\r\n\r\n"),
    SLICE_LITERAL(OK "A: b\n\r\n"),
    SLICE_LITERAL(OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\n"),
    SLICE_LITERAL(OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\n"),
    SLICE_LITERAL(OK "Content-Length: 5, 5\r\n\r\n"),
    SLICE_LITERAL(OK "Content-Length: -5\r\n\r\n"),
    SLICE_LITERAL(OK "Content-Length: +5\r\n\r\n"),
    SLICE_LITERAL(OK "Content-Length: 05\r\n\r\n"),
    SLICE_LITERAL(OK "Content-Length: 0x5\r\n\r\n"),
    SLICE_LITERAL(OK "Content-Length:\r\n\r\n"),
    SLICE_LITERAL(OK "Content-Length: 99999999999999999999\r\n\r\n"),
    SLICE_LITERAL(OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
    SLICE_LITERAL(OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
    SLICE_LITERAL(OK "Transfer-Encoding: gzip, chunked\r\n\r\n"),
    SLICE_LITERAL(OK "Transfer-Encoding: chunked, identity\r\n\r\n"),
    SLICE_LITERAL(OK "Transfer-Encoding: identity\r\n\r\n"),
    SLICE_LITERAL(OK "Transfer-Encoding: gzip\r\n\r\n"),
    SLICE_LITERAL("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
    SLICE_LITERAL("HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n"),
    SLICE_LITERAL("HTTP/1.1 103 Early\r\nTransfer-Encoding: chunked\r\n\r\n"),
    SLICE_LITERAL(OK "Connection: a b\r\n\r\n"),
};

static void a_response_that_could_be_read_in_two_ways_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct message_head head;
        const enum head_result result = parse(refused[i], false, &head);
        if (result != HEAD_BAD)
            fail_msg("result %d: %.*s", result, (int)refused[i].len, refused[i].data);
        assert_int_equal(parse(refused[i], true, &head), HEAD_BAD);
    }
}

static void a_head_without_end_is_too_large(void **state)
{
    (void)state;
    uint8_t *data = malloc(2 * RESPONSE_HEAD_MAX_LEN);
    struct message_head head;
    assert_non_null(data);
    memset(data, 'a', 2 * RESPONSE_HEAD_MAX_LEN);
    assert_int_equal(parse(slice_of(data, RESPONSE_HEAD_MAX_LINE_LEN + 1), false, &head),
                     HEAD_TOO_LARGE);
    struct text text;
    text_init(&text, (char *)data, 2 * RESPONSE_HEAD_MAX_LEN);
    text_append_string(&text, OK);
    for (size_t i = 0; i <= RESPONSE_HEAD_MAX_FIELDS; i++)
        text_append_string(&text, "A: b\r\n");
    text_append_string(&text, "\r\n");
    assert_int_equal(parse(text_slice(&text), false, &head), HEAD_TOO_LARGE);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_response_is_framed_in_one_way),
        cmocka_unit_test(a_head_that_is_not_whole_is_waited_for),
        cmocka_unit_test(a_response_that_could_be_read_in_two_ways_is_refused),
        cmocka_unit_test(a_head_without_end_is_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
