// Who is there, and whether their configurations differ: what was said earlier never replaces what was said later.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "proxy/fleet/members.h"

static struct member make(const char *instance, const char *host, const char *config,
                          uint64_t number)
{
    struct member member = {.number = number, .pid = 1};
    (void)string_copy(member.instance, sizeof member.instance, slice_of_string(instance));
    (void)string_copy(member.host, sizeof member.host, slice_of_string(host));
    (void)string_copy(member.config, sizeof member.config, slice_of_string(config));
    return member;
}

#define I1 "1111111111111111"
#define I2 "2222222222222222"
#define I3 "2222333333333333"

static enum member_finding meet(struct members *members, const struct member member)
{
    return members_meet(members, &member);
}

static void they_are_listed_in_order_and_go_when_they_are_not_met(void **state)
{
    (void)state;
    struct members *members = members_create();
    assert_int_equal(MEMBER_NEW, meet(members, make(I2, "b", "x", 1)));
    assert_int_equal(MEMBER_NEW, meet(members, make(I1, "a", "x", 1)));
    assert_int_equal(MEMBER_NEW, meet(members, make(I3, "a", "x", 1)));
    assert_string_equal(I1, members_at(members, 0)->instance);
    assert_string_equal(I3, members_at(members, 1)->instance);
    assert_string_equal(I2, members_at(members, 2)->instance);
    members_begin(members);
    assert_int_equal(MEMBER_KNOWN, meet(members, make(I3, "a", "x", 2)));
    members_end(members);
    assert_int_equal(1, members_count(members));
    assert_string_equal(I3, members_at(members, 0)->instance);
    members_destroy(members);
}

static void what_is_said_again_is_as_old_as_it_was(void **state)
{
    (void)state;
    struct members *members = members_create();
    struct member member = make(I1, "a", "x", 5);
    member.heard_ms = 100;
    (void)members_meet(members, &member);
    member.heard_ms = 200;
    assert_int_equal(MEMBER_KNOWN, members_meet(members, &member));
    assert_int_equal(100, members_at(members, 0)->heard_ms);
    member.number++;
    (void)members_meet(members, &member);
    assert_int_equal(200, members_at(members, 0)->heard_ms);
    members_destroy(members);
}

static void what_was_said_earlier_replaces_nothing(void **state)
{
    (void)state;
    struct members *members = members_create();
    (void)meet(members, make(I1, "a", "new", 5));
    members_begin(members);
    assert_int_equal(MEMBER_REPLAYED, meet(members, make(I1, "a", "old", 4)));
    members_end(members);
    assert_int_equal(1, members_count(members));
    assert_string_equal("new", members_at(members, 0)->config);
    assert_int_equal(5, members_at(members, 0)->number);
    members_destroy(members);
}

static void an_instance_is_found_by_a_beginning_that_is_its_own(void **state)
{
    (void)state;
    struct members *members = members_create();
    (void)meet(members, make(I1, "a", "x", 1));
    (void)meet(members, make(I2, "a", "x", 1));
    (void)meet(members, make(I3, "a", "x", 1));
    assert_non_null(members_find(members, slice_of_string("1111")));
    assert_non_null(members_find(members, slice_of_string("22223")));
    assert_non_null(members_find(members, slice_of_string(I2)));
    assert_null(members_find(members, slice_of_string("2222")));
    assert_null(members_find(members, slice_of_string("111")));
    assert_null(members_find(members, slice_of_string("")));
    assert_null(members_find(members, slice_of_string("3333")));
    assert_null(members_find(members, slice_of_string(I1 "1")));
    members_destroy(members);
}

static void configurations_may_differ_for_a_minute(void **state)
{
    (void)state;
    struct members *members = members_create();
    (void)meet(members, make(I1, "a", "x", 1));
    assert_int_equal(1, members_compare(members, 1000));
    (void)meet(members, make(I2, "b", "y", 1));
    assert_int_equal(2, members_compare(members, 5000));
    assert_false(members_differ(members, 5000 + MEMBERS_DIFFER_MS));
    assert_int_equal(2, members_compare(members, 30000));
    assert_true(members_differ(members, 5001 + MEMBERS_DIFFER_MS));
    (void)meet(members, make(I2, "b", "x", 2));
    assert_int_equal(1, members_compare(members, 70000));
    assert_false(members_differ(members, 70000));
    (void)meet(members, make(I2, "b", "z", 3));
    assert_int_equal(2, members_compare(members, 80000));
    assert_false(members_differ(members, 80000 + MEMBERS_DIFFER_MS));
    members_destroy(members);
}

static void those_that_are_out_of_sight_are_missed_when_the_rest_is_the_same(void **state)
{
    (void)state;
    struct members *members = members_create();
    assert_int_equal(0, members_count_differing(members));
    (void)meet(members, make(I1, "a", "x", 1));
    (void)meet(members, make(I2, "b", "y", 1));
    assert_int_equal(2, members_compare(members, 1000));
    assert_int_equal(2, members_count_differing(members));
    members_begin(members); // the second one is not met any more
    (void)meet(members, make(I1, "a", "x", 2));
    members_end(members);
    assert_int_equal(1, members_compare(members, 2000));
    assert_int_equal(1, members_count_proxies(members));
    assert_int_equal(2, members_count_differing(members));
    members_destroy(members);
}

static void old_processes_do_not_count_as_different(void **state)
{
    (void)state;
    struct members *members = members_create();
    struct member old = make(I1, "a", "old", 1);
    old.state = MEMBER_RETIRED;
    (void)meet(members, old);
    (void)meet(members, make(I2, "a", "new", 1));
    assert_int_equal(1, members_compare(members, 0));
    assert_int_equal(2, members_count(members));
    assert_int_equal(1, members_count_proxies(members));
    members_destroy(members);
}

static void there_is_a_bound(void **state)
{
    (void)state;
    struct members *members = members_create();
    char name[FLEET_INSTANCE_CAP];
    for (int i = 0; i < MEMBERS_MAX; i++) {
        (void)snprintf(name, sizeof name, "%016x", i);
        assert_int_equal(MEMBER_NEW, meet(members, make(name, "a", "x", 1)));
    }
    assert_int_equal(MEMBER_NO_ROOM, meet(members, make(I1, "a", "x", 1)));
    assert_int_equal(MEMBERS_MAX, members_count(members));
    members_destroy(members);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_are_listed_in_order_and_go_when_they_are_not_met),
        cmocka_unit_test(what_is_said_again_is_as_old_as_it_was),
        cmocka_unit_test(what_was_said_earlier_replaces_nothing),
        cmocka_unit_test(an_instance_is_found_by_a_beginning_that_is_its_own),
        cmocka_unit_test(configurations_may_differ_for_a_minute),
        cmocka_unit_test(those_that_are_out_of_sight_are_missed_when_the_rest_is_the_same),
        cmocka_unit_test(old_processes_do_not_count_as_different),
        cmocka_unit_test(there_is_a_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
