// Requests: which heads are taken, which answer the others get, and what outlives the head's bytes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy/session/request.h"

#define PROXY_HELP  "This is Sallyport, a forward proxy"
#define HOST        "Host: a.example\r\n"
#define UPGRADE     "Connection: upgrade\r\nUpgrade: websocket\r\n"
#define BODY        "Content-Length: 3\r\n"
#define CHUNKS      "Transfer-Encoding: chunked\r\n"
#define NO_FORWARDS "Max-Forwards: 0\r\n"
#define ODD_EXPECT  "Expect: the-unexpected\r\n"

// The head of the last request that was taken.
static uint8_t *bytes;

static void drop_bytes(void)
{
    free(bytes);
    bytes = NULL;
}

// take parses the head and has the request take it. The head is on the heap with exactly its size, so that reading too
// far, or after drop_bytes, is seen.
static struct verdict take(const char *line, const char *fields, struct request *out)
{
    char text[1024];
    const int len = snprintf(text, sizeof text, "%s\r\n%s\r\n", line, fields);
    assert_in_range(len, 1, sizeof text - 1);
    drop_bytes();
    bytes = malloc((size_t)len);
    assert_non_null(bytes);
    assert_true(bytes_copy(bytes, (size_t)len, slice_of(text, (size_t)len)));
    struct message_head head;
    const char *why = NULL;
    if (request_head_parse(slice_of(bytes, (size_t)len), HEAD_MAX_LEN, &head, &why) != HEAD_OK)
        fail_msg("%s: %s", line, why);
    *out = (struct request){0};
    return request_take(out, &head);
}

static void assert_method(const struct request *request, const char *line)
{
    const struct slice method = slice_first(slice_of_string(line), strcspn(line, " "));
    assert_true(slice_equal(request->method, method));
    assert_int_equal(request->is_for_head, slice_equal(method, SLICE_LITERAL("HEAD")));
}

static void assert_target(const struct request *request, const char *text)
{
    char host[TARGET_TEXT_CAP];
    char found[TARGET_TEXT_CAP + 8];
    (void)snprintf(found, sizeof found, "%s %u", target_format_host(&request->url.target, host),
                   (unsigned)request->url.target.port);
    assert_true(request->has_target);
    assert_string_equal(found, text);
}

// ---- taken --------------------------------------------------------------------------------------

static const struct {
    const char *line;
    const char *fields;
    const char *target; // `host port`
    bool is_plain;
} taken[] = {
    {"CONNECT a.example:443 HTTP/1.1", "Host: a.example:443\r\n", "a.example 443", false},
    {"CONNECT a.example:443 HTTP/1.1", HOST, "a.example 443", false},
    {"CONNECT a.example:443 HTTP/1.1", "", "a.example 443", false},
    {"CONNECT a.example:443 HTTP/1.0", "", "a.example 443", false},
    {"CONNECT a.example:443 HTTP/1.1", "Host: b.example:1\r\n", "a.example 443", false},
    {"CONNECT [::1]:22 HTTP/1.1", "Host: [::1]\r\n", "::1 22", false},
    {"GET http://a.example/ HTTP/1.1", HOST, "a.example 80", true},
    {"GET http://A.EXAMPLE:8080?q HTTP/1.1", "Host: b.example\r\n", "a.example 8080", true},
    {"GET http://a.example HTTP/1.0", "", "a.example 80", true},
    {"HEAD http://a.example/ HTTP/1.1", HOST, "a.example 80", true},
    {"POST http://a.example/ HTTP/1.1", HOST BODY, "a.example 80", true},
    {"TRACE http://a.example/ HTTP/1.1", HOST "Max-Forwards: 1\r\n", "a.example 80", true},
    {"GET http://a.example/ HTTP/1.1", HOST NO_FORWARDS, "a.example 80", true},
    {"GET http://a.example/ HTTP/1.1", HOST UPGRADE, "a.example 80", true},
    {"GET ws://a.example/ HTTP/1.1", HOST UPGRADE, "a.example 80", true},
    {"GET http://a.example/ HTTP/1.1", HOST "Client-Cert: x\r\nClient-Cert:\r\n", "a.example 80",
     true},
    {"PUT http://a.example/ HTTP/1.1", HOST BODY "Expect: 100-continue\r\n", "a.example 80", true},
    {"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345 http://a.example/ HTTP/1.1", HOST, "a.example 80", true},
};

static void what_is_taken_has_a_target_and_a_method(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
        struct request request;
        const struct verdict verdict = take(taken[i].line, taken[i].fields, &request);
        if (verdict.kind != VERDICT_GO || verdict.reason != REASON_NONE)
            fail_msg("row %zu: %s", i, verdict.detail);
        assert_int_equal(request.is_plain, taken[i].is_plain);
        assert_target(&request, taken[i].target);
        assert_method(&request, taken[i].line);
        drop_bytes();
    }
}

// ---- refused ------------------------------------------------------------------------------------

#define BAD       400, REASON_BAD_REQUEST
#define NO_TARGET 400, REASON_BAD_TARGET

// What a refused request is known to be.
enum known {
    NOTHING,      // neither a target nor a plain request
    TARGET,       // of a CONNECT
    PLAIN_TARGET, // of a request that would be passed on
};

static const struct {
    const char *line;
    const char *fields;
    uint16_t status;
    enum reason reason;
    const char *detail;
    const char *help; // how it begins; NULL: there is none
    enum known known;
} refused[] = {
    // A CONNECT.
    {"CONNECT a.example HTTP/1.1", HOST, NO_TARGET, "expected host:port", NULL, NOTHING},
    {"CONNECT a.example:0 HTTP/1.1", HOST, NO_TARGET, "expected host:port", NULL, NOTHING},
    {"CONNECT 010.0.0.1:443 HTTP/1.1", HOST, NO_TARGET, "expected host:port", NULL, NOTHING},
    {"CONNECT u@a.example:443 HTTP/1.1", HOST, NO_TARGET, "expected host:port", NULL, NOTHING},
    {"CONNECT https://a.example/ HTTP/1.1", HOST, NO_TARGET, "expected host:port", NULL, NOTHING},
    {"CONNECT a.example:443 HTTP/1.1", "Host: a b\r\n", BAD, "malformed Host", NULL, TARGET},
    {"CONNECT a.example:443 HTTP/1.1", "Host: a:0\r\n", BAD, "malformed Host", NULL, TARGET},
    {"CONNECT a.example:443 HTTP/1.0", "Host: u@a\r\n", BAD, "malformed Host", NULL, TARGET},
    {"CONNECT a.example HTTP/1.1", "Host: a b\r\n", NO_TARGET, "expected host:port", NULL, NOTHING},
    // A plain request, one cause each.
    {"GET http://a.example/ HTTP/1.1", "", BAD, "no Host field", NULL, PLAIN_TARGET},
    {"GET http://a.example/ HTTP/1.1", "Host: a b\r\n", BAD, "malformed Host", NULL, PLAIN_TARGET},
    {"GET http://a.example/ HTTP/1.0", "Host: a/b\r\n", BAD, "malformed Host", NULL, PLAIN_TARGET},
    {"GET ws://a.example/ HTTP/1.1", HOST, BAD, "ws:// without an upgrade", NULL, PLAIN_TARGET},
    {"GET ws://a.example/ HTTP/1.0", HOST UPGRADE, BAD, "ws:// without an upgrade", NULL,
     PLAIN_TARGET}, // nobody upgrades in HTTP/1.0
    {"GET http://a.example/ HTTP/1.1", HOST UPGRADE BODY, BAD, "an upgrade with a body", NULL,
     PLAIN_TARGET},
    {"GET ws://a.example/ HTTP/1.1", HOST UPGRADE CHUNKS, BAD, "an upgrade with a body", NULL,
     PLAIN_TARGET},
    {"TRACE http://a.example/ HTTP/1.1", HOST BODY, BAD, "TRACE with a body", NULL, PLAIN_TARGET},
    {"TRACE http://a.example/ HTTP/1.1", HOST CHUNKS, BAD, "TRACE with a body", NULL, PLAIN_TARGET},
    {"TRACE http://a.example/ HTTP/1.1", HOST NO_FORWARDS, 405, REASON_BAD_REQUEST,
     "Max-Forwards is 0", NULL, PLAIN_TARGET},
    {"OPTIONS http://a.example HTTP/1.1", HOST NO_FORWARDS, 405, REASON_BAD_REQUEST,
     "Max-Forwards is 0", NULL, PLAIN_TARGET},
    {"GET http://a.example/ HTTP/1.1", HOST ODD_EXPECT, 417, REASON_BAD_REQUEST, "unknown Expect",
     NULL, PLAIN_TARGET},
    // Two causes: in the order above.
    {"GET ws://a.example/ HTTP/1.1", "", BAD, "no Host field", NULL, PLAIN_TARGET},
    {"GET ws://a.example/ HTTP/1.1", "Host: a b\r\n", BAD, "malformed Host", NULL, PLAIN_TARGET},
    {"TRACE ws://a.example/ HTTP/1.1", HOST BODY, BAD, "ws:// without an upgrade", NULL,
     PLAIN_TARGET},
    {"TRACE http://a.example/ HTTP/1.1", HOST UPGRADE BODY, BAD, "an upgrade with a body", NULL,
     PLAIN_TARGET},
    {"TRACE http://a.example/ HTTP/1.1", HOST BODY NO_FORWARDS, BAD, "TRACE with a body", NULL,
     PLAIN_TARGET},
    {"TRACE http://a.example/ HTTP/1.1", HOST NO_FORWARDS ODD_EXPECT, 405, REASON_BAD_REQUEST,
     "Max-Forwards is 0", NULL, PLAIN_TARGET},
    // No URL that can be asked for; this counts before every field.
    {"GET https://a.example/ HTTP/1.1", HOST, BAD, "use CONNECT for https",
     "For an https:// URL a client asks its proxy to CONNECT", NOTHING},
    {"GET wss://a.example/ HTTP/1.1", HOST UPGRADE, BAD, "use CONNECT for https",
     "For an https:// URL a client asks its proxy to CONNECT", NOTHING},
    {"GET ftp://a.example/ HTTP/1.1", HOST, BAD, "only http:// URLs", PROXY_HELP, NOTHING},
    {"GET / HTTP/1.1", HOST, BAD, "this is a proxy", PROXY_HELP, NOTHING},
    {"OPTIONS * HTTP/1.1", HOST NO_FORWARDS, BAD, "this is a proxy", PROXY_HELP, NOTHING},
    {"GET / HTTP/1.1", "", BAD, "this is a proxy", PROXY_HELP, NOTHING},
    {"GET a.example:80 HTTP/1.1", HOST, NO_TARGET, "expected an http:// URL", PROXY_HELP, NOTHING},
    {"connect a.example:443 HTTP/1.1", HOST, NO_TARGET, "expected an http:// URL", PROXY_HELP,
     NOTHING}, // methods have their case
    {"GET http://u@a.example/ HTTP/1.1", HOST, NO_TARGET, "userinfo in the URL", NULL, NOTHING},
    {"GET http://a.example/#b HTTP/1.1", HOST, NO_TARGET, "a fragment in the URL", NULL, NOTHING},
    {"GET http:///b HTTP/1.1", HOST, NO_TARGET, "the host in the URL", NULL, NOTHING},
    {"GET http://a.example:/ HTTP/1.1", HOST, NO_TARGET, "the host in the URL", NULL, NOTHING},
    {"GET http://u@a.example/#b HTTP/1.1", "", NO_TARGET, "userinfo in the URL", NULL, NOTHING},
    {"GET https://a.example/ HTTP/1.1", ODD_EXPECT, BAD, "use CONNECT for https",
     "For an https:// URL a client asks its proxy to CONNECT", NOTHING},
};

static void what_is_refused_says_why_and_for_the_first_cause_only(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct request request;
        const struct verdict verdict = take(refused[i].line, refused[i].fields, &request);
        assert_int_equal(verdict.kind, VERDICT_REFUSE);
        if (strcmp(verdict.detail, refused[i].detail) != 0)
            fail_msg("row %zu: %s", i, verdict.detail);
        assert_int_equal(verdict.action, ACTION_ERROR);
        assert_int_equal(verdict.status, refused[i].status);
        assert_string_equal(reason_name(verdict.reason), reason_name(refused[i].reason));
        assert_false(verdict.ends_connection);
        assert_int_equal(verdict.help != NULL, refused[i].help != NULL);
        if (refused[i].help != NULL)
            assert_true(
                slice_starts_with(slice_of_string(verdict.help), slice_of_string(refused[i].help)));
        assert_int_equal(request.has_target, refused[i].known != NOTHING);
        assert_int_equal(request.is_plain, refused[i].known == PLAIN_TARGET);
        assert_method(&request, refused[i].line);
        drop_bytes();
    }
}

// ---- afterwards ---------------------------------------------------------------------------------

static void only_what_loses_nothing_is_sent_twice(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        const char *fields;
        bool is_repeatable;
    } rows[] = {
        {"GET http://a.example/ HTTP/1.1", HOST, true},
        {"HEAD http://a.example/ HTTP/1.1", HOST, true},
        {"OPTIONS http://a.example/ HTTP/1.1", HOST, true},
        {"TRACE http://a.example/ HTTP/1.1", HOST, true},
        {"DELETE http://a.example/ HTTP/1.1", HOST, true},
        {"PUT http://a.example/ HTTP/1.1", HOST, true},
        {"GET http://a.example/ HTTP/1.1", HOST BODY, false},
        {"PUT http://a.example/ HTTP/1.1", HOST CHUNKS, false},
        {"DELETE http://a.example/ HTTP/1.1", HOST BODY, false},
        {"POST http://a.example/ HTTP/1.1", HOST, false},
        {"PATCH http://a.example/ HTTP/1.1", HOST, false},
        {"get http://a.example/ HTTP/1.1", HOST, false}, // methods have their case
        {"GETS http://a.example/ HTTP/1.1", HOST, false},
        {"GE http://a.example/ HTTP/1.1", HOST, false},
        {"CONNECT a.example:443 HTTP/1.1", HOST, false},
        {"GET https://a.example/ HTTP/1.1", HOST, false},
        {"GET / HTTP/1.1", HOST, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct request request;
        (void)take(rows[i].line, rows[i].fields, &request);
        if (request_is_repeatable(&request) != rows[i].is_repeatable)
            fail_msg("row %zu: %s", i, rows[i].line);
        drop_bytes();
    }
    const struct request unknown = {0};
    assert_false(request_is_repeatable(&unknown));
}

static void target_and_method_outlive_the_head(void **state)
{
    (void)state;
    struct request request;
    assert_int_equal(take("DELETE http://a.example:81/ HTTP/1.1", HOST, &request).kind, VERDICT_GO);
    assert_true(slice_equal(request.url.path, SLICE_LITERAL("/")));
    drop_bytes();
    assert_target(&request, "a.example 81");
    assert_method(&request, "DELETE ");
}

static void a_name_inside_takes_the_place_of_the_address_and_keeps_its_port(void **state)
{
    (void)state;
    struct request request;
    struct hostname name;
    assert_int_equal(take("CONNECT 192.0.2.7:8443 HTTP/1.1", HOST, &request).kind, VERDICT_GO);
    assert_int_equal(hostname_parse(SLICE_LITERAL("A.example."), &name), ERR_OK);
    request_route(&request);
    assert_true(request.is_routed);
    assert_false(request.has_target);
    request_take_name(&request, &name);
    assert_target(&request, "a.example 8443");
    char address[IP_TEXT_CAP];
    assert_string_equal(ip_addr_format(&request.asked, address), "192.0.2.7");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_taken_has_a_target_and_a_method),
        cmocka_unit_test(what_is_refused_says_why_and_for_the_first_cause_only),
        cmocka_unit_test(only_what_loses_nothing_is_sent_twice),
        cmocka_unit_test(target_and_method_outlive_the_head),
        cmocka_unit_test(a_name_inside_takes_the_place_of_the_address_and_keeps_its_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
