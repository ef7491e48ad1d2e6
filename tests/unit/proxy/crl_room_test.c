// Which kept lists make room for one more: what says nothing first, and of the rest those of the CA that has most.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>

#include "proxy/service/crl_room.h"

// list_of gives a list that was verified, of the CA `number`; 0: nobody knows of whom.
static struct crl_room_list list_of(uint8_t number)
{
    return (struct crl_room_list){.bytes = 100, .has_signer = number > 0, .signer = {number}};
}

// fill gives a full house: a CA has `first_count` of the places, all named, and another one the rest.
static void fill(struct crl_room_list lists[CRL_ROOM_LISTS], size_t first_count)
{
    for (size_t i = 0; i < CRL_ROOM_LISTS; i++) {
        lists[i] = list_of(i < first_count ? 1 : 2);
        lists[i].is_named = true;
        lists[i].kept_s = (int64_t)(1000 + i);
    }
}

static size_t count_going(const struct crl_room_list *lists, size_t count)
{
    size_t going = 0;
    for (size_t i = 0; i < count; i++)
        going += lists[i].goes;
    return going;
}

static void while_there_is_room_nothing_goes(void **state)
{
    (void)state;
    struct crl_room_list lists[2] = {list_of(0), list_of(1)};
    const struct crl_room_list more = list_of(0);
    lists[0].is_expired = true;
    assert_true(crl_room_make(lists, 2, &more));
    assert_int_equal(count_going(lists, 2), 0);
    assert_true(crl_room_fits(CRL_ROOM_LISTS - 1, CRL_ROOM_BYTES - 1, 1));
    assert_false(crl_room_fits(CRL_ROOM_LISTS, 0, 1));
    assert_false(crl_room_fits(1, CRL_ROOM_BYTES, 1));
    assert_false(crl_room_fits(0, 0, (size_t)CRL_ROOM_BYTES + 1));
}

static void what_nobody_names_and_nobody_has_verified_goes_first_then_what_is_over(void **state)
{
    (void)state;
    static struct crl_room_list lists[CRL_ROOM_LISTS];
    struct crl_room_list more = list_of(3);
    fill(lists, CRL_ROOM_LISTS / 2);
    lists[7].is_named = false;
    lists[7].is_expired = true;
    lists[8] = list_of(0);
    lists[8].kept_s = 20;
    lists[9] = list_of(0);
    lists[9].kept_s = 10;
    assert_true(crl_room_make(lists, CRL_ROOM_LISTS, &more));
    assert_int_equal(count_going(lists, CRL_ROOM_LISTS), 1);
    assert_true(lists[9].goes);
    // Also for one that is not verified itself.
    lists[8] = lists[9] = list_of(1);
    more = list_of(0);
    assert_true(crl_room_make(lists, CRL_ROOM_LISTS, &more));
    assert_int_equal(count_going(lists, CRL_ROOM_LISTS), 1);
    assert_true(lists[7].goes);
}

static void what_was_verified_makes_no_room_for_what_was_not(void **state)
{
    (void)state;
    static struct crl_room_list lists[CRL_ROOM_LISTS];
    struct crl_room_list more = list_of(0);
    fill(lists, CRL_ROOM_LISTS - 1);
    lists[3].is_named = false;
    lists[4] = list_of(0);
    lists[4].is_named = true;
    assert_false(crl_room_make(lists, CRL_ROOM_LISTS, &more));
    // And the other way round.
    more = list_of(2);
    assert_true(crl_room_make(lists, CRL_ROOM_LISTS, &more));
    assert_int_equal(count_going(lists, CRL_ROOM_LISTS), 1);
    assert_true(lists[4].goes);
}

static void the_ca_with_most_lists_gives_and_takes_none_of_another(void **state)
{
    (void)state;
    static struct crl_room_list lists[CRL_ROOM_LISTS];
    struct crl_room_list more = list_of(2);
    fill(lists, CRL_ROOM_LISTS - 10);
    lists[5].is_named = false;
    assert_true(crl_room_make(lists, CRL_ROOM_LISTS, &more));
    assert_int_equal(count_going(lists, CRL_ROOM_LISTS), 1);
    assert_true(lists[5].goes); // nobody names it
    lists[5].is_named = true;
    assert_true(crl_room_make(lists, CRL_ROOM_LISTS, &more));
    assert_true(lists[0].goes); // the oldest
    // The one with most gets room from its own that nobody names, or none.
    more = list_of(1);
    lists[CRL_ROOM_LISTS - 1].is_named = false;
    assert_false(crl_room_make(lists, CRL_ROOM_LISTS, &more));
    lists[5].is_named = false;
    assert_true(crl_room_make(lists, CRL_ROOM_LISTS, &more));
    assert_int_equal(count_going(lists, CRL_ROOM_LISTS), 1);
    assert_true(lists[5].goes);
}

static void bytes_are_bounded_like_numbers(void **state)
{
    (void)state;
    struct crl_room_list lists[20];
    struct crl_room_list more = list_of(2);
    for (size_t i = 0; i < 20; i++) {
        lists[i] = list_of(i < 8 ? 1 : 2);
        lists[i].is_named = true;
        lists[i].bytes = i < 8 ? (size_t)CRL_ROOM_BYTES / 8 - 12 : 8;
        lists[i].kept_s = 20 - (int64_t)i;
    }
    more.bytes = (size_t)CRL_ROOM_BYTES / 8 - 12;
    assert_true(crl_room_make(lists, 20, &more));
    assert_int_equal(count_going(lists, 20), 1);
    assert_true(lists[7].goes);
    more.signer[0] = 1;
    assert_false(crl_room_make(lists, 20, &more));
    more = list_of(3);
    more.bytes = (size_t)CRL_ROOM_BYTES + 1;
    assert_false(crl_room_make(lists, 20, &more));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(while_there_is_room_nothing_goes),
        cmocka_unit_test(what_nobody_names_and_nobody_has_verified_goes_first_then_what_is_over),
        cmocka_unit_test(what_was_verified_makes_no_room_for_what_was_not),
        cmocka_unit_test(the_ca_with_most_lists_gives_and_takes_none_of_another),
        cmocka_unit_test(bytes_are_bounded_like_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
