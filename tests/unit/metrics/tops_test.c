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

static void note_of(struct tops *tops, const char *owner, const char *what)
{
    tops_note(tops, &(struct top_subject){.owner = owner, .what = what}, 100);
}

// count_of counts the places of names that begin so.
static size_t count_of(const struct tops *tops, const char *prefix)
{
    size_t count = 0;
    for (size_t i = 0; i < TOPS_PLACES; i++)
        count +=
            tops->places[i].hash != 0 && strncmp(tops->places[i].what, prefix, strlen(prefix)) == 0;
    return count;
}

static void one_owner_of_thousands_of_names_leaves_room_for_the_others(void **state)
{
    (void)state;
    struct tops tops = {0};
    for (int i = 0; i < 10000; i++) {
        char what[32];
        (void)snprintf(what, sizeof what, "random-%d", i);
        note_of(&tops, "noisy", what);
        if (i == 50) { // when there is no free place any more
            note_of(&tops, "calm", "calm-1");
            note_of(&tops, "calm", "calm-2");
        }
        if (i == 5000)
            note_of(&tops, "late", "late-1");
    }
    assert_int_equal(count_of(&tops, "random-"), TOPS_PLACES - 3);
    static const char *const calm[] = {"calm-1", "calm-2", "late-1"};
    for (size_t i = 0; i < 3; i++) {
        const struct top_place *place = find(&tops, calm[i]);
        assert_non_null(place);
        assert_int_equal(place->count, 1); // what it was, and nothing of the one that made room
        assert_int_equal(place->over, 0);
    }
    for (int i = 0; i < 100; i++) { // nobody gets more than a share where others want room
        char what[32];
        (void)snprintf(what, sizeof what, "busy-%d", i);
        note_of(&tops, "busy", what);
    }
    assert_int_equal(count_of(&tops, "busy-"), TOPS_SHARE);
    assert_int_equal(count_of(&tops, "calm-"), 2);
}

static void who_is_the_owner_where_nobody_else_is_named(void **state)
{
    (void)state;
    struct tops tops = {0};
    for (int i = 0; i < 1000; i++) {
        char what[32];
        (void)snprintf(what, sizeof what, "random-%d", i);
        note(&tops, "noisy", what, "denied");
        if (i == 500)
            note(&tops, "calm", "calm-1", "denied");
    }
    assert_non_null(find(&tops, "calm-1"));
}

static void shares_hold_over_several_threads(void **state)
{
    (void)state;
    struct tops sum = {0};
    for (int thread = 0; thread < 3; thread++) {
        struct tops part = {0};
        for (int i = 0; i < 1000; i++) {
            char what[32];
            (void)snprintf(what, sizeof what, "random-%d-%d", thread, i);
            note_of(&part, "noisy", what);
        }
        if (thread == 1)
            note_of(&part, "calm", "calm-1");
        tops_add(&sum, &part);
    }
    assert_non_null(find(&sum, "calm-1"));
    assert_int_equal(find(&sum, "calm-1")->count, 1);
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
        cmocka_unit_test(one_owner_of_thousands_of_names_leaves_room_for_the_others),
        cmocka_unit_test(who_is_the_owner_where_nobody_else_is_named),
        cmocka_unit_test(shares_hold_over_several_threads),
        cmocka_unit_test(the_last_time_and_its_record_are_kept),
        cmocka_unit_test(long_texts_are_cut_between_characters),
        cmocka_unit_test(several_threads_are_added),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
