// What is passed on: URLs in absolute-form, and the heads that go to the target and to the client.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "proxy/http/message.h"

enum { OUT_CAP = 8192 };

struct url_row {
    const char *text;
    const char *host; // NULL: of no kind that has one
    uint16_t port;
    const char *path;
};

static const struct url_row urls[] = {
    {"http://a.example/", "a.example", 80, "/"},
    {"HTTP://A.Example./", "a.example", 80, "/"},
    {"http://a.example", "a.example", 80, ""},
    {"http://a.example?b", "a.example", 80, "?b"},
    {"http://a.example:8080/b/c?d=http://e/@f", "a.example", 8080, "/b/c?d=http://e/@f"},
    {"http://192.0.2.1:81/", "192.0.2.1", 81, "/"},
    {"http://[2001:db8::1]/", "2001:db8::1", 80, "/"},
    {"http://[2001:DB8::1]:90/", "2001:db8::1", 90, "/"},
    {"ws://a.example/chat", "a.example", 80, "/chat"},
};

static void a_url_becomes_its_parts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct absolute_url url;
        const char *why = NULL;
        char host[TARGET_TEXT_CAP];
        absolute_url_parse(slice_of_string(urls[i].text), &url, &why);
        if (url.kind != URL_HTTP)
            fail_msg("kind %d: %s", url.kind, urls[i].text);
        assert_string_equal(target_format_host(&url.target, host), urls[i].host);
        assert_int_equal(url.target.port, urls[i].port);
        assert_true(slice_equal(url.path, slice_of_string(urls[i].path)));
    }
}

static const struct {
    const char *text;
    enum url_kind kind;
} others[] = {
    {"/", URL_ORIGIN},
    {"/http://a/", URL_ORIGIN},
    {"*", URL_ORIGIN},
    {"//a/b", URL_ORIGIN},
    {"https://a/", URL_HTTPS},
    {"HTTPS://a/", URL_HTTPS},
    {"wss://a/", URL_HTTPS},
    {"ftp://a/", URL_OTHER},
    {"httpx://a/", URL_OTHER},
    {"a:443", URL_AUTHORITY},
    {"a", URL_AUTHORITY},
    {"http:/a/", URL_AUTHORITY},
    {"http:a", URL_AUTHORITY},
    {"://a/", URL_AUTHORITY},
    {"ht_tp://a/", URL_AUTHORITY},
    {"http://", URL_BAD},
    {"http:///", URL_BAD},
    {"http:///a", URL_BAD},
    {"http://?a", URL_BAD},
    {"http://a#b", URL_BAD},
    {"http://a/#", URL_BAD},
    {"http://a/b#c", URL_BAD},
    {"http://u@a/", URL_BAD},
    {"http://u:p@a/", URL_BAD},
    {"http://@a/", URL_BAD},
    {"http://a:/", URL_BAD},
    {"http://a:0/", URL_BAD},
    {"http://a:080/", URL_BAD},
    {"http://a:65536/", URL_BAD},
    {"http://a:80:80/", URL_BAD},
    {"http://a\\b/", URL_BAD},
    {"http://a\\@b/", URL_BAD},
    {"http://a%2fb/", URL_BAD},
    {"http://a,b/", URL_BAD},
    {"http://::1/", URL_BAD},
    {"http://[::1/", URL_BAD},
    {"http://[::ffff:127.0.0.1]/", URL_BAD},
    {"http://[a]/", URL_BAD},
    {"http://127.1/", URL_BAD},
    {"http://0x7f000001/", URL_BAD},
    {"http://2130706433/", URL_BAD},
    {"http://a..b/", URL_BAD},
};

static void what_cannot_be_asked_for_is_told_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct absolute_url url;
        const char *why = NULL;
        absolute_url_parse(slice_of_string(others[i].text), &url, &why);
        if (url.kind != others[i].kind)
            fail_msg("kind %d: %s", url.kind, others[i].text);
        if (url.kind == URL_BAD)
            assert_true(why != NULL && why[0] != '\0');
    }
}

static void check_request(const char *in, const char *expected, bool is_last)
{
    struct message_head head;
    struct absolute_url url;
    const char *why = NULL;
    char data[OUT_CAP];
    struct text text;
    assert_int_equal(request_head_parse(slice_of_string(in), HEAD_MAX_LEN, &head, &why), HEAD_OK);
    absolute_url_parse(head.target, &url, &why);
    assert_int_equal(url.kind, URL_HTTP);
    const struct request_out out = {.head = &head, .url = &url, .is_last = is_last};
    text_init(&text, data, sizeof data);
    message_append_request(&out, &text);
    assert_false(text.is_cut);
    assert_string_equal(data, expected);
}

static void a_request_is_written_anew(void **state)
{
    (void)state;
    check_request(
        "GET http://A.example/b?c HTTP/1.1\r\nHost: a.EXAMPLE\r\nAccept:*/*\r\n\r\n",
        "GET /b?c HTTP/1.1\r\nHost: a.example\r\nAccept: */*\r\nVia: 1.1 sallyport\r\n\r\n", false);
    check_request("GET http://a?c HTTP/1.0\r\n\r\n",
                  "GET /?c HTTP/1.1\r\nHost: a\r\nVia: 1.0 sallyport\r\nConnection: close\r\n\r\n",
                  true);
    check_request("OPTIONS http://[::1]:81 HTTP/1.1\r\nHost: [::1]:81\r\n\r\n",
                  "OPTIONS * HTTP/1.1\r\nHost: [::1]:81\r\nVia: 1.1 sallyport\r\n\r\n", false);
    check_request("POST http://a/ HTTP/1.1\r\nContent-Length: 7\r\nExpect: 100-continue\r\n"
                  "Via: 1.1 x\r\n\r\n",
                  "POST / HTTP/1.1\r\nHost: a\r\nVia: 1.1 x\r\nContent-Length: 7\r\n"
                  "Expect: 100-continue\r\nVia: 1.1 sallyport\r\n\r\n",
                  false);
    check_request("POST http://a/ HTTP/1.1\r\ntransfer-encoding: CHUNKED\r\nTrailer: X\r\n\r\n",
                  "POST / HTTP/1.1\r\nHost: a\r\nTrailer: X\r\nTransfer-Encoding: chunked\r\n"
                  "Via: 1.1 sallyport\r\n\r\n",
                  false);
    check_request("POST http://a/ HTTP/1.1\r\nContent-Length: 0\r\nTrailer: X\r\n\r\n",
                  "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nVia: 1.1 sallyport\r\n\r\n",
                  false);
}

static void a_path_as_it_is_typed_is_percent_encoded(void **state)
{
    (void)state;
    check_request(
        "GET http://a/\xC3\xA0?q=\xE2\x82\xAC&\xF0\x9F\x98\x80%C3 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /%C3%A0?q=%E2%82%AC&%F0%9F%98%80%C3 HTTP/1.1\r\nHost: a\r\n"
        "Via: 1.1 sallyport\r\n\r\n",
        false);
    check_request("GET http://a?\xC2\x85 HTTP/1.1\r\nHost: a\r\n\r\n",
                  "GET /?%C2%85 HTTP/1.1\r\nHost: a\r\nVia: 1.1 sallyport\r\n\r\n", false);
}

static void what_belongs_to_the_connection_stays_behind(void **state)
{
    (void)state;
    check_request("GET http://a/ HTTP/1.1\r\nConnection: X-A, close\r\nx-a: 1\r\nX-B: 2\r\n"
                  "Keep-Alive: 5\r\nProxy-Connection: keep-alive\r\nTE: gzip\r\n"
                  "Proxy-Authorization: Basic Zm9v\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n"
                  "Connection: x-c\r\nX-C: 3\r\n\r\n",
                  "GET / HTTP/1.1\r\nHost: a\r\nX-B: 2\r\nVia: 1.1 sallyport\r\n\r\n", false);
    check_request("GET http://a/ HTTP/1.1\r\nClient-Cert: :AAEC:\r\nclient_cert: x\r\n"
                  "X-Client-Cert: 1\r\nCLIENT-CERT-CHAIN: :AAEC:\r\nClient-Cert_Chain: x\r\n\r\n",
                  "GET / HTTP/1.1\r\nHost: a\r\nX-Client-Cert: 1\r\nVia: 1.1 sallyport\r\n\r\n",
                  false);
    check_request("GET http://a/ HTTP/1.1\r\nTE: trailers\r\nConnection: TE\r\n\r\n",
                  "GET / HTTP/1.1\r\nHost: a\r\nVia: 1.1 sallyport\r\nTE: trailers\r\n"
                  "Connection: TE\r\n\r\n",
                  false);
    check_request("GET ws://a/ HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  "Sec-WebSocket-Key: k\r\n\r\n",
                  "GET / HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Key: k\r\nVia: 1.1 sallyport\r\n"
                  "Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
                  false);
}

static void check_response(const char *in, bool is_for_head, uint8_t minor, bool is_persistent,
                           enum body_kind body, const char *expected)
{
    struct message_head head;
    const char *why = NULL;
    char data[OUT_CAP];
    struct text text;
    assert_int_equal(response_head_parse(slice_of_string(in), is_for_head, &head, &why), HEAD_OK);
    const struct response_out out = {
        .head = &head, .body = body, .is_persistent = is_persistent, .for_minor_version = minor};
    text_init(&text, data, sizeof data);
    message_append_response(&out, &text);
    assert_false(text.is_cut);
    assert_string_equal(data, expected);
}

#define VIA "Via: 1.1 sallyport\r\n"

static void a_response_is_written_anew(void **state)
{
    (void)state;
    check_response("HTTP/1.1 200\r\ncontent-length:5\r\nConnection: x\r\nX: y\r\nA:b\r\n\r\n",
                   false, 1, true, BODY_LENGTH,
                   "HTTP/1.1 200 \r\nA: b\r\nContent-Length: 5\r\n" VIA "\r\n");
    check_response("HTTP/1.0 200 OK\r\n\r\n", false, 1, true, BODY_CHUNKED,
                   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nVia: 1.0 sallyport\r\n\r\n");
    check_response("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n", false, 0,
                   false, BODY_TO_END, "HTTP/1.1 200 OK\r\n" VIA "Connection: close\r\n\r\n");
    check_response("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true, 0, true, BODY_NONE,
                   "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n" VIA "Connection: keep-alive\r\n\r\n");
    check_response("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", true, 1, true,
                   BODY_NONE, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" VIA "\r\n");
    check_response("HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n", false, 1, true, BODY_NONE,
                   "HTTP/1.1 204 No\r\n" VIA "\r\n");
    check_response("HTTP/1.1 304 Not\r\nContent-Length: 5\r\n\r\n", false, 1, true, BODY_NONE,
                   "HTTP/1.1 304 Not\r\nContent-Length: 5\r\n" VIA "\r\n");
    check_response("HTTP/1.1 103 Hints\r\nLink: </a>\r\n\r\n", false, 1, false, BODY_NONE,
                   "HTTP/1.1 103 Hints\r\nLink: </a>\r\n" VIA "\r\n");
    check_response("HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", false,
                   1, true, BODY_NONE,
                   "HTTP/1.1 101 Yes\r\n" VIA "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    check_response("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nProxy-Status: origin\r\n"
                   "Proxy-Authenticate: Basic\r\nKeep-Alive: 5\r\nUpgrade: h2c\r\n\r\n",
                   false, 1, true, BODY_NONE,
                   "HTTP/1.1 200 OK\r\nProxy-Status: origin\r\nContent-Length: 0\r\n" VIA "\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_url_becomes_its_parts),
        cmocka_unit_test(what_cannot_be_asked_for_is_told_apart),
        cmocka_unit_test(a_request_is_written_anew),
        cmocka_unit_test(a_path_as_it_is_typed_is_percent_encoded),
        cmocka_unit_test(what_belongs_to_the_connection_stays_behind),
        cmocka_unit_test(a_response_is_written_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
