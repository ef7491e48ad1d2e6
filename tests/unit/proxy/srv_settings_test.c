// Names of services, and whom their records may name.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proxy/uplink/srv_settings.h"

static void a_name_of_a_service_has_its_domain(void **state)
{
    (void)state;
    struct srv_name name;
    struct errinfo info;
    assert_int_equal(srv_name_parse(SLICE_LITERAL("_Proxy._TCP.Example.ORG."), &name, &info),
                     ERR_OK);
    assert_string_equal(name.name.text, "_proxy._tcp.example.org");
    assert_string_equal(name.domain.text, "example.org");
    assert_int_equal(srv_name_parse(SLICE_LITERAL("_a._tcp.org"), &name, &info), ERR_OK);
    assert_string_equal(name.domain.text, "org");
}

static void what_is_no_service_over_tcp_is_refused(void **state)
{
    (void)state;
    static const char *const names[] = {
        "",
        "example.org",
        "_tcp.example.org",
        "_proxy._tcp",
        "_._tcp.a",
        "proxy._tcp.a",
        "_proxy.tcp.a",
        "_proxy._udp.a",
        "_proxy._tc",
        "_proxy._tcp.1.2.3.4",
        "_proxy._tcp..a",
        "_proxy._tcp.a b",
        "_proxy",
        "_0123456789abcdef._tcp.a",
        "_proxy._tcpx.a",
        "_proxy._tcp.*.a",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct srv_name name;
        struct errinfo info;
        assert_int_equal(srv_name_parse(slice_of_string(names[i]), &name, &info), ERR_INPUT);
    }
}

static void only_what_is_named_is_allowed_where_something_is(void **state)
{
    (void)state;
    struct srv_settings settings = {.target_count = 0};
    struct hostname place;
    struct hostname other;
    struct errinfo info;
    assert_int_equal(hostname_parse(SLICE_LITERAL("a.place.example"), &place), ERR_OK);
    assert_int_equal(hostname_parse(SLICE_LITERAL("a.place.example.evil"), &other), ERR_OK);
    assert_true(srv_settings_allow(&settings, &place) && srv_settings_allow(&settings, &other));
    const char *const texts[] = {"b.place.example", "*.place.example"};
    for (size_t i = 0; i < 2; i++) {
        settings.target_count = i + 1;
        assert_int_equal(host_pattern_parse(slice_of_string(texts[i]), &settings.targets[i], &info),
                         ERR_OK);
        assert_int_equal(srv_settings_allow(&settings, &place), i == 1);
        assert_false(srv_settings_allow(&settings, &other));
    }
}

static void each_part_makes_settings_different(void **state)
{
    (void)state;
    struct srv_settings a = {.target_count = 1};
    struct errinfo info;
    assert_int_equal(srv_name_parse(SLICE_LITERAL("_p._tcp.a.example"), &a.service, &info), ERR_OK);
    assert_int_equal(host_pattern_parse(SLICE_LITERAL("a.example"), &a.targets[0], &info), ERR_OK);
    struct srv_settings b = a;
    assert_true(srv_settings_equal(&a, &b));
    b.target_count = 0;
    assert_false(srv_settings_equal(&a, &b));
    b = a;
    assert_int_equal(host_pattern_parse(SLICE_LITERAL("*.a.example"), &b.targets[0], &info),
                     ERR_OK);
    assert_false(srv_settings_equal(&a, &b));
    b = a;
    assert_int_equal(srv_name_parse(SLICE_LITERAL("_q._tcp.a.example"), &b.service, &info), ERR_OK);
    assert_false(srv_settings_equal(&a, &b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_of_a_service_has_its_domain),
        cmocka_unit_test(what_is_no_service_over_tcp_is_refused),
        cmocka_unit_test(only_what_is_named_is_allowed_where_something_is),
        cmocka_unit_test(each_part_makes_settings_different),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
