// What a parent answers: which answers are tunnels, and what of a refusal is kept.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "auth/base/err.h"
#include "auth/base/text.h"
#include "proxy/http/parent_answer.h"

#define OK_HEAD "HTTP/1.1 200 Connection established\r\n"

static struct parent_answer read(const char *text)
{
    struct parent_answer answer;
    parent_answer_read(slice_of_string(text), &answer);
    return answer;
}

static void two_hundreds_are_tunnels_whatever_their_framing_says(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t behind; // bytes that belong to the tunnel
    } rows[] = {
        {OK_HEAD "\r\n", 0},
        {OK_HEAD "\r\nSSH-2.0", 7},
        {OK_HEAD "Content-Length: 5\r\n\r\nhello", 5},
        {OK_HEAD "Transfer-Encoding: chunked\r\n\r\n0\r\n", 3},
        {"HTTP/1.0 200 OK\r\n\r\n", 0},
        {"HTTP/1.1 204 \r\n\r\nx", 1},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nA: b\r\n\r\n" OK_HEAD "\r\nxyz", 3},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct parent_answer answer = read(rows[i].text);
        assert_int_equal(answer.kind, PARENT_ANSWER_TUNNEL);
        assert_int_equal(strlen(rows[i].text) - answer.len, rows[i].behind);
    }
}

static void nothing_else_is_a_tunnel(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        "HTTP/2 200 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 600 OK\r\n\r\n",
        "http/1.1 200 OK\r\n\r\n",
        " HTTP/1.1 200 OK\r\n\r\n",
        "\r\nHTTP/1.1 200 OK\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\n\n",
        OK_HEAD "A : b\r\n\r\n",
        OK_HEAD "A: b\r\n c\r\n\r\n",
        OK_HEAD ": b\r\n\r\n",
        OK_HEAD "A: \x01\r\n\r\n",
        OK_HEAD "Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        OK_HEAD "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const struct parent_answer answer = read(bad[i]);
        if (answer.kind != PARENT_ANSWER_BAD)
            fail_msg("%s is %d", bad[i], (int)answer.kind);
        assert_true(answer.why != NULL && answer.why[0] != '\0');
    }
}

static void half_an_answer_is_waited_for(void **state)
{
    (void)state;
    static const char whole[] = "HTTP/1.1 103 Early\r\n\r\n" OK_HEAD "Server: x\r\n\r\n";
    for (size_t len = 0; len + 1 < sizeof whole; len++) {
        struct parent_answer answer;
        parent_answer_read(slice_of(whole, len), &answer);
        assert_int_equal(answer.kind, PARENT_ANSWER_MORE);
    }
}

static void all_heads_together_are_bounded(void **state)
{
    (void)state;
    static char data[2 * PARENT_ANSWER_MAX_LEN];
    struct text text;
    text_init(&text, data, sizeof data);
    text_append_string(&text, OK_HEAD);
    while (text.len < PARENT_ANSWER_MAX_LEN)
        text_append_string(&text, "A: b\r\n");
    struct parent_answer answer;
    parent_answer_read(slice_of(data, PARENT_ANSWER_MAX_LEN - 1), &answer);
    assert_true(answer.kind == PARENT_ANSWER_MORE || answer.kind == PARENT_ANSWER_BAD);
    parent_answer_read(slice_of(data, PARENT_ANSWER_MAX_LEN), &answer);
    assert_int_equal(answer.kind, PARENT_ANSWER_BAD);
    text_init(&text, data, sizeof data);
    for (size_t i = 0; i < PARENT_ANSWER_MAX_INTERIM; i++)
        text_append_string(&text, "HTTP/1.1 102 Wait\r\n\r\n");
    assert_int_equal(read(data).kind, PARENT_ANSWER_MORE);
    text_append_string(&text, "HTTP/1.1 102 Wait\r\n\r\n");
    assert_int_equal(read(data).kind, PARENT_ANSWER_BAD);
}

static void a_refusal_keeps_its_status_only_where_a_client_can_use_it(void **state)
{
    (void)state;
    static const struct {
        const char *status;
        uint16_t received;
        uint16_t passed_on;
    } rows[] = {
        {"300", 300, 502}, {"302", 302, 502}, {"304", 304, 502}, {"400", 400, 502},
        {"401", 401, 502}, {"403", 403, 403}, {"404", 404, 502}, {"407", 407, 502},
        {"429", 429, 429}, {"451", 451, 502}, {"500", 500, 502}, {"501", 501, 502},
        {"502", 502, 502}, {"503", 503, 503}, {"504", 504, 504}, {"505", 505, 502},
        {"508", 508, 502}, {"599", 599, 502},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char data[64];
        struct text text;
        text_init(&text, data, sizeof data);
        text_append_format(&text, "HTTP/1.1 %s No\r\nRetry-After: 5\r\n\r\n", rows[i].status);
        const struct parent_answer answer = read(data);
        assert_int_equal(answer.kind, PARENT_ANSWER_REFUSAL);
        assert_int_equal(answer.received, rows[i].received);
        assert_int_equal(answer.status, rows[i].passed_on);
        assert_int_equal(answer.retry_after_s, 5);
    }
}

static void when_to_ask_again_is_a_bounded_number(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        uint32_t seconds;
    } rows[] = {
        {"7", 7},  {"3600", 3600}, {"3601", 3600}, {"99999999999999999999", 3600},       {"0", 1},
        {"-1", 1}, {"1.5", 1},     {"x", 1},       {"Fri, 31 Dec 1999 23:59:59 GMT", 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char data[128];
        struct text text;
        text_init(&text, data, sizeof data);
        text_append_format(&text, "HTTP/1.1 429 No\r\nRetry-After: %s\r\n\r\n", rows[i].value);
        assert_int_equal(read(data).retry_after_s, rows[i].seconds);
    }
}

static void proxy_status_is_kept_as_a_whole_or_not_at_all(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"", ""},
        {"Proxy-Status: \r\n", ""},
        {"Proxy-Status: far; error=dns_error\r\n", "far; error=dns_error"},
        {"proxy-status: a\r\nX: y\r\nProxy-Status: b; details=\"x, y\"\r\n",
         "a, b; details=\"x, y\""},
        {"Proxy-Status: a; details=\"open\r\n", ""},
        {"Proxy-Status: a; details=\"esc\\\"\r\n", ""},
        {"Proxy-Status: a; details=\"\\\"\"\r\n", "a; details=\"\\\"\""},
        {"Proxy-Status: a; details=\"\\\xa2\"\r\n", ""},
        {"Proxy-Status: a\tb\r\n", ""},
        {"Proxy-Status: a\x80\r\n", ""},
        {"Proxy-Status: good\r\nProxy-Status: bad\x80\r\n", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char data[256];
        struct text text;
        text_init(&text, data, sizeof data);
        text_append_format(&text, "HTTP/1.1 403 No\r\n%s\r\n", rows[i][0]);
        assert_string_equal(read(data).proxy_status, rows[i][1]);
    }
    char data[512];
    struct text text;
    text_init(&text, data, sizeof data);
    text_append_string(&text, "HTTP/1.1 403 No\r\nProxy-Status: ");
    for (size_t i = 0; i < PARENT_PROXY_STATUS_CAP - 1; i++)
        text_append_string(&text, "a");
    const size_t at = text.len;
    text_append_string(&text, "\r\n\r\n");
    assert_int_equal(strlen(read(data).proxy_status), PARENT_PROXY_STATUS_CAP - 1);
    text_init(&text, data + at, sizeof data - at);
    text_append_string(&text, "a\r\n\r\n");
    assert_string_equal(read(data).proxy_status, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_hundreds_are_tunnels_whatever_their_framing_says),
        cmocka_unit_test(nothing_else_is_a_tunnel),
        cmocka_unit_test(half_an_answer_is_waited_for),
        cmocka_unit_test(all_heads_together_are_bounded),
        cmocka_unit_test(a_refusal_keeps_its_status_only_where_a_client_can_use_it),
        cmocka_unit_test(when_to_ask_again_is_a_bounded_number),
        cmocka_unit_test(proxy_status_is_kept_as_a_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
