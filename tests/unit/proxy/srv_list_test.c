// The order of RFC 2782: by priority, and by chance within one.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/base/err.h"
#include "proxy/net/srv_list.h"

static struct srv_place place(const char *name, uint16_t port, uint16_t priority, uint16_t weight)
{
    struct srv_place made = {.target = {.kind = TARGET_NAME, .port = port},
                             .rank = {.priority = priority, .weight = weight}};
    assert_int_equal(hostname_parse(slice_of_string(name), &made.target.name), ERR_OK);
    return made;
}

static void put(struct srv_list *list, const char *name, uint16_t port, uint16_t priority,
                uint16_t weight)
{
    const struct srv_place made = place(name, port, priority, weight);
    srv_list_add(list, &made);
}

static void equal_places_are_equal_in_any_order_of_records(void **state)
{
    (void)state;
    struct srv_list a = {0};
    struct srv_list b = {0};
    put(&a, "x.example", 1, 5, 1);
    put(&a, "y.example", 1, 5, 1);
    put(&a, "x.example", 2, 1, 1);
    put(&b, "x.example", 2, 9, 7);
    put(&b, "y.example", 1, 5, 1);
    put(&b, "x.example", 1, 5, 1);
    assert_true(srv_list_equal_places(&a, &b));
    assert_int_equal(a.places[0].target.port, 2);
    put(&b, "z.example", 1, 5, 1);
    assert_false(srv_list_equal_places(&a, &b));
    put(&a, "v.example", 1, 5, 1);
    assert_false(srv_list_equal_places(&a, &b));
    assert_false(
        srv_list_equal_places(&(struct srv_list){.is_unavailable = true}, &(struct srv_list){0}));
}

static void of_a_place_that_is_said_twice_the_better_rank_counts(void **state)
{
    (void)state;
    struct srv_list list = {0};
    put(&list, "x.example", 1, 5, 1);
    put(&list, "y.example", 1, 4, 1);
    put(&list, "x.example", 1, 3, 1);
    put(&list, "x.example", 1, 9, 1);
    assert_int_equal(list.count, 2);
    assert_int_equal(list.places[0].rank.priority, 3);
    assert_string_equal(list.places[0].target.name.text, "x.example");
}

static void a_full_list_keeps_the_best(void **state)
{
    (void)state;
    struct srv_list list = {0};
    for (uint16_t i = 0; i < 2 * SRV_PLACES_MAX; i++)
        put(&list, "x.example", (uint16_t)(1 + i), (uint16_t)(100 - i), 1);
    assert_int_equal(list.count, SRV_PLACES_MAX);
    for (size_t i = 0; i < SRV_PLACES_MAX; i++)
        assert_int_equal(list.places[i].rank.priority, 85 + i);
    put(&list, "z.example", 1, 92, 1);
    assert_int_equal(list.places[SRV_PLACES_MAX - 1].rank.priority, 92);
    assert_string_equal(list.places[SRV_PLACES_MAX - 1].target.name.text, "x.example");
}

static void a_lower_priority_comes_first_whatever_is_drawn(void **state)
{
    (void)state;
    static const struct srv_rank ranks[] = {{30, 9}, {10, 0}, {20, 65535}, {10, 1}, {20, 0}};
    for (uint32_t drawn = 0; drawn < 70000; drawn += 97) {
        uint32_t random[5];
        uint8_t order[SRV_PLACES_MAX];
        unsigned seen = 0;
        for (size_t i = 0; i < 5; i++)
            random[i] = drawn * (uint32_t)(i + 1);
        srv_order(ranks, 5, random, order);
        for (size_t i = 0; i < 5; i++) {
            seen |= 1u << order[i];
            assert_true(i == 0 || ranks[order[i - 1]].priority <= ranks[order[i]].priority);
        }
        assert_int_equal(seen, 31);
    }
}

static void weights_are_how_often_a_place_is_first(void **state)
{
    (void)state;
    static const struct srv_rank ranks[] = {{1, 1}, {1, 3}, {1, 0}};
    size_t first[3] = {0};
    for (uint32_t drawn = 0; drawn < 5; drawn++) { // all that can be drawn: 0 to the sum
        const uint32_t random[3] = {drawn, 0, 0};
        uint8_t order[SRV_PLACES_MAX];
        srv_order(ranks, 3, random, order);
        first[order[0]]++;
    }
    assert_int_equal(first[0], 1);
    assert_int_equal(first[1], 3);
    assert_int_equal(first[2], 1);
}

static void without_weights_and_without_places_nothing_goes_wrong(void **state)
{
    (void)state;
    static const struct srv_rank ranks[SRV_PLACES_MAX] = {{0, 0}};
    static const uint32_t random[SRV_PLACES_MAX] = {UINT32_MAX, UINT32_MAX, UINT32_MAX};
    uint8_t order[SRV_PLACES_MAX] = {0};
    unsigned seen = 0;
    srv_order(ranks, 0, random, order);
    srv_order(ranks, SRV_PLACES_MAX, random, order);
    for (size_t i = 0; i < SRV_PLACES_MAX; i++)
        seen |= 1u << order[i];
    assert_int_equal(seen, 255);
    static const struct srv_rank heavy[SRV_PLACES_MAX] = {
        {0, 65535}, {0, 65535}, {0, 65535}, {0, 65535},
        {0, 65535}, {0, 65535}, {0, 65535}, {0, 65535},
    };
    srv_order(heavy, SRV_PLACES_MAX, random, order);
    for (size_t i = 0; i < SRV_PLACES_MAX; i++)
        seen &= ~(1u << order[i]);
    assert_int_equal(seen, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_places_are_equal_in_any_order_of_records),
        cmocka_unit_test(of_a_place_that_is_said_twice_the_better_rank_counts),
        cmocka_unit_test(a_full_list_keeps_the_best),
        cmocka_unit_test(a_lower_priority_comes_first_whatever_is_drawn),
        cmocka_unit_test(weights_are_how_often_a_place_is_first),
        cmocka_unit_test(without_weights_and_without_places_nothing_goes_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
