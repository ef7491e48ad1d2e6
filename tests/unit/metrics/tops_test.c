// The frequent ones stay, however many others come.
#include "proxy/metrics/tops.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
// cmocka wants the four above first
#include <cmocka.h>

static void note(struct tops *tops, const char *who, const char *what, const char *why)
{
    tops_note(tops, &(struct top_subject){.who = who, .what = what, .why = why, .id = "1"}, 100);
}

static const struct top_place *find(const struct tops *tops, const char *what)
{
    for (size_t i = 0; i < TOPS_PLACES; i++) {
        if (tops->places[i].hash != 0 && strcmp(tops->places[i].what, what) == 0)
            return &tops->places[i];
    }
    return NULL;
}

static void who_what_and_why_make_a_place(void **state)
{
    (void)state;
    struct tops tops = {0};
    note(&tops, "a", "b", "c");
    note(&tops, "a", "b", "c");
    note(&tops, "ab", "", "c");
    note(&tops, "a", "bc", "");
    note(&tops, NULL, NULL, NULL);
    tops_sort(&tops);
    assert_int_equal(tops.places[0].count, 2);
    assert_string_equal(tops.places[0].what, "b");
    for (size_t i = 1; i < 4; i++)
        assert_int_equal(tops.places[i].count, 1);
    assert_int_equal(tops.places[4].hash, 0);
}

static void a_frequent_one_stays_among_thousands(void **state)
{
    (void)state;
    struct tops tops = {0};
    for (int i = 0; i < 10000; i++) {
        char what[32];
        (void)snprintf(what, sizeof what, "random-%d", i);
        note(&tops, "", what, "");
        if (i % 10 == 0)
            note(&tops, "", "often", "");
    }
    const struct top_place *place = find(&tops, "often");
    assert_non_null(place);
    assert_true(place->count >= 1000 && place->count - place->over <= 1000);
    tops_sort(&tops);
    assert_string_equal(tops.places[0].what, "often");
}

static void the_last_time_and_its_record_are_kept(void **state)
{
    (void)state;
    struct tops tops = {0};
    tops_note(&tops, &(struct top_subject){.what = "x", .id = "first"}, 10);
    tops_note(&tops, &(struct top_subject){.what = "x", .id = "second", .is_failure = true}, 20);
    tops_note(&tops, &(struct top_subject){.what = "x"}, 30);
    assert_int_equal(find(&tops, "x")->last_s, 30);
    assert_int_equal(find(&tops, "x")->failures, 1);
    assert_string_equal(find(&tops, "x")->id, "second");
}

static void long_texts_are_cut_between_characters(void **state)
{
    (void)state;
    struct tops tops = {0};
    char who[200];
    for (size_t i = 0; i < sizeof who - 1; i++)
        who[i] = "\xE2\x82\xAC"[i % 3];
    who[sizeof who - 1] = '\0';
    note(&tops, who, "x", "");
    note(&tops, who, "x", "");
    assert_int_equal(find(&tops, "x")->count, 2);
    assert_int_equal(strlen(find(&tops, "x")->who), (TOP_WHO_CAP - 1) / 3 * 3);
}

static void several_threads_are_added(void **state)
{
    (void)state;
    struct tops sum = {0};
    struct tops one = {0};
    struct tops other = {0};
    note(&one, "a", "b", "c");
    note(&one, "a", "b", "c");
    tops_note(&other, &(struct top_subject){.who = "a", .what = "b", .why = "c", .id = "late"},
              500);
    note(&other, "x", "y", "z");
    tops_add(&sum, &one);
    tops_add(&sum, &other);
    tops_sort(&sum);
    assert_int_equal(sum.places[0].count, 3);
    assert_string_equal(sum.places[0].id, "late");
    assert_int_equal(sum.places[0].last_s, 500);
    assert_int_equal(sum.places[1].count, 1);
    assert_int_equal(sum.places[2].hash, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_what_and_why_make_a_place),
        cmocka_unit_test(a_frequent_one_stays_among_thousands),
        cmocka_unit_test(the_last_time_and_its_record_are_kept),
        cmocka_unit_test(long_texts_are_cut_between_characters),
        cmocka_unit_test(several_threads_are_added),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
