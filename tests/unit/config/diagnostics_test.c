// The list of findings: bounded, ordered, printable.
#include "proxy/config/diagnostics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void formats_place_severity_message_and_hint(void **state)
{
    (void)state;
    struct diagnostics list;
    char text[DIAGNOSTIC_TEXT_CAP];
    diagnostics_init(&list);
    struct diagnostic *found =
        diagnostics_add(&list, SEVERITY_ERROR, "a.yaml", 3, 7, "unknown key `%s`", "x");
    diagnostic_format(found, text, sizeof text);
    assert_string_equal(text, "a.yaml:3:7: error: unknown key `x`");
    found = diagnostics_add(&list, SEVERITY_ERROR, "a.yaml", 3, 7,
                            "unknown key `%s`\ndid you mean `%s`?", "x", "y");
    diagnostic_format(found, text, sizeof text);
    assert_string_equal(text, "a.yaml:3:7: error: unknown key `x`\n    hint: did you mean `y`?");
    found = diagnostics_add(&list, SEVERITY_WARNING, "b.yaml", 0, 0, "odd");
    diagnostic_format(found, text, sizeof text);
    assert_string_equal(text, "b.yaml: warning: odd");
    found = diagnostics_add(&list, SEVERITY_NOTE, "", 0, 0, "hm");
    diagnostic_format(found, text, sizeof text);
    assert_string_equal(text, "note: hm");
    diagnostics_deinit(&list);
}

static void a_line_break_in_a_value_begins_no_hint(void **state)
{
    (void)state;
    struct diagnostics list;
    diagnostics_init(&list);
    struct diagnostic *found =
        diagnostics_add(&list, SEVERITY_ERROR, "a", 1, 1, "unknown key `%s`\nremove it", "x\ny");
    assert_string_equal(found->message, "unknown key `x\ny`");
    assert_string_equal(found->hint, "remove it");
    found = diagnostics_add(&list, SEVERITY_ERROR, "a", 1, 1, "unknown key `%s`", "x\ny");
    assert_string_equal(found->hint, "");
    diagnostics_deinit(&list);
}

static void a_hint_stays_when_the_message_is_cut(void **state)
{
    (void)state;
    struct diagnostics list;
    char value[2 * sizeof list.spare.message];
    memset(value, 'v', sizeof value);
    value[sizeof value - 1] = '\0';
    diagnostics_init(&list);
    struct diagnostic *found = diagnostics_add(&list, SEVERITY_ERROR, "a", 1, 1,
                                               "unknown key `%s`\n%s", value, "remove it");
    assert_int_equal(strlen(found->message), sizeof found->message - 1);
    assert_string_equal(found->hint, "remove it");
    diagnostics_deinit(&list);
}

static void shows_what_is_not_seen_as_question_marks(void **state)
{
    (void)state;
    struct diagnostics list;
    char text[DIAGNOSTIC_TEXT_CAP];
    diagnostics_init(&list);
    struct diagnostic *found = diagnostics_add(&list, SEVERITY_ERROR, "a", 1, 1, "%s",
                                               "x\n\x1B[2J\x7F\xC2\x9B"
                                               "1m\xE2\x80\xAE\xFFy\xC3\xA9");
    diagnostic_format(found, text, sizeof text);
    assert_string_equal(text, "a:1:1: error: x??[2J??1m??y\xC3\xA9");
    diagnostics_deinit(&list);
}

static void counts_what_it_does_not_keep(void **state)
{
    (void)state;
    struct diagnostics list;
    diagnostics_init(&list);
    for (uint32_t i = 1; i <= DIAGNOSTICS_MAX + 10; i++)
        assert_non_null(diagnostics_add(&list, SEVERITY_ERROR, "a", i, 1, "e"));
    assert_int_equal(list.count, DIAGNOSTICS_MAX);
    assert_int_equal(list.error_count, DIAGNOSTICS_MAX + 10);
    assert_int_equal(list.dropped_count, 10);
    assert_true(diagnostics_is_full(&list));
    assert_int_equal(list.items[DIAGNOSTICS_MAX - 1].line, DIAGNOSTICS_MAX);
    diagnostics_deinit(&list);
    diagnostics_deinit(&list);
}

static void never_lets_notes_crowd_out_errors(void **state)
{
    (void)state;
    struct diagnostics list;
    diagnostics_init(&list);
    for (uint32_t i = 1; i < DIAGNOSTICS_MAX; i++)
        (void)diagnostics_add(&list, SEVERITY_NOTE, "a", i, 1, "n");
    (void)diagnostics_add(&list, SEVERITY_WARNING, "a", 100, 1, "w");
    (void)diagnostics_add(&list, SEVERITY_ERROR, "a", 101, 1, "e1");
    (void)diagnostics_add(&list, SEVERITY_NOTE, "a", 102, 1, "late");
    (void)diagnostics_add(&list, SEVERITY_ERROR, "a", 103, 1, "e2");
    size_t notes = 0;
    size_t warnings = 0;
    size_t errors = 0;
    for (size_t i = 0; i < list.count; i++) {
        notes += list.items[i].severity == SEVERITY_NOTE;
        warnings += list.items[i].severity == SEVERITY_WARNING;
        errors += list.items[i].severity == SEVERITY_ERROR;
        assert_string_not_equal(list.items[i].message, "late");
    }
    assert_int_equal(errors, 2);
    assert_int_equal(warnings, 1);
    assert_int_equal(notes, DIAGNOSTICS_MAX - 3);
    assert_int_equal(list.warning_count, 1);
    diagnostics_deinit(&list);
}

static void sorts_by_place_and_keeps_the_order_at_one_place(void **state)
{
    (void)state;
    struct diagnostics list;
    diagnostics_init(&list);
    (void)diagnostics_add(&list, SEVERITY_ERROR, "a", 9, 1, "c");
    (void)diagnostics_add(&list, SEVERITY_ERROR, "a", 2, 8, "b1");
    (void)diagnostics_add(&list, SEVERITY_NOTE, "a", 2, 8, "b2");
    (void)diagnostics_add(&list, SEVERITY_ERROR, "a", 2, 3, "a");
    (void)diagnostics_add(&list, SEVERITY_ERROR, "a", 0, 0, "whole file");
    diagnostics_sort(&list);
    static const char *const expected[] = {"whole file", "a", "b1", "b2", "c"};
    for (size_t i = 0; i < list.count; i++)
        assert_string_equal(list.items[i].message, expected[i]);
    diagnostics_deinit(&list);
}

static void cuts_what_is_too_long(void **state)
{
    (void)state;
    struct diagnostics list;
    char file[1000];
    char text[DIAGNOSTIC_TEXT_CAP];
    for (size_t i = 0; i < sizeof file; i++)
        file[i] = 'f';
    file[sizeof file - 1] = '\0';
    diagnostics_init(&list);
    struct diagnostic *found =
        diagnostics_add(&list, SEVERITY_ERROR, file, 1, 1, "%s\n%s", file, file);
    diagnostic_format(found, text, sizeof text);
    assert_true(strlen(found->file) == sizeof found->file - 1);
    assert_true(strlen(found->message) == sizeof found->message - 1);
    diagnostic_format(found, text, 16);
    assert_int_equal(strlen(text), 15);
    diagnostics_deinit(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_place_severity_message_and_hint),
        cmocka_unit_test(a_line_break_in_a_value_begins_no_hint),
        cmocka_unit_test(a_hint_stays_when_the_message_is_cut),
        cmocka_unit_test(shows_what_is_not_seen_as_question_marks),
        cmocka_unit_test(counts_what_it_does_not_keep),
        cmocka_unit_test(never_lets_notes_crowd_out_errors),
        cmocka_unit_test(sorts_by_place_and_keeps_the_order_at_one_place),
        cmocka_unit_test(cuts_what_is_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
