// Who may see what, by method, Host, page and source.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
// cmocka wants the four above first
#include <cmocka.h>

#include "proxy/monitor/monitor_request.h"

static const char *names[] = {"proxy.example.org"};
static struct ip_prefix prefixes[] = {{{IP_V4, {10}}, 8}, {{IP_V6, {0x20, 1, 0xd, 0xb8}}, 32}};
static const struct ip_addr loopback = {IP_V4, {127, 0, 0, 1}};

// local listens on loopback, wide beyond it, with two open pages.
static const struct admin_settings local = {
    .address = {.address = {IP_V4, {127, 0, 0, 1}}, .port = 9443}, .names = names, .name_count = 1};
static const struct admin_settings unix_socket = {.socket_path = "/run/admin.sock"};
static const struct admin_settings wide = {
    .address = {.address = {IP_V4, {10, 0, 0, 1}}, .port = 9443},
    .open = 1U << ADMIN_READYZ | 1U << ADMIN_METRICS,
    .from = prefixes,
    .from_count = 2,
};

// ask gives the status of the refusal; 0: none.
static uint16_t ask(const struct admin_settings *settings, const struct ip_addr *address,
                    const char *line, const char *fields, struct monitor_request *out)
{
    char text[512];
    struct message_head head;
    const char *why = "";
    (void)snprintf(text, sizeof text, "%s\r\n%s\r\n", line, fields);
    assert_int_equal(request_head_parse(slice_of_string(text), MONITOR_HEAD_MAX, &head, &why),
                     HEAD_OK);
    const struct monitor_source source = monitor_source_of(settings, address);
    struct monitor_refusal refusal = monitor_request_decide(settings, &source, &head, out);
    assert_true(refusal.status == 0 || refusal.why[0] != '\0');
    return refusal.status;
}

static void finds_each_page(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        enum admin_page page;
        bool is_head;
    } rows[] = {
        {"GET /healthz HTTP/1.1", ADMIN_HEALTHZ, false},
        {"HEAD /readyz HTTP/1.1", ADMIN_READYZ, true},
        {"GET /metrics?name[]=up HTTP/1.1", ADMIN_METRICS, false},
        {"GET /status.json HTTP/1.0", ADMIN_STATUS, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct monitor_request request;
        assert_int_equal(ask(&local, &loopback, rows[i].line, "Host: 127.0.0.1\r\n", &request), 0);
        assert_int_equal(request.page, rows[i].page);
        assert_int_equal(request.is_head, rows[i].is_head);
    }
}

static void takes_no_other_method_and_no_other_path(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        uint16_t status;
    } rows[] = {
        {"POST /metrics HTTP/1.1", 405},
        {"get /metrics HTTP/1.1", 405},
        {"CONNECT a:1 HTTP/1.1", 405},
        {"GET /Metrics HTTP/1.1", 404},
        {"GET /metrics/ HTTP/1.1", 404},
        {"GET metrics HTTP/1.1", 404},
        {"GET //metrics HTTP/1.1", 404},
        {"GET /metrics%3f HTTP/1.1", 404},
        {"GET http://127.0.0.1/metrics HTTP/1.1", 404},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct monitor_request request;
        assert_int_equal(ask(&local, &loopback, rows[i].line, "Host: 127.0.0.1\r\n", &request),
                         rows[i].status);
    }
}

static void a_host_that_is_not_ours_is_refused(void **state)
{
    (void)state;
    static const char *const good[] = {
        "127.0.0.1",        "10.1.2.3:9443",     "[::1]",
        "[2001:db8::1]:80", "localhost",         "LocalHost:1",
        "localhost.",       "PROXY.example.org", "proxy.example.org:65535",
    };
    static const char *const bad[] = {
        "evil.example",
        "x.localhost",
        "localhost.x",
        "127.0.0.1.nip.io",
        "127.1",
        "2130706433",
        "0x7f000001",
        "::1",
        "[::1",
        "[127.0.0.1]",
        "[localhost]",
        "[::1]x",
        "localhost:",
        "localhost:65536",
        "localhost:1:2",
        "user@localhost",
        "",
        ":80",
        "[]",
        "x.proxy.example.org",
        "localhost, evil.example",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0] + sizeof bad / sizeof bad[0]; i++) {
        const size_t good_count = sizeof good / sizeof good[0];
        const char *host = i < good_count ? good[i] : bad[i - good_count];
        char field[128];
        struct monitor_request request;
        (void)snprintf(field, sizeof field, "Host: %s\r\n", host);
        const uint16_t status = ask(&local, &loopback, "GET /healthz HTTP/1.1", field, &request);
        if (status != (i < good_count ? 0 : 403))
            fail_msg("%s: %u", host, status);
    }
}

static void a_unix_socket_has_no_host(void **state)
{
    (void)state;
    static const struct ip_addr none = {0};
    struct monitor_request request;
    assert_int_equal(ask(&unix_socket, &none, "GET /metrics HTTP/1.1", "Host: x\r\n", &request), 0);
    assert_int_equal(ask(&unix_socket, &none, "GET /metrics HTTP/1.1", "", &request), 400);
    assert_int_equal(ask(&unix_socket, &none, "GET /metrics HTTP/1.0", "", &request), 0);
}

static void a_body_is_refused(void **state)
{
    (void)state;
    struct monitor_request request;
    assert_int_equal(ask(&local, &loopback, "GET /metrics HTTP/1.1",
                         "Host: localhost\r\nContent-Length: 0\r\n", &request),
                     0);
    assert_int_equal(ask(&local, &loopback, "GET /metrics HTTP/1.1",
                         "Host: localhost\r\nContent-Length: 1\r\n", &request),
                     400);
    assert_int_equal(ask(&local, &loopback, "GET /metrics HTTP/1.1",
                         "Host: localhost\r\nTransfer-Encoding: chunked\r\n", &request),
                     400);
}

static void beyond_this_machine_only_what_is_open_is_told_to_those_in_from(void **state)
{
    (void)state;
    static const struct ip_addr inside = {IP_V4, {10, 9, 9, 9}};
    static const struct ip_addr inside6 = {IP_V6, {0x20, 1, 0xd, 0xb8, [15] = 7}};
    static const struct ip_addr outside = {IP_V4, {11, 0, 0, 1}};
    static const struct {
        const char *line;
        uint16_t inside;
    } rows[] = {
        {"GET /readyz HTTP/1.1", 0},    {"GET /metrics HTTP/1.1", 0},
        {"GET /healthz HTTP/1.1", 403}, {"GET /status.json HTTP/1.1", 403},
        {"GET /nothing HTTP/1.1", 403},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct monitor_request request;
        const char *host = "Host: 10.0.0.1\r\n";
        assert_int_equal(ask(&wide, &inside, rows[i].line, host, &request), rows[i].inside);
        assert_int_equal(ask(&wide, &inside6, rows[i].line, host, &request), rows[i].inside);
        assert_int_equal(ask(&wide, &outside, rows[i].line, host, &request), 403);
        assert_int_equal(ask(&wide, &loopback, rows[i].line, host, &request), 403);
    }
    const struct monitor_source in = monitor_source_of(&wide, &inside);
    const struct monitor_source out = monitor_source_of(&wide, &outside);
    assert_true(monitor_may_speak(&wide, &in));
    assert_false(monitor_may_speak(&wide, &out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_each_page),
        cmocka_unit_test(takes_no_other_method_and_no_other_path),
        cmocka_unit_test(a_host_that_is_not_ours_is_refused),
        cmocka_unit_test(a_unix_socket_has_no_host),
        cmocka_unit_test(a_body_is_refused),
        cmocka_unit_test(beyond_this_machine_only_what_is_open_is_told_to_those_in_from),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
