// When ticket secrets change, and which set holds: a new secret opens before it seals, and nothing goes back.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>

#include "proxy/fleet/ticket_set.h"

enum { ROTATE = 3600 };
static const uint8_t one[TICKET_SET_SECRET_LEN] = {1};
static const uint8_t two[TICKET_SET_SECRET_LEN] = {2};
static const uint8_t three[TICKET_SET_SECRET_LEN] = {3};

static void a_new_secret_opens_before_it_seals_and_the_last_one_opens_after(void **state)
{
    (void)state;
    struct ticket_set first;
    struct ticket_set wider;
    struct ticket_set second;
    ticket_set_begin(0, one, 1000, &first);
    assert_int_equal(1, first.number);
    assert_int_equal(TICKET_SET_KEEP, ticket_set_next(&first, 1000 + ROTATE - 1, ROTATE, 0));
    assert_int_equal(TICKET_SET_ADD, ticket_set_next(&first, 1000 + ROTATE, ROTATE, 0));
    ticket_set_add(&first, two, 1000 + ROTATE, &wider);
    assert_memory_equal(one, wider.secrets[0], sizeof one);
    assert_memory_equal(two, wider.secrets[1], sizeof two);
    assert_int_equal(TICKET_SET_KEEP, ticket_set_next(&wider, INT64_MAX / 2, ROTATE, 9));
    assert_int_equal(TICKET_SET_PROMOTE, ticket_set_next(&wider, 0, ROTATE, TICKET_SET_READY_S));
    ticket_set_promote(&wider, 5000, &second);
    assert_memory_equal(two, second.secrets[0], sizeof two);
    assert_memory_equal(one, second.secrets[1], sizeof one);
    assert_int_equal(2, second.count);
    assert_int_equal(3, second.number);
    ticket_set_add(&second, three, 9000, &wider);
    assert_int_equal(3, wider.count);
    assert_memory_equal(one, wider.secrets[2], sizeof one);
    ticket_set_promote(&wider, 9010, &second);
    assert_int_equal(2, second.count);
    assert_memory_equal(three, second.secrets[0], sizeof three);
    assert_memory_equal(two, second.secrets[1], sizeof two);
}

static void a_clock_that_is_behind_changes_nothing(void **state)
{
    (void)state;
    struct ticket_set set;
    ticket_set_begin(0, one, 100000, &set);
    assert_int_equal(TICKET_SET_KEEP, ticket_set_next(&set, 0, ROTATE, ROTATE - 1));
    assert_int_equal(TICKET_SET_KEEP, ticket_set_next(&set, 96400, ROTATE, ROTATE - 1));
}

static void a_set_with_a_time_ahead_is_changed_when_it_was_seen_for_long(void **state)
{
    (void)state;
    const struct ticket_set set = {.number = 1, .since_s = 5000000, .count = 1};
    assert_int_equal(TICKET_SET_KEEP, ticket_set_next(&set, 1000, 3600, 3599));
    assert_int_equal(TICKET_SET_ADD, ticket_set_next(&set, 1000, 3600, 3600));
}

static void the_higher_number_holds_and_of_the_same_one_always_the_same_set(void **state)
{
    (void)state;
    struct ticket_set low;
    struct ticket_set high;
    struct ticket_set other;
    ticket_set_begin(0, three, 0, &low);
    ticket_set_begin(1, one, 0, &high);
    ticket_set_begin(1, two, 0, &other);
    assert_true(ticket_set_compare(&low, &high) < 0);
    assert_true(ticket_set_compare(&high, &low) > 0);
    assert_true(ticket_set_compare(&high, &other) < 0);
    assert_true(ticket_set_compare(&other, &high) > 0);
    assert_int_equal(0, ticket_set_compare(&other, &other));
    ticket_set_begin(7, one, 0, &low);
    assert_int_equal(8, low.number);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_secret_opens_before_it_seals_and_the_last_one_opens_after),
        cmocka_unit_test(a_clock_that_is_behind_changes_nothing),
        cmocka_unit_test(a_set_with_a_time_ahead_is_changed_when_it_was_seen_for_long),
        cmocka_unit_test(the_higher_number_holds_and_of_the_same_one_always_the_same_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
