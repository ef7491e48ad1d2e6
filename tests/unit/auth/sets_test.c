// The edges of compiled sets, which random cases seldom meet.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "auth/base/text.h"
#include "tests/unit/auth/set_maker.h"

static struct hostname host(const char *text)
{
    struct hostname out;
    assert_int_equal(ERR_OK, hostname_parse(slice_of_string(text), &out));
    return out;
}

static struct ip_addr address(const char *text)
{
    struct ip_addr out;
    assert_int_equal(ERR_OK, ip_addr_parse(slice_of_string(text), &out));
    return out;
}

// matches asks a set made of `patterns`, alone and among so many others that it has a table.
static bool matches(const char *patterns, const char *name)
{
    char many[2048];
    struct text text;
    struct arena *arena = arena_create();
    const struct hostname asked = host(name);
    text_init(&text, many, sizeof many);
    text_append_string(&text, patterns);
    for (int i = 0; i < 40; i++)
        text_append_format(&text, ",other%d.test,*.else%d.test", i, i);
    const bool alone = host_set_matches(make_hosts(arena, patterns).items[0], &asked);
    assert_int_equal(alone, host_set_matches(make_hosts(arena, many).items[0], &asked));
    arena_destroy(arena);
    return alone;
}

static void names_and_wildcards_end_at_labels(void **state)
{
    (void)state;
    assert_true(matches("a.example", "a.example"));
    assert_false(matches("a.example", "b.example"));
    assert_false(matches("a.example", "x.a.example"));
    assert_false(matches("a.example", "example"));
    assert_false(matches("a.example", "xa.example"));
    assert_true(matches("*.a.example", "x.a.example"));
    assert_true(matches("*.a.example", "y.x.a.example"));
    assert_false(matches("*.a.example", "a.example"));
    assert_false(matches("*.a.example", "xa.example"));
    assert_false(matches("*.a.example", "x.b.example"));
    assert_false(matches("*.a.example", "a.example.x"));
    assert_true(matches("*.example", "a.example"));
    assert_false(matches("*.example", "example"));
    assert_true(matches("example", "example"));
}

static void a_name_and_its_wildcard_are_apart_in_either_order(void **state)
{
    (void)state;
    static const char *const both[] = {"a.example,*.a.example", "*.a.example,a.example",
                                       "a.example,a.example,*.a.example,*.a.example"};
    for (size_t i = 0; i < sizeof both / sizeof both[0]; i++) {
        assert_true(matches(both[i], "a.example"));
        assert_true(matches(both[i], "x.a.example"));
        assert_false(matches(both[i], "b.example"));
    }
}

static void any_matches_every_name_and_no_address_is_one(void **state)
{
    (void)state;
    assert_true(matches("*", "a.example"));
    assert_true(matches("*,b.example", "a"));
}

static void a_name_of_127_labels_is_looked_up_like_any_other(void **state)
{
    (void)state;
    char longest[HOSTNAME_MAX_LEN + 1];
    char wildcard[HOSTNAME_MAX_LEN + 3];
    for (size_t i = 0; i < HOSTNAME_MAX_LEN; i++)
        longest[i] = i % 2 == 0 ? 'a' : '.';
    longest[HOSTNAME_MAX_LEN] = '\0';
    assert_true(matches(longest, longest));
    assert_false(matches(longest, longest + 2));
    (void)snprintf(wildcard, sizeof wildcard, "*.%s", longest + 2); // 126 labels
    assert_true(matches(wildcard, longest));
    assert_false(matches(wildcard, longest + 2));
    (void)snprintf(wildcard, sizeof wildcard, "*.%s", longest + 2 * 63); // 64
    assert_true(matches(wildcard, longest));
    assert_false(matches(wildcard, longest + 2 * 63));
}

// The hashes of n422042.example and n943216.example agree in the upper half and in the last four bits:
// in a table of 16 slots they differ in nothing but their bytes.
static void names_of_one_hash_are_two_names(void **state)
{
    (void)state;
    static const char others[] = "1.test,2.test,3.test,4.test,5.test,6.test,7.test,8.test";
    struct arena *arena = arena_create();
    const struct hostname one = host("n422042.example");
    const struct hostname two = host("n943216.example");
    const struct hostname below_one = host("x.n422042.example");
    const struct hostname below_two = host("x.n943216.example");
    char text[256];
    (void)snprintf(text, sizeof text, "n422042.example,%s", others);
    const struct host_set *set = make_hosts(arena, text).items[0];
    assert_true(host_set_matches(set, &one));
    assert_false(host_set_matches(set, &two));
    (void)snprintf(text, sizeof text, "n422042.example,*.n943216.example,%s", others);
    set = make_hosts(arena, text).items[0];
    assert_true(host_set_matches(set, &one));
    assert_false(host_set_matches(set, &two));
    assert_false(host_set_matches(set, &below_one));
    assert_true(host_set_matches(set, &below_two));
    arena_destroy(arena);
}

static void the_patterns_of_a_set_are_listed(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    const struct host_set *set = make_hosts(arena, "*,a.example,*.b.example").items[0];
    struct host_record record;
    size_t cursor = 0;
    assert_true(host_set_next(set, &cursor, &record));
    assert_int_equal(record.kind, HOST_PATTERN_EXACT);
    assert_true(slice_equal(record.name, SLICE_LITERAL("a.example")));
    assert_true(host_set_next(set, &cursor, &record));
    assert_int_equal(record.kind, HOST_PATTERN_SUFFIX);
    assert_true(slice_equal(record.name, SLICE_LITERAL("b.example")));
    assert_true(host_set_next(set, &cursor, &record));
    assert_int_equal(record.kind, HOST_PATTERN_ANY);
    assert_false(host_set_next(set, &cursor, &record));
    assert_false(host_set_next(set, &cursor, &record));
    set = make_hosts(arena, "").items[0];
    cursor = 0;
    assert_false(host_set_next(set, &cursor, &record));
    arena_destroy(arena);
}

// OTHERS make a set a large one.
#define OTHERS ",1.test,2.test,3.test,4.test,5.test,6.test,7.test,8.test"

static void a_star_inside_a_name_is_one_label_in_sets_of_any_size(void **state)
{
    (void)state;
    static const char *const lists[] = {"ec2.*.a.example,*.ecr.*.a.example,x.*.*.y.example",
                                        "ec2.*.a.example,*.ecr.*.a.example,x.*.*.y.example" OTHERS};
    for (size_t i = 0; i < 2; i++) {
        assert_true(matches(lists[i], "ec2.eu.a.example"));
        assert_false(matches(lists[i], "ec2.eu.west.a.example"));
        assert_false(matches(lists[i], "ec2.a.example"));
        assert_false(matches(lists[i], "b.ec2.eu.a.example"));
        assert_true(matches(lists[i], "1.ecr.eu.a.example"));
        assert_true(matches(lists[i], "2.1.ecr.eu.a.example"));
        assert_false(matches(lists[i], "ecr.eu.a.example"));
        assert_true(matches(lists[i], "x.1.2.y.example"));
        assert_false(matches(lists[i], "x.1.y.example"));
    }
}

static void a_name_with_a_star_is_listed_as_what_it_is(void **state)
{
    (void)state;
    static const char *const lists[] = {"a.*.example,*.a.*.example",
                                        "a.*.example,*.a.*.example" OTHERS};
    for (size_t i = 0; i < 2; i++) {
        struct arena *arena = arena_create();
        const struct host_set *set = make_hosts(arena, lists[i]).items[0];
        struct host_record record;
        size_t cursor = 0;
        assert_true(host_set_next(set, &cursor, &record));
        assert_int_equal(record.kind, HOST_PATTERN_LABELS);
        assert_true(slice_equal(record.name, SLICE_LITERAL("a.*.example")));
        assert_true(host_set_next(set, &cursor, &record));
        assert_int_equal(record.kind, HOST_PATTERN_SUFFIX);
        assert_true(slice_equal(record.name, SLICE_LITERAL("a.*.example")));
        arena_destroy(arena);
    }
}

static void a_set_has_room_for_so_many_shapes_and_no_more(void **state)
{
    (void)state;
    struct host_set_builder builder = {0};
    struct host_pattern pattern;
    struct errinfo info;
    char text[128] = "a.*";
    for (size_t i = 0; i <= HOST_SET_SHAPES_MAX; i++) {
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), ".b");
        assert_int_equal(ERR_OK, host_pattern_parse(slice_of_string(text), &pattern, &info));
        assert_int_equal(i < HOST_SET_SHAPES_MAX ? ERR_OK : ERR_LIMIT,
                         host_set_builder_add(&builder, &pattern));
    }
    // Another name of a shape that is there, or without a star, needs no further one.
    assert_int_equal(ERR_OK, host_pattern_parse(SLICE_LITERAL("x.*.y"), &pattern, &info));
    assert_int_equal(ERR_OK, host_set_builder_add(&builder, &pattern));
    assert_int_equal(ERR_OK, host_pattern_parse(SLICE_LITERAL("*.x.*.y"), &pattern, &info));
    assert_int_equal(ERR_OK, host_set_builder_add(&builder, &pattern));
    assert_int_equal(ERR_OK, host_pattern_parse(SLICE_LITERAL("a.b.c"), &pattern, &info));
    assert_int_equal(ERR_OK, host_set_builder_add(&builder, &pattern));
    host_set_builder_deinit(&builder);
}

static void a_name_and_its_wildcard_are_listed_apart_in_a_large_set(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    const struct host_set *set =
        make_hosts(arena, "a.example,*.a.example,1.test,2.test,3.test,4.test,5.test,6.test,7.test")
            .items[0];
    struct host_record record;
    size_t cursor = 0;
    assert_true(host_set_next(set, &cursor, &record));
    assert_int_equal(record.kind, HOST_PATTERN_EXACT);
    assert_true(host_set_next(set, &cursor, &record));
    assert_int_equal(record.kind, HOST_PATTERN_SUFFIX);
    arena_destroy(arena);
}

// ranges lists the ranges of a set made of `prefixes`.
static const char *ranges(const char *prefixes, char out[1024])
{
    struct arena *arena = arena_create();
    const struct ip_set *set = make_addresses(arena, prefixes).items[0];
    struct text text;
    text_init(&text, out, 1024);
    for (size_t i = 0; i < ip_set_count(set); i++) {
        struct ip_addr first;
        struct ip_addr last;
        char texts[2][IP_TEXT_CAP];
        ip_set_range(set, i, &first, &last);
        text_append_format(&text, "%s-%s ", ip_addr_format(&first, texts[0]),
                           ip_addr_format(&last, texts[1]));
    }
    arena_destroy(arena);
    return out;
}

static void ranges_that_touch_or_overlap_become_one(void **state)
{
    (void)state;
    char out[1024];
    assert_string_equal(ranges("10.0.1.0/24,10.0.0.0/24", out), "10.0.0.0-10.0.1.255 ");
    assert_string_equal(ranges("10.0.0.0/24,10.0.2.0/24", out),
                        "10.0.0.0-10.0.0.255 10.0.2.0-10.0.2.255 ");
    assert_string_equal(ranges("10.0.0.0/8,10.1.0.0/16,10.0.0.0/8", out),
                        "10.0.0.0-10.255.255.255 ");
    assert_string_equal(ranges("0.0.0.0/1,128.0.0.0/1", out), "0.0.0.0-255.255.255.255 ");
    assert_string_equal(ranges("255.255.255.255,0.0.0.0", out),
                        "0.0.0.0-0.0.0.0 255.255.255.255-255.255.255.255 ");
    assert_string_equal(ranges("::/0,1.2.3.4", out),
                        "1.2.3.4-1.2.3.4 ::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ");
    assert_string_equal(ranges("2001:db8::/65,2001:db8:0:0:8000::/65", out),
                        "2001:db8::-2001:db8::ffff:ffff:ffff:ffff ");
    assert_string_equal(ranges("2001:db8:0:1::/64,2001:db8::/64", out),
                        "2001:db8::-2001:db8:0:1:ffff:ffff:ffff:ffff ");
    assert_string_equal(ranges("2001:db8:0:2::/64,2001:db8::/64", out),
                        "2001:db8::-2001:db8::ffff:ffff:ffff:ffff "
                        "2001:db8:0:2::-2001:db8:0:2:ffff:ffff:ffff:ffff ");
    assert_string_equal(ranges("2001:db8::1,2001:db8::3", out),
                        "2001:db8::1-2001:db8::1 2001:db8::3-2001:db8::3 ");
    assert_string_equal(ranges("", out), "");
    struct arena *arena = arena_create();
    assert_true(ip_set_has_public(make_addresses(arena, "public,1.2.3.4").items[0]));
    assert_false(ip_set_has_public(make_addresses(arena, "1.2.3.4").items[0]));
    arena_destroy(arena);
}

struct membership {
    const char *prefixes;
    const char *address;
    bool holds;
    bool opens;
};

static void a_set_holds_more_than_an_allow_opens(void **state)
{
    (void)state;
    static const struct membership rows[] = {
        {"9.9.9.0/24", "9.9.9.0", true, true},
        {"9.9.9.0/24", "9.9.9.255", true, true},
        {"9.9.9.0/24", "9.9.10.0", false, false},
        {"9.9.9.0/24", "9.9.8.255", false, false},
        {"9.9.9.0/24,1.1.1.0/24,5.5.5.0/24", "5.5.5.5", true, true},
        {"public", "8.8.8.8", true, true},
        {"public", "10.0.0.1", false, false},
        {"public,10.0.0.0/8", "10.0.0.1", true, true},
        {"10.0.0.0/7", "10.0.0.1", true, false},
        {"10.0.0.0/7", "11.0.0.1", true, true},
        {"10.0.0.0/7,10.1.0.0/16", "10.1.0.1", true, true},
        {"10.0.0.0/7,10.1.0.0/16", "10.2.0.1", true, false},
        {"0.0.0.0/0", "127.0.0.1", true, false},
        {"224.0.0.0/4", "224.0.0.1", true, false},
        {"169.254.0.0/16", "169.254.169.254", true, false},
        {"169.254.0.0/16", "169.254.0.1", true, true},
        // a range inside another opens to its own prefixes only
        {"192.0.0.0/24", "192.0.0.7", true, false},
        {"192.0.0.0/24", "192.0.0.8", true, false},
        {"192.0.0.0/24", "192.0.0.11", true, true},
        {"192.0.0.0/24", "192.0.0.169", true, true},
        {"192.0.0.0/24", "192.0.0.170", true, false},
        {"192.0.0.0/24", "192.0.0.171", true, false},
        {"192.0.0.0/24", "192.0.0.172", true, true},
        {"192.0.0.0/24", "192.0.0.255", true, true},
        {"192.0.0.0/24,192.0.0.0/29", "192.0.0.7", true, true},
        {"192.0.0.0/30", "192.0.0.3", true, true},
        {"192.0.0.0/30", "192.0.0.4", false, false},
        {"192.88.99.0/24", "192.88.99.2", true, false},
        {"192.88.99.0/24", "192.88.99.1", true, true},
        {"192.88.99.0/24", "192.88.99.3", true, true},
        // a hole at the very end, and at the very beginning
        {"192.0.0.10/31", "192.0.0.10", true, false},
        {"192.0.0.10/31", "192.0.0.11", true, true},
        {"192.0.0.8/31", "192.0.0.8", true, false},
        {"192.0.0.8/31", "192.0.0.9", true, false},
        {"::/8", "::1", true, false},
        {"::/8", "1::1", true, true},
        {"::/8", "64:ff9b::1", true, false},
        {"::/8", "64:ff9b:2::1", true, true},
        {"fc00::/7", "fc00::", true, true},
        {"fc00::/7", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true, true},
        {"fc00::/7", "fe00::", false, false},
        {"fc00::/6", "fc00::1", true, false},
        {"2001::/23", "2001:0:1::1", true, false},
        {"2001::/23", "2001:5::1", true, true},
        {"::/0", "2620:fe::fe", true, true},
        {"0.0.0.0/0", "2620:fe::fe", false, false},
        {"::/0", "8.8.8.8", false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct arena *arena = arena_create();
        const struct ip_set *set = make_addresses(arena, rows[i].prefixes).items[0];
        const struct ip_addr addr = address(rows[i].address);
        const enum ip_class class = ip_addr_classify(&addr);
        if (ip_set_holds(set, &addr, class) != rows[i].holds ||
            ip_set_opens(set, &addr, class) != rows[i].opens)
            fail_msg("%s in %s: holds %d, opens %d", rows[i].address, rows[i].prefixes,
                     !rows[i].holds, !rows[i].opens);
        arena_destroy(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_wildcards_end_at_labels),
        cmocka_unit_test(a_name_and_its_wildcard_are_apart_in_either_order),
        cmocka_unit_test(any_matches_every_name_and_no_address_is_one),
        cmocka_unit_test(a_name_of_127_labels_is_looked_up_like_any_other),
        cmocka_unit_test(names_of_one_hash_are_two_names),
        cmocka_unit_test(the_patterns_of_a_set_are_listed),
        cmocka_unit_test(a_star_inside_a_name_is_one_label_in_sets_of_any_size),
        cmocka_unit_test(a_name_with_a_star_is_listed_as_what_it_is),
        cmocka_unit_test(a_set_has_room_for_so_many_shapes_and_no_more),
        cmocka_unit_test(a_name_and_its_wildcard_are_listed_apart_in_a_large_set),
        cmocka_unit_test(ranges_that_touch_or_overlap_become_one),
        cmocka_unit_test(a_set_holds_more_than_an_allow_opens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
