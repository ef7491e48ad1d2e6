// Text forms and bit arithmetic of addresses and prefixes: strict in, RFC 5952 out.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "auth/ipaddr.h"

static struct ip_addr address(const char *text)
{
    struct ip_addr out;
    if (ip_addr_parse(slice_of_string(text), &out) != ERR_OK)
        fail_msg("not parsed: %s", text);
    return out;
}

static struct ip_prefix prefix(const char *text)
{
    struct ip_prefix out;
    struct errinfo info;
    if (ip_prefix_parse(slice_of_string(text), &out, &info) != ERR_OK)
        fail_msg("not parsed: %s: %s", text, info.text);
    return out;
}

static void writes_every_address_in_the_one_form_of_rfc_5952(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"0.0.0.0", "0.0.0.0"},
        {"255.255.255.255", "255.255.255.255"},
        {"192.0.2.10", "192.0.2.10"},
        {"::", "::"},
        {"0:0:0:0:0:0:0:0", "::"},
        {"::1", "::1"},
        {"1::", "1::"},
        {"2001:DB8::1", "2001:db8::1"},
        {"2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1"},
        {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
        {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
        {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
        {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
        {"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
        {"0:0:3:4:5:6:0:0", "::3:4:5:6:0:0"},
        {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
        {"::ffff:192.0.2.1", "::ffff:192.0.2.1"},
        {"::ffff:c000:201", "::ffff:192.0.2.1"},
        {"64:ff9b::192.0.2.1", "64:ff9b::c000:201"},
        {"::192.0.2.1", "::c000:201"},
        {"1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        const struct ip_addr addr = address(pairs[i][0]);
        char text[IP_TEXT_CAP];
        assert_string_equal(pairs[i][1], ip_addr_format(&addr, text));
        const struct ip_addr again = address(text);
        assert_true(ip_addr_equal(&addr, &again));
    }
}

static void refuses_every_other_spelling_of_an_address(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        " ",
        ".",
        "1",
        "1.2",
        "1.2.3",
        "1.2.3.",
        ".1.2.3",
        "1.2.3.4.",
        ".1.2.3.4",
        "1..2.3",
        "1.2.3.4.5",
        "256.1.1.1",
        "1.1.1.256",
        "1.1.1.1000",
        "01.1.1.1",
        "1.1.1.01",
        "00.0.0.0",
        "0x1.1.1.1",
        "0177.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "1.2.3.4 ",
        " 1.2.3.4",
        "1.2.3.4\n",
        "+1.2.3.4",
        "-1.2.3.4",
        "1.2.3.a",
        "1,2,3,4",
        "1.2.3.4/32",
        "1.2.3.4:80",
        ":",
        ":::",
        "::::",
        "1",
        "1:",
        ":1",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9",
        "1:2:3:4:5:6:7:",
        ":2:3:4:5:6:7:8",
        "1::2::3",
        "::1::",
        ":::1",
        "1:::",
        "1:2:3:4:5:6:7:8::",
        "::1:2:3:4:5:6:7:8",
        "1:2:3:4::5:6:7:8",
        "12345::",
        "::12345",
        "::g",
        "::-1",
        "::+1",
        "::0x1",
        "fe80::1%eth0",
        "fe80::1%25eth0",
        "::1%",
        "[::1]",
        "::1]",
        "[::1",
        "::1/128",
        "::1 ",
        " ::1",
        "1.2.3.4::",
        "::1.2.3",
        "::1.2.3.4.5",
        "::1.2.3.256",
        "::01.2.3.4",
        "::1.2.3.4:1",
        "1:2:3:4:5:6:7:1.2.3.4",
        "1:2:3:4:5:1.2.3.4",
        "::ffff:1.2.3.4:",
        "1:2:3:4:5:6:7:8:",
        "::ffff:0x7f.1",
        "localhost",
        "a.b.c.d",
        // full-width digits
        "\xEF\xBC\x91.2.3.4",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct ip_addr out = address("9.9.9.9");
        if (ip_addr_parse(slice_of_string(bad[i]), &out) != ERR_INPUT)
            fail_msg("should have been refused: `%s`", bad[i]);
        assert_int_equal(IP_NONE, out.family); // nothing half-read stays behind
    }
    struct ip_addr out;
    assert_int_equal(ERR_INPUT, ip_addr_parse(SLICE_LITERAL("1.2.3.4\0"), &out));
    assert_int_equal(ERR_INPUT, ip_addr_parse(SLICE_LITERAL("::1\0"), &out));
    assert_int_equal(ERR_INPUT, ip_addr_parse((struct slice){0}, &out));
}

static void reads_no_further_than_the_slice(void **state)
{
    (void)state;
    struct ip_addr out;
    assert_int_equal(ERR_OK, ip_addr_parse(slice_of("1.2.3.45", 7), &out));
    const struct ip_addr expected = address("1.2.3.4");
    assert_true(ip_addr_equal(&expected, &out));
}

static void tells_addresses_apart_by_family_and_bytes(void **state)
{
    (void)state;
    const struct ip_addr a = address("1.2.3.4");
    const struct ip_addr b = address("1.2.3.5");
    const struct ip_addr mapped = address("::ffff:1.2.3.4");
    const struct ip_addr left_aligned = address("102:304::");
    assert_true(ip_addr_equal(&a, &a));
    assert_false(ip_addr_equal(&a, &b));
    assert_false(ip_addr_equal(&a, &mapped));
    assert_false(ip_addr_equal(&a, &left_aligned));
}

static void loopback_is_all_of_127_and_one_address_of_ipv6(void **state)
{
    (void)state;
    static const char *const loopback[] = {"127.0.0.0", "127.0.0.1", "127.0.0.53",
                                           "127.255.255.255", "::1"};
    static const char *const others[] = {"0.0.0.0",
                                         "126.255.255.255",
                                         "128.0.0.0",
                                         "1.0.0.127",
                                         "255.255.255.255",
                                         "::",
                                         "::2",
                                         "::101",
                                         "1::1",
                                         "::1:1",
                                         "7f00::",
                                         "7f00:1::",
                                         "::ffff:127.0.0.1",
                                         "::ffff:127.1.2.3",
                                         "::127.0.0.1",
                                         "64:ff9b::127.0.0.1",
                                         "fe80::1"};
    for (size_t i = 0; i < sizeof loopback / sizeof *loopback; i++) {
        const struct ip_addr addr = address(loopback[i]);
        if (!ip_addr_is_loopback(&addr))
            fail_msg("should be loopback: %s", loopback[i]);
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        const struct ip_addr addr = address(others[i]);
        if (ip_addr_is_loopback(&addr))
            fail_msg("should not be loopback: %s", others[i]);
    }
    const struct ip_addr mapped = address("::ffff:127.0.0.1");
    const struct ip_addr canonical = ip_addr_canonical(&mapped);
    assert_true(ip_addr_is_loopback(&canonical));
    assert_false(ip_addr_is_loopback(&(struct ip_addr){0}));
    assert_false(ip_addr_is_loopback(&(struct ip_addr){.bytes = {127, [15] = 1}}));
}

static void every_local_address_has_no_bit(void **state)
{
    (void)state;
    static const char *const others[] = {"0.0.0.1", "1.0.0.0", "255.255.255.255", "127.0.0.1",
                                         "::1",     "1::",     "::ffff:0.0.0.0"};
    const struct ip_addr v4 = address("0.0.0.0");
    const struct ip_addr v6 = address("::");
    assert_true(ip_addr_is_any(&v4));
    assert_true(ip_addr_is_any(&v6));
    assert_true(ip_addr_is_any(&(struct ip_addr){0}));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        const struct ip_addr addr = address(others[i]);
        if (ip_addr_is_any(&addr))
            fail_msg("should not be every address: %s", others[i]);
    }
}

static void canonical_form_unwraps_mapped_addresses_only(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"::ffff:10.1.2.3", "10.1.2.3"},
        {"::ffff:0.0.0.0", "0.0.0.0"},
        {"10.1.2.3", "10.1.2.3"},
        {"::10.1.2.3", "::a01:203"},
        {"64:ff9b::10.1.2.3", "64:ff9b::a01:203"},
        {"::fffe:10.1.2.3", "::fffe:a01:203"},
        {"::1:ffff:10.1.2.3", "::1:ffff:a01:203"},
        {"::1", "::1"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        const struct ip_addr addr = address(pairs[i][0]);
        const struct ip_addr canonical = ip_addr_canonical(&addr);
        char text[IP_TEXT_CAP];
        assert_string_equal(pairs[i][1], ip_addr_format(&canonical, text));
    }
}

static void writes_no_address_as_nothing(void **state)
{
    (void)state;
    const struct ip_addr nothing = {0};
    char text[IP_TEXT_CAP] = "stale";
    assert_string_equal("", ip_addr_format(&nothing, text));
}

static void reads_prefixes_and_writes_them_back(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"0.0.0.0/0", "0.0.0.0/0"},         {"10.0.0.0/8", "10.0.0.0/8"},
        {"10.2.0.0/15", "10.2.0.0/15"},     {"192.0.2.1", "192.0.2.1/32"},
        {"192.0.2.1/32", "192.0.2.1/32"},   {"::/0", "::/0"},
        {"2001:DB8::/32", "2001:db8::/32"}, {"::1", "::1/128"},
        {"fe80::/10", "fe80::/10"},         {"::/96", "::/96"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        const struct ip_prefix value = prefix(pairs[i][0]);
        char text[IP_PREFIX_TEXT_CAP];
        assert_string_equal(pairs[i][1], ip_prefix_format(&value, text));
    }
}

static void refuses_bad_prefixes_with_a_sentence_and_a_way_out(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"10.0.0.1/8", "10.0.0.0/8"},
        {"10.0.0.255/31", "10.0.0.254/31"},
        {"0.0.0.1/0", "0.0.0.0/0"},
        {"2001:db8::1/32", "2001:db8::/32"},
        {"fec0::/9", "fe80::/9"},
        {"10.0.0.0/33", "0 to 32"},
        {"::/129", "0 to 128"},
        {"10.0.0.0/", "0 to 32"},
        {"10.0.0.0/08", "0 to 32"},
        {"10.0.0.0/+8", "0 to 32"},
        {"10.0.0.0/8/8", "0 to 32"},
        {"10.0.0.0/256", "0 to 32"},
        {"10.0.0.0/264", "0 to 32"},
        {"::/0256", "0 to 128"},
        {"10.0.0.0/8 ", "0 to 32"},
        {"/8", "192.0.2.0/24"},
        {"", "192.0.2.0/24"},
        {"10.0/8", "192.0.2.0/24"},
        {"example.com", "192.0.2.0/24"},
        {"::ffff:10.0.0.0/104", "`10.0.0.0/8`"},
        {"::ffff:10.0.0.1", "`10.0.0.1/32`"},
        {"::ffff:0.0.0.0/96", "`0.0.0.0/0`"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct ip_prefix out = {.length = 7};
        struct errinfo info = {.text = ""};
        if (ip_prefix_parse(slice_of_string(pairs[i][0]), &out, &info) != ERR_INPUT)
            fail_msg("should have been refused: `%s`", pairs[i][0]);
        assert_int_equal(IP_NONE, out.addr.family);
        if (strstr(info.text, pairs[i][1]) == NULL)
            fail_msg("`%s`: no `%s` in: %s", pairs[i][0], pairs[i][1], info.text);
    }
}

static void bounds_what_a_message_repeats(void **state)
{
    (void)state;
    char long_text[4000];
    memset(long_text, 'a', sizeof long_text);
    struct ip_prefix out;
    struct errinfo info;
    assert_int_equal(ERR_INPUT,
                     ip_prefix_parse(slice_of(long_text, sizeof long_text), &out, &info));
    assert_in_range(strlen(info.text), 1, 250);
    assert_non_null(strstr(info.text, "leading zeros")); // the end is still there
}

struct membership {
    const char *prefix;
    const char *inside;
    const char *outside;
};

static void a_prefix_contains_what_shares_its_bits(void **state)
{
    (void)state;
    static const struct membership rows[] = {
        {"10.0.0.0/8", "10.0.0.0", "9.255.255.255"},
        {"10.0.0.0/8", "10.255.255.255", "11.0.0.0"},
        {"172.16.0.0/12", "172.31.255.255", "172.32.0.0"},
        {"100.64.0.0/10", "100.127.0.0", "100.128.0.0"},
        {"198.18.0.0/15", "198.19.0.0", "198.20.0.0"},
        {"192.0.2.7/32", "192.0.2.7", "192.0.2.6"},
        {"192.0.2.6/31", "192.0.2.7", "192.0.2.8"},
        {"0.0.0.0/0", "255.255.255.255", "::"},
        {"::/0", "ffff::", "0.0.0.0"},
        {"fe80::/10", "febf::1", "fec0::"},
        {"fc00::/7", "fdff::", "fe00::"},
        {"::1/128", "::1", "::"},
        {"2001:db8::/32", "2001:db8:ffff::", "2001:db9::"},
        {"3fff::/20", "3fff:fff::1", "3fff:1000::"},
        {"2001:db8::/33", "2001:db8:7fff::", "2001:db8:8000::"},
        {"0.0.0.0/8", "0.1.2.3", "::1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct ip_prefix value = prefix(rows[i].prefix);
        const struct ip_addr inside = address(rows[i].inside);
        const struct ip_addr outside = address(rows[i].outside);
        if (!ip_prefix_contains(&value, &inside) || ip_prefix_contains(&value, &outside))
            fail_msg("wrong about %s", rows[i].prefix);
    }
    const struct ip_addr nothing = {0};
    const struct ip_prefix zero = {0};
    assert_false(ip_prefix_contains(&zero, &nothing));
}

static void a_prefix_covers_what_lies_wholly_inside(void **state)
{
    (void)state;
    static const struct membership rows[] = {
        {"10.0.0.0/8", "10.0.0.0/8", "10.0.0.0/7"},
        {"10.0.0.0/8", "10.2.0.0/16", "11.0.0.0/16"},
        {"10.0.0.0/8", "10.255.255.255/32", "0.0.0.0/0"},
        {"0.0.0.0/0", "0.0.0.0/0", "::/0"},
        {"fc00::/7", "fd00::/8", "fc00::/6"},
        {"::/96", "::/128", "::/95"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct ip_prefix outer = prefix(rows[i].prefix);
        const struct ip_prefix inside = prefix(rows[i].inside);
        const struct ip_prefix outside = prefix(rows[i].outside);
        if (!ip_prefix_covers(&outer, &inside) || ip_prefix_covers(&outer, &outside))
            fail_msg("wrong about %s", rows[i].prefix);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_every_address_in_the_one_form_of_rfc_5952),
        cmocka_unit_test(refuses_every_other_spelling_of_an_address),
        cmocka_unit_test(reads_no_further_than_the_slice),
        cmocka_unit_test(tells_addresses_apart_by_family_and_bytes),
        cmocka_unit_test(loopback_is_all_of_127_and_one_address_of_ipv6),
        cmocka_unit_test(every_local_address_has_no_bit),
        cmocka_unit_test(canonical_form_unwraps_mapped_addresses_only),
        cmocka_unit_test(writes_no_address_as_nothing),
        cmocka_unit_test(reads_prefixes_and_writes_them_back),
        cmocka_unit_test(refuses_bad_prefixes_with_a_sentence_and_a_way_out),
        cmocka_unit_test(bounds_what_a_message_repeats),
        cmocka_unit_test(a_prefix_contains_what_shares_its_bits),
        cmocka_unit_test(a_prefix_covers_what_lies_wholly_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
