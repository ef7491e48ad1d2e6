// The range tables against the hand-written list, at every edge; embeddings against addresses
// written down from their RFCs.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "auth/iprange.h"
#include "tests/unit/auth/range_list.h"

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

static void check_class(const struct range_list *list, const struct ip_addr *addr)
{
    const struct range_row *row = range_list_find(list, addr);
    const enum ip_class expected = row == NULL ? IP_CLASS_ORDINARY : row->ip_class;
    const char *name = ip_addr_special_name(addr);
    char text[IP_TEXT_CAP];
    if (ip_addr_classify(addr) != expected)
        fail_msg("%s is of class %d, not %d", ip_addr_format(addr, text), ip_addr_classify(addr),
                 expected);
    if ((row == NULL) != (name == NULL) || (row != NULL && strcmp(row->name, name) != 0))
        fail_msg("%s is called %s", ip_addr_format(addr, text), name == NULL ? "-" : name);
}

static void every_range_has_its_class_and_name_at_all_its_edges(void **state)
{
    (void)state;
    struct range_list list;
    range_list_load(&list, "tests/data/special_ranges.list");
    assert_in_range(list.count, 75, RANGE_LIST_MAX);
    for (size_t i = 0; i < list.count; i++) {
        struct ip_addr edges[RANGE_EDGES];
        const size_t count = range_edges(&list.rows[i].prefix, edges);
        for (size_t k = 0; k < count; k++)
            check_class(&list, &edges[k]);
    }
}

static void every_first_half_of_ipv4_is_classified_as_the_list_says(void **state)
{
    (void)state;
    struct range_list list;
    range_list_load(&list, "tests/data/special_ranges.list");
    for (unsigned high = 0; high < 65536; high++) {
        const struct ip_addr addr = {
            .family = IP_V4,
            .bytes = {(uint8_t)(high >> 8), (uint8_t)(high & 0xFF), (uint8_t)(high % 251), 1},
        };
        check_class(&list, &addr);
    }
}

static void nothing_outside_2000_3_is_ordinary(void **state)
{
    (void)state;
    for (unsigned high = 0; high < 65536; high++) {
        const struct ip_addr addr = {
            .family = IP_V6, .bytes = {(uint8_t)(high >> 8), (uint8_t)(high & 0xFF), [15] = 9}};
        if (high >> 13 != 1)
            assert_int_not_equal(IP_CLASS_ORDINARY, ip_addr_classify(&addr));
    }
}

static void what_is_no_address_is_closed(void **state)
{
    (void)state;
    const struct ip_addr nothing = {0};
    const struct ip_prefix everything = prefix("0.0.0.0/0");
    assert_int_equal(IP_CLASS_CLOSED, ip_addr_classify(&nothing));
    assert_non_null(ip_addr_special_name(&nothing));
    assert_false(ip_prefix_opens(&everything, &nothing));
}

struct carrier {
    const char *outer;
    const char *inner[IP_EMBEDDED_MAX + 1]; // NULL-terminated
};

static void finds_the_ipv4_address_in_every_embedding(void **state)
{
    (void)state;
    static const struct carrier rows[] = {
        {"::ffff:1.2.3.4", {"1.2.3.4"}},
        {"::1.2.3.4", {"1.2.3.4"}},
        {"::2", {"0.0.0.2"}},
        {"::ffff:0:1.2.3.4", {"1.2.3.4"}},
        {"64:ff9b::1.2.3.4", {"1.2.3.4"}},
        {"2002:102:304::1", {"1.2.3.4"}},
        {"2002:102:304:5:6:7:8:9", {"1.2.3.4"}},
        // RFC 4380 4: server 65.54.227.120, client 192.0.2.45
        {"2001:0:4136:e378:8000:63bf:3fff:fdd2", {"65.54.227.120", "192.0.2.45"}},
        // RFC 6052 2.4: 192.0.2.33 in each length, and what the other readings make of it
        {"64:ff9b:1:c000:2:2100::", {"192.0.2.33", "0.2.33.0", "2.33.0.0", "0.0.0.0"}},
        {"64:ff9b:1:c0:0:221::", {"0.192.0.2", "192.0.2.33", "0.2.33.0", "0.0.0.0"}},
        {"64:ff9b:1:0:c0:2:2100::", {"0.0.192.0", "0.192.0.2", "192.0.2.33", "33.0.0.0"}},
        {"64:ff9b:1::192.0.2.33", {"0.0.0.0", "0.0.0.192", "192.0.2.33"}},
        {"2620:fe::5efe:1.2.3.4", {"1.2.3.4"}},
        {"2620:fe::200:5efe:1.2.3.4", {"1.2.3.4"}},
        {"2620:fe::300:5efe:1.2.3.4", {"1.2.3.4"}},
        {"fe80::5efe:1.2.3.4", {"1.2.3.4"}},
        {"2002:102:304::5efe:5.6.7.8", {"1.2.3.4", "5.6.7.8"}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct ip_addr addr = address(rows[i].outer);
        struct ip_addr found[IP_EMBEDDED_MAX];
        const size_t count = ip_addr_embedded(&addr, (struct nat64_list){0}, found);
        size_t expected = 0;
        for (; rows[i].inner[expected] != NULL; expected++) {
            char text[IP_TEXT_CAP];
            assert_in_range(expected, 0, count - 1);
            assert_string_equal(rows[i].inner[expected], ip_addr_format(&found[expected], text));
        }
        assert_int_equal(expected, count);
    }
}

static void finds_nothing_where_nothing_is_embedded(void **state)
{
    (void)state;
    static const char *const plain[] = {
        "1.2.3.4",
        "0.0.0.0",
        "::",
        "::1",
        "2620:fe::fe",
        "2003::1",
        "2001:1::1",
        "2001:db8::1",
        "64:ff9b:0:1::1",
        "64:ff9b:2::1",
        "64:ff9a::1.2.3.4",
        "::1:0:1.2.3.4",
        "::fffe:1.2.3.4",
        "1::ffff:1.2.3.4",
        "::1:ffff:0:1.2.3.4",
        "2620:fe::400:5efe:1.2.3.4",
        "2620:fe::1:5efe:1.2.3.4",
        "2620:fe::5eff:1.2.3.4",
        "2620:fe::5dfe:1.2.3.4",
        "fd00::1",
    };
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        const struct ip_addr addr = address(plain[i]);
        struct ip_addr found[IP_EMBEDDED_MAX];
        if (ip_addr_embedded(&addr, (struct nat64_list){0}, found) != 0)
            fail_msg("%s carries nothing", plain[i]);
    }
}

struct site {
    const char *prefixes[4]; // NULL-terminated
    struct carrier carrier;
};

static void finds_the_ipv4_address_under_a_prefix_of_the_site(void **state)
{
    (void)state;
    // RFC 6052 2.4: 192.0.2.33 in each length.
    static const struct site rows[] = {
        {{"2001:db8::/32"}, {"2001:db8:c000:221::", {"192.0.2.33"}}},
        {{"2001:db8:100::/40"}, {"2001:db8:1c0:2:21::", {"192.0.2.33"}}},
        {{"2001:db8:122::/48"}, {"2001:db8:122:c000:2:2100::", {"192.0.2.33"}}},
        {{"2001:db8:122:300::/56"}, {"2001:db8:122:3c0:0:221::", {"192.0.2.33"}}},
        {{"2001:db8:122:344::/64"}, {"2001:db8:122:344:c0:2:2100::", {"192.0.2.33"}}},
        {{"2001:db8:122:344::/96"}, {"2001:db8:122:344::192.0.2.33", {"192.0.2.33"}}},
        // outside of it
        {{"2001:db8:122::/48"}, {"2001:db8:123:c000:2:2100::", {NULL}}},
        // every prefix that holds the address counts
        {{"2001:db8::/32", "2001:db8:122:344::/96"},
         {"2001:db8:122:344::192.0.2.33", {"1.34.3.68", "192.0.2.33"}}},
        // a prefix inside the local range says how long it is there
        {{"64:ff9b:1::/48"}, {"64:ff9b:1:c000:2:2100::", {"192.0.2.33"}}},
        {{"64:ff9b:1::/96"}, {"64:ff9b:1::192.0.2.33", {"192.0.2.33"}}},
        // and not elsewhere in it, nor does a wider one
        {{"64:ff9b:1:1::/96"}, {"64:ff9b:1::192.0.2.33", {"0.0.0.0", "0.0.0.192", "192.0.2.33"}}},
        {{"64:ff9b::/32"},
         {"64:ff9b:1::192.0.2.33", {"0.1.0.0", "0.0.0.0", "0.0.0.192", "192.0.2.33"}}},
        // whichever stands first
        {{"64:ff9b:1::/48", "64:ff9b::/32"},
         {"64:ff9b:1:c000:2:2100::", {"192.0.2.33", "0.1.192.0"}}},
        // the well-known one again changes nothing, and other embeddings stay
        {{"64:ff9b::/96"}, {"64:ff9b::1.2.3.4", {"1.2.3.4"}}},
        {{"2002:102::/32"}, {"2002:102:304:506::", {"3.4.5.6", "1.2.3.4"}}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ip_prefix prefixes[4];
        struct nat64_list list = {.prefixes = prefixes};
        struct errinfo info;
        for (; rows[i].prefixes[list.count] != NULL; list.count++)
            assert_int_equal(ERR_OK,
                             nat64_prefix_parse(slice_of_string(rows[i].prefixes[list.count]),
                                                &prefixes[list.count], &info));
        const struct ip_addr addr = address(rows[i].carrier.outer);
        struct ip_addr found[IP_EMBEDDED_MAX];
        const size_t count = ip_addr_embedded(&addr, list, found);
        size_t expected = 0;
        for (; rows[i].carrier.inner[expected] != NULL; expected++) {
            char text[IP_TEXT_CAP];
            assert_in_range(expected + 1, 1, count);
            assert_string_equal(rows[i].carrier.inner[expected],
                                ip_addr_format(&found[expected], text));
        }
        assert_int_equal(expected, count);
    }
}

static void only_prefixes_of_rfc_6052_are_nat64_prefixes(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "10.0.0.0/8",
        "2001:db8::/31",
        "2001:db8::/33",
        "2001:db8::/72",
        "2001:db8::/95",
        "2001:db8::/128",
        "::/0",
        "2001:db8::1",
        "2001:db8:0:0:100::/96", // bits 64 to 71
        "2001:db8:0:0:8000::/96",
        "2001:db8::1/96",
        "::ffff:0:0/96",
        "64:ff9b::",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct ip_prefix prefix;
        struct errinfo info = {.text = ""};
        if (nat64_prefix_parse(slice_of_string(bad[i]), &prefix, &info) != ERR_INPUT)
            fail_msg("%s was taken", bad[i]);
        assert_string_not_equal("", info.text);
        assert_int_equal(IP_NONE, prefix.addr.family);
    }
    struct ip_prefix prefix;
    struct errinfo info = {.text = ""};
    // No more is shown than was given.
    const struct slice given = slice_first(SLICE_LITERAL("2001:db8::/31, and more"), 13);
    assert_int_equal(ERR_INPUT, nat64_prefix_parse(given, &prefix, &info));
    assert_non_null(strstr(info.text, "`2001:db8::/31`"));
}

struct opening {
    const char *prefix;
    const char *addr;
    bool opens;
};

static void a_prefix_opens_a_special_range_only_from_inside(void **state)
{
    (void)state;
    static const struct opening rows[] = {
        {"9.9.9.0/24", "9.9.9.9", true},
        {"9.9.9.0/24", "9.9.8.9", false},
        {"0.0.0.0/0", "9.9.9.9", true},
        {"0.0.0.0/0", "10.0.0.1", false},
        {"10.0.0.0/8", "10.0.0.1", true},
        {"10.0.0.1", "10.0.0.1", true},
        {"10.0.0.0/7", "10.0.0.1", false},
        {"10.0.0.0/7", "11.0.0.1", true},
        {"192.168.0.0/15", "192.168.0.1", false},
        {"192.0.0.0/16", "192.0.2.1", false},
        {"192.0.0.0/16", "192.0.3.1", true},
        {"192.0.0.0/24", "192.0.0.100", true},
        {"192.0.0.0/24", "192.0.0.9", false},
        {"192.0.0.9", "192.0.0.9", true},
        {"::/0", "2620:fe::fe", true},
        {"::/0", "fd00::1", false},
        {"fc00::/7", "fd00::1", true},
        {"fc00::/6", "fd00::1", false},
        {"fe80::/9", "fe80::1", false},
        {"8000::/1", "c000::1", false},
        {"c000::/3", "c000::1", true},
        {"::/8", "::1", false},
        {"::/8", "::9.9.9.9", false},
        {"::/8", "1::1", true},
        {"2000::/3", "2002::1", false},
        {"2000::/3", "2003::1", true},
        {"2001::/23", "2001::1", false},
        {"2001::/32", "2001::1", true},
        {"0.0.0.0/0", "0.0.0.0", false},
        {"0.0.0.0", "0.0.0.0", false},
        {"::", "::", false},
        {"224.0.0.0/4", "224.0.0.1", false},
        {"ff02::1", "ff02::1", false},
        {"255.255.255.255", "255.255.255.255", false},
        {"169.254.169.254", "169.254.169.254", false},
        {"169.254.0.0/16", "169.254.169.254", false},
        {"169.254.0.0/16", "169.254.169.253", true},
        {"168.63.129.0/24", "168.63.129.16", false},
        {"fd00:ec2::254", "fd00:ec2::254", false},
        {"0.0.0.0/0", "::9.9.9.9", false},
        {"::/0", "9.9.9.9", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct ip_prefix value = prefix(rows[i].prefix);
        const struct ip_addr addr = address(rows[i].addr);
        if (ip_prefix_opens(&value, &addr) != rows[i].opens)
            fail_msg("wrong about %s and %s", rows[i].prefix, rows[i].addr);
    }
}

static void names_the_prefixes_that_open_something_special(void **state)
{
    (void)state;
    static const struct opening rows[] = {
        {"10.0.0.0/8", NULL, true},
        {"10.2.0.0/16", NULL, true},
        {"127.0.0.1", NULL, true},
        {"fd00::/8", NULL, true},
        {"::1", NULL, true},
        {"::/8", NULL, true},
        {"64:ff9b::/96", NULL, true},
        {"10.0.0.0/7", NULL, false},
        {"0.0.0.0/0", NULL, false},
        {"::/0", NULL, false},
        {"9.9.9.9", NULL, false},
        {"2620:fe::/48", NULL, false},
        {"224.0.0.0/4", NULL, false},
        {"169.254.169.254", NULL, false},
        {"168.63.129.16", NULL, false},
        {"ff02::/16", NULL, false},
        {"0.0.0.0", NULL, false},
        {"0.0.0.0/8", NULL, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct ip_prefix value = prefix(rows[i].prefix);
        if (ip_prefix_opens_special(&value) != rows[i].opens)
            fail_msg("wrong about %s", rows[i].prefix);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_range_has_its_class_and_name_at_all_its_edges),
        cmocka_unit_test(every_first_half_of_ipv4_is_classified_as_the_list_says),
        cmocka_unit_test(nothing_outside_2000_3_is_ordinary),
        cmocka_unit_test(what_is_no_address_is_closed),
        cmocka_unit_test(finds_the_ipv4_address_in_every_embedding),
        cmocka_unit_test(finds_nothing_where_nothing_is_embedded),
        cmocka_unit_test(finds_the_ipv4_address_under_a_prefix_of_the_site),
        cmocka_unit_test(only_prefixes_of_rfc_6052_are_nat64_prefixes),
        cmocka_unit_test(a_prefix_opens_a_special_range_only_from_inside),
        cmocka_unit_test(names_the_prefixes_that_open_something_special),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
