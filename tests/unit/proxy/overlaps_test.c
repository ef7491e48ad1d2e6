// Which pairs of clients are told, and how often.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "proxy/session/overlaps.h"

static const struct client_file ONE = {.name = "a.yaml"};
static const struct client_file OTHER = {.name = "b.yaml"};

static struct client client_of(const struct client_file *file, const char *name)
{
    return (struct client){.name = name, .file = file};
}

static void each_pair_is_met_for_the_first_time_once(void **state)
{
    (void)state;
    struct overlaps *overlaps = overlaps_create();
    assert_non_null(overlaps);
    const struct client a = client_of(&ONE, "a");
    const struct client b = client_of(&OTHER, "b");
    const struct client ab = client_of(&OTHER, "ab");
    const struct client moved = client_of(&ONE, "b");
    bool is_last = true;
    assert_true(overlaps_remember(overlaps, &a, &b, &is_last));
    assert_false(is_last);
    assert_false(overlaps_remember(overlaps, &a, &b, &is_last));
    assert_true(overlaps_remember(overlaps, &b, &a, &is_last)); // it is the other file's by now
    assert_true(overlaps_remember(overlaps, &a, &ab, &is_last));
    assert_true(overlaps_remember(overlaps, &moved, &b, &is_last));
    assert_false(overlaps_remember(overlaps, &a, &ab, &is_last));
    overlaps_destroy(overlaps);
    overlaps_destroy(NULL);
}

static void only_so_many_are_told_and_the_last_one_is_known_as_such(void **state)
{
    (void)state;
    struct overlaps *overlaps = overlaps_create();
    assert_non_null(overlaps);
    const struct client a = client_of(&ONE, "a");
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 2 * OVERLAPS_MAX; i++) {
            char name[16];
            (void)snprintf(name, sizeof name, "c%d", i);
            const struct client b = client_of(&OTHER, name);
            bool is_last = false;
            assert_int_equal(overlaps_remember(overlaps, &a, &b, &is_last),
                             round == 0 && i < OVERLAPS_MAX);
            assert_int_equal(is_last, round == 0 && i == OVERLAPS_MAX - 1);
        }
    }
    overlaps_destroy(overlaps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_pair_is_met_for_the_first_time_once),
        cmocka_unit_test(only_so_many_are_told_and_the_last_one_is_known_as_such),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
