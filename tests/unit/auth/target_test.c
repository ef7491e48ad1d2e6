// Authorities, strictly. The long list of what is refused stands in tests/data/targets.eval; here
// are the values, the bytes that no line of a table can hold, and the host alone.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auth/target.h"

struct good {
    const char *authority;
    enum target_kind kind;
    const char *host;
    uint16_t port;
};

static void reads_names_ipv4_and_bracketed_ipv6(void **state)
{
    (void)state;
    static const struct good rows[] = {
        {"example.com:443", TARGET_NAME, "example.com", 443},
        {"EXAMPLE.com.:1", TARGET_NAME, "example.com", 1},
        {"1host.test:65535", TARGET_NAME, "1host.test", 65535},
        {"192.0.2.1:80", TARGET_ADDRESS, "192.0.2.1", 80},
        {"0.0.0.0:80", TARGET_ADDRESS, "0.0.0.0", 80},
        {"[::1]:443", TARGET_ADDRESS, "::1", 443},
        {"[2001:DB8:0::1]:8443", TARGET_ADDRESS, "2001:db8::1", 8443},
        {"[64:ff9b::192.0.2.1]:443", TARGET_ADDRESS, "64:ff9b::c000:201", 443},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct target target;
        char text[TARGET_TEXT_CAP];
        assert_int_equal(ERR_OK, target_parse(slice_of_string(rows[i].authority), &target));
        assert_int_equal(rows[i].kind, target.kind);
        assert_int_equal(rows[i].port, target.port);
        assert_string_equal(rows[i].host, target_format_host(&target, text));
    }
}

static void refuses_control_bytes_wherever_they_stand(void **state)
{
    (void)state;
    static const char good[] = "ab.example:443";
    for (unsigned byte = 0; byte < 256; byte++) {
        if (byte > 0x20 && byte < 0x7F)
            continue;
        for (size_t at = 0; at <= sizeof good - 1; at++) {
            char text[sizeof good + 1];
            struct target target;
            for (size_t i = 0; i < sizeof good; i++)
                text[i] = i < at ? good[i] : i == at ? (char)byte : good[i - 1];
            assert_int_equal(ERR_INPUT, target_parse(slice_of(text, sizeof good), &target));
        }
    }
}

static void leaves_nothing_half_read_behind(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      ":",
                                      ":443",
                                      "a.example",
                                      "a.example:0",
                                      "[::1]:0",
                                      "1.2.3.4:99999",
                                      "[::ffff:1.2.3.4]:443",
                                      "a b:443"};
    static const struct target zero = {0};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct target target;
        memset(&target, 0xA5, sizeof target);
        assert_int_equal(ERR_INPUT, target_parse(slice_of_string(bad[i]), &target));
        assert_int_equal(zero.port, target.port);
        assert_int_equal(0, target.name.len);
        assert_int_equal(IP_NONE, target.address.family);
    }
    struct target target;
    assert_int_equal(ERR_INPUT, target_parse((struct slice){0}, &target));
    assert_int_equal(ERR_INPUT, target_host_parse((struct slice){0}, &target));
}

static void reads_the_host_alone(void **state)
{
    (void)state;
    static const struct good rows[] = {
        {"Example.com.", TARGET_NAME, "example.com", 0},
        {"192.0.2.1", TARGET_ADDRESS, "192.0.2.1", 0},
        {"[::1]", TARGET_ADDRESS, "::1", 0},
    };
    static const char *const bad[] = {
        "",   "a:443", "::1",      "[::1]:443", "[1.2.3.4]",        "[a.example]",
        "[]", "[",     "]",        "127.1",     "[::ffff:1.2.3.4]", "a b",
        "*",  "@",     "[::1%lo]", "[[::1]]",   "1.2.3.4."};
    struct target target;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[TARGET_TEXT_CAP];
        assert_int_equal(ERR_OK, target_host_parse(slice_of_string(rows[i].authority), &target));
        assert_int_equal(rows[i].kind, target.kind);
        assert_int_equal(0, target.port);
        assert_string_equal(rows[i].host, target_format_host(&target, text));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (target_host_parse(slice_of_string(bad[i]), &target) != ERR_INPUT)
            fail_msg("should have been refused: %s", bad[i]);
    }
}

static void compares_hosts_whatever_the_port(void **state)
{
    (void)state;
    static const char *const hosts[] = {"a.example:1", "b.example:1",   "1.2.3.4:1",    "[::1]:1",
                                        "1.2.3.5:1",   "[102:304::]:1", "a.example.b:1"};
    struct target a;
    struct target b;
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        for (size_t k = 0; k < sizeof hosts / sizeof hosts[0]; k++) {
            assert_int_equal(ERR_OK, target_parse(slice_of_string(hosts[i]), &a));
            assert_int_equal(ERR_OK, target_parse(slice_of_string(hosts[k]), &b));
            b.port = 9;
            assert_int_equal(i == k, target_equal_host(&a, &b));
            assert_false(target_equal(&a, &b));
            b.port = 1;
            assert_int_equal(i == k, target_equal(&a, &b));
        }
    }
    assert_int_equal(ERR_OK, target_parse(SLICE_LITERAL("A.example.:1"), &a));
    assert_int_equal(ERR_OK, target_host_parse(SLICE_LITERAL("a.Example"), &b));
    assert_true(target_equal_host(&a, &b));
}

static void a_target_is_loopback_by_its_address_alone(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_loopback;
    } rows[] = {{"127.0.0.1:80", true},
                {"127.9.9.9:1", true},
                {"[::1]:80", true},
                {"0.0.0.0:80", false},
                {"126.0.0.1:80", false},
                {"128.0.0.1:80", false},
                {"[::]:80", false},
                {"[::2]:80", false},
                {"[64:ff9b::7f00:1]:80", false},
                {"localhost:80", false},
                {"a.localhost:80", false},
                {"ip6-loopback:80", false},
                {"127.0.0.1.example:80", false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct target target;
        assert_int_equal(target_parse(slice_of_string(rows[i].text), &target), ERR_OK);
        if (target_is_loopback(&target) != rows[i].is_loopback)
            fail_msg("wrong about %s", rows[i].text);
    }
    // An address in the other field says nothing.
    struct target name = {.kind = TARGET_NAME, .address = {IP_V4, {127, 0, 0, 1}}};
    assert_false(target_is_loopback(&name));
}

static void reads_every_port_and_only_ports(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",   "0",  "00", "01",  "0443", "65536", "65537", "99999", "100000",  "4294967739", "-1",
        "+1", " 1", "1 ", "1.0", "0x1",  "1e3",   "a",     "1a",    "443-444", "\xD9\xA1"};
    uint16_t port = 7;
    for (unsigned value = 1; value <= 65535; value++) {
        char text[8];
        (void)snprintf(text, sizeof text, "%u", value);
        assert_int_equal(ERR_OK, port_parse(slice_of_string(text), &port));
        assert_int_equal(value, port);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (port_parse(slice_of_string(bad[i]), &port) != ERR_INPUT)
            fail_msg("should have been refused: `%s`", bad[i]);
        assert_int_equal(0, port);
    }
    assert_int_equal(ERR_INPUT, port_parse(SLICE_LITERAL("1\0"), &port));
    assert_int_equal(ERR_INPUT, port_parse((struct slice){0}, &port));
}

static void a_kept_target_is_the_same(void **state)
{
    (void)state;
    static const char *const texts[] = {"a.example:443", "192.0.2.7:1", "[2001:db8::1]:65535"};
    char longest[HOSTNAME_MAX_LEN + sizeof ":8443"];
    for (size_t i = 0; i < HOSTNAME_MAX_LEN; i++)
        longest[i] = i % 2 == 0 ? 'a' : '.';
    (void)string_copy(longest + HOSTNAME_MAX_LEN, sizeof ":8443", SLICE_LITERAL(":8443"));
    for (size_t i = 0; i <= sizeof texts / sizeof *texts; i++) {
        const bool is_last = i == sizeof texts / sizeof *texts;
        struct target target;
        assert_int_equal(target_parse(slice_of_string(is_last ? longest : texts[i]), &target),
                         ERR_OK);
        struct kept_target *kept = target_keep(&target);
        assert_non_null(kept);
        const struct target read = kept_target_read(kept);
        assert_true(target_equal_host(&read, &target));
        assert_int_equal(read.port, target.port);
        assert_string_equal(read.name.text, target.kind == TARGET_NAME ? target.name.text : "");
        free(kept);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_names_ipv4_and_bracketed_ipv6),
        cmocka_unit_test(refuses_control_bytes_wherever_they_stand),
        cmocka_unit_test(leaves_nothing_half_read_behind),
        cmocka_unit_test(reads_the_host_alone),
        cmocka_unit_test(compares_hosts_whatever_the_port),
        cmocka_unit_test(a_target_is_loopback_by_its_address_alone),
        cmocka_unit_test(reads_every_port_and_only_ports),
        cmocka_unit_test(a_kept_target_is_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
