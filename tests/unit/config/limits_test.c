// The sections of limits: every key, every way to be wrong.
#include "proxy/config/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/config/findings.h"

enum { WORKERS = 3 };

// read_text reads `text` as a client's limits, or the proxy's, into one of the two.
static void read_text(const char *text, struct diagnostics *diagnostics,
                      struct client_limits *client, struct proxy_limits *proxy)
{
    struct yaml_document *document = NULL;
    diagnostics_init(diagnostics);
    assert_int_equal(yaml_document_parse(slice_of_string(text), "t.yaml", diagnostics, &document),
                     ERR_OK);
    struct reader reader = {.diagnostics = diagnostics, .file = "t.yaml"};
    if (client != NULL)
        client_limits_read(&reader, yaml_document_root(document), client);
    else if (section_read(&reader, yaml_document_root(document), &proxy_limits_section, proxy))
        proxy_limits_check(&reader, yaml_document_root(document), proxy, WORKERS);
    yaml_document_destroy(document);
}

static void reads_every_limit_of_a_client(void **state)
{
    (void)state;
    struct diagnostics diagnostics;
    struct client_limits limits;
    char text[LIMITS_TEXT_CAP];
    read_text("{tunnels: 500, new_tunnels: 50/s, burst: 100, requests: 7/s, bandwidth_up: 10MB/s,"
              " bandwidth_down: 512KiB/s, age: 12h, idle: 5m}",
              &diagnostics, &limits, NULL);
    assert_no_errors(&diagnostics);
    assert_int_equal(limits.tunnels, 500);
    assert_int_equal(limits.new_tunnels, 50);
    assert_int_equal(limits.burst, 100);
    assert_int_equal(limits.requests, 7);
    assert_int_equal(limits.requests_burst, 7);
    assert_int_equal(limits.scope, LIMIT_MACHINE);
    assert_int_equal(limits.bandwidth_up, 10000000);
    assert_int_equal(limits.bandwidth_down, 512 * 1024);
    assert_int_equal(limits.age_ms, 12 * 3600 * 1000);
    assert_int_equal(limits.idle_ms, 300 * 1000);
    assert_string_equal(client_limits_format(&limits, text),
                        "tunnels 500, new_tunnels 50/s, burst 100, requests 7/s, "
                        "requests_burst 7, bandwidth_up 10MB/s, "
                        "bandwidth_down 512KiB/s, age 12h, idle 5m");
    diagnostics_deinit(&diagnostics);
}

static void reads_every_limit_of_the_proxy(void **state)
{
    (void)state;
    struct diagnostics diagnostics;
    struct proxy_limits limits;
    char text[LIMITS_TEXT_CAP];
    read_text("{sessions: 100000, tunnels: 90000, memory: 4GiB, refused_requests: 50/s,"
              " source: {failed_handshakes: 20/s, half_open: 100}}",
              &diagnostics, NULL, &limits);
    assert_no_errors(&diagnostics);
    assert_int_equal(limits.sessions, 100000);
    assert_int_equal(limits.tunnels, 90000);
    assert_int_equal(limits.memory, INT64_C(4) << 30);
    assert_int_equal(limits.refused_requests, 50);
    assert_int_equal(limits.source.failed_handshakes, 20);
    assert_int_equal(limits.source.half_open, 100);
    assert_string_equal(proxy_limits_format(&limits, text),
                        "sessions 100000, tunnels 90000, memory 4GiB, refused_requests 50/s, "
                        "head 32KiB, source.failed_handshakes 20/s, source.half_open 100");
    diagnostics_deinit(&diagnostics);
}

static void warns_of_memory_that_a_crowd_may_leave_in_use(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_enough;
    } rows[] = {
        {"{memory: 16MiB}", false},    {"{memory: 24MiB}", false},
        {"{memory: 26623KiB}", false}, {"{memory: 26MiB}", true}, // 24 and 1 for each two workers
        {"{memory: 4GiB}", true},      {"{}", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct diagnostics diagnostics;
        struct proxy_limits limits;
        read_text(rows[i].text, &diagnostics, NULL, &limits);
        assert_no_errors(&diagnostics);
        if ((diagnostics.warning_count == 0) != rows[i].is_enough)
            fail_msg("wrong about %s", rows[i].text);
        if (!rows[i].is_enough)
            assert_finding(&diagnostics, SEVERITY_WARNING, 1, 10, "26MiB at least with 3 workers");
        diagnostics_deinit(&diagnostics);
    }
}

static void none_switches_a_default_off(void **state)
{
    (void)state;
    struct diagnostics diagnostics;
    struct proxy_limits limits;
    char text[LIMITS_TEXT_CAP];
    read_text("{refused_requests: none, source: {failed_handshakes: none, half_open: none}}",
              &diagnostics, NULL, &limits);
    assert_no_errors(&diagnostics);
    assert_string_equal(proxy_limits_format(&limits, text), "head 32KiB");
    diagnostics_deinit(&diagnostics);
}

static void what_is_left_out_is_no_limit_or_the_default(void **state)
{
    (void)state;
    struct diagnostics diagnostics;
    struct client_limits client = {.tunnels = 7};
    struct proxy_limits proxy = {.tunnels = 7};
    char text[LIMITS_TEXT_CAP];
    read_text("{}", &diagnostics, &client, NULL);
    assert_no_errors(&diagnostics);
    assert_string_equal(client_limits_format(&client, text), "");
    diagnostics_deinit(&diagnostics);
    read_text("{source: {}}", &diagnostics, NULL, &proxy);
    assert_no_errors(&diagnostics);
    assert_string_equal(
        proxy_limits_format(&proxy, text),
        "refused_requests 200/s, head 32KiB, source.failed_handshakes 100/s, source.half_open 2000");
    diagnostics_deinit(&diagnostics);
    read_text("{refused_requests: none, head: 64KiB,"
              " source: {failed_handshakes: none, half_open: none}}",
              &diagnostics, NULL, &proxy);
    assert_no_errors(&diagnostics);
    assert_int_equal(proxy.head, 64 * 1024);
    assert_string_equal(proxy_limits_format(&proxy, text), "head 64KiB");
    diagnostics_deinit(&diagnostics);
}

static void a_burst_is_a_second_of_the_rate_unless_it_is_said(void **state)
{
    (void)state;
    struct diagnostics diagnostics;
    struct client_limits limits;
    read_text("{new_tunnels: 30/s}", &diagnostics, &limits, NULL);
    assert_int_equal(limits.burst, 30);
    diagnostics_deinit(&diagnostics);
}

struct refusal {
    const char *text;
    uint32_t column;
    const char *part;
};

static void assert_refused(const struct refusal *refusal, bool is_client)
{
    struct diagnostics diagnostics;
    struct client_limits client;
    struct proxy_limits proxy;
    read_text(refusal->text, &diagnostics, is_client ? &client : NULL, &proxy);
    assert_finding(&diagnostics, SEVERITY_ERROR, 1, refusal->column, refusal->part);
    diagnostics_deinit(&diagnostics);
}

static void refuses_limits_of_a_client_that_mean_nothing(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"[]", 1, "`limits`"},
        {"{tunnels: 0}", 11, "expected"},
        {"{tunnels: -1}", 11, "expected"},
        {"{tunnels: 1.5}", 11, "expected"},
        {"{tunnels: 10000001}", 11, "expected"},
        {"{tunnels: 50/s}", 11, "expected"},
        {"{tunnel: 5}", 2, "tunnels"},
        {"{sessions: 5}", 2, "sessions"},
        {"{new_tunnels: 50}", 15, "no unit"},
        {"{new_tunnels: 0/s}", 15, "leave it out"},
        {"{new_tunnels: 50/m}", 15, "not known"},
        {"{new_tunnels: 50 /s}", 15, "not known"},
        {"{new_tunnels: 5.5/s}", 15, "not known"},
        {"{new_tunnels: -5/s}", 15, "not a rate"},
        {"{new_tunnels: 1000001/s}", 15, "too large"},
        {"{new_tunnels: 99999999999999999999999/s}", 15, "too large"},
        {"{new_tunnels: 50MB/s}", 15, "not known"},
        {"{burst: 5}", 9, "new_tunnels"},
        {"{scope: cluster}", 9, "fleet"},
        {"{scope: [fleet]}", 9, "scope"},
        {"{scope: 1}", 9, "fleet"},
        {"{requests: 50}", 12, "no unit"},
        {"{requests: 0/s}", 12, "leave it out"},
        {"{requests: 1000001/s}", 12, "too large"},
        {"{requests_burst: 5}", 18, "requests"},
        {"{new_tunnels: 5/s, requests_burst: 5}", 36, "requests"},
        {"{new_tunnels: 5/s, burst: 0}", 27, "expected"},
        {"{new_tunnels: 5/s, burst: 5/s}", 27, "expected"},
        {"{bandwidth_up: 10MB}", 16, "not known"},
        {"{bandwidth_up: 10}", 16, "no unit"},
        {"{bandwidth_up: 10Mbit/s}", 16, "not known"},
        {"{bandwidth_up: 10mb/s}", 16, "not known"},
        {"{bandwidth_up: 0MB/s}", 16, "at least 1KB/s"},
        {"{bandwidth_down: 999B/s}", 18, "at least 1KB/s"},
        {"{bandwidth_down: 1001GB/s}", 18, "too large"},
        {"{bandwidth_down: 18446744073709551616B/s}", 18, "too large"},
        {"{age: 0s}", 7, "expected"},
        {"{age: 12}", 7, "no unit"},
        {"{age: 3651d}", 7, "expected"},
        {"{idle: 0ms}", 8, "expected"},
        {"{idle: 31d}", 8, "expected"},
        {"{idle: true}", 8, "idle"},
    };
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
        assert_refused(&refusals[i], true);
}

static void refuses_limits_of_the_proxy_that_mean_nothing(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"5", 1, "`limits`"},
        {"{sessions: 0}", 12, "expected"},
        {"{sessions: none}", 12, "`sessions`"},
        {"{refused_requests: 0/s}", 20, "`none`"},
        {"{refused_requests: 200}", 20, "no unit"},
        {"{refused_requests: None}", 20, "`refused_requests`"},
        {"{refused_requests: [none]}", 20, "`refused_requests`"},
        {"{tunnels: many}", 11, "expected"},
        {"{new_tunnels: 5/s}", 2, "new_tunnels"},
        {"{memory: 4}", 10, "no unit"},
        {"{memory: 0B}", 10, "at least 16MiB"},
        {"{memory: 15MiB}", 10, "at least 16MiB"},
        {"{memory: 50%}", 10, "not known"},
        {"{head: 32}", 8, "no unit"},
        {"{head: 0B}", 8, "expected 16KiB to 64KiB"},
        {"{head: 16383B}", 8, "expected 16KiB to 64KiB"},
        {"{head: 65537B}", 8, "expected 16KiB to 64KiB"},
        {"{head: none}", 8, "16KiB"},
        {"{source: 20/s}", 10, "`source`"},
        {"{source: {failed_handshakes: 20}}", 30, "no unit"},
        {"{source: {failed_handshakes: 0/s}}", 30, "leave it out"},
        {"{source: {half_open: 0}}", 22, "expected"},
        {"{source: {half_open: 5/s}}", 22, "expected"},
        {"{source: none}", 10, "`source`"},
        {"{source: {half_open: off}}", 22, "expected"},
        {"{source: {failed_handshakes: off}}", 30, "`failed_handshakes`"},
        {"{source: {halfopen: 5}}", 11, "half_open"},
    };
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
        assert_refused(&refusals[i], false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_limit_of_a_client),
        cmocka_unit_test(reads_every_limit_of_the_proxy),
        cmocka_unit_test(what_is_left_out_is_no_limit_or_the_default),
        cmocka_unit_test(warns_of_memory_that_a_crowd_may_leave_in_use),
        cmocka_unit_test(none_switches_a_default_off),
        cmocka_unit_test(a_burst_is_a_second_of_the_rate_unless_it_is_said),
        cmocka_unit_test(refuses_limits_of_a_client_that_mean_nothing),
        cmocka_unit_test(refuses_limits_of_the_proxy_that_mean_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
