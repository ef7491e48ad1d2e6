// What is said about a comparison names entries, few of them, cut and escaped.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>

#include <string.h>

#include "proxy/fleet/fleet_findings.h"

static char said[FLEET_ALARM_CAP];

static const char *alarm_of(const struct fleet_findings *findings)
{
    fleet_findings_alarm(findings, said);
    return said;
}

static void nothing_is_said_where_nothing_is_wrong(void **state)
{
    (void)state;
    struct fleet_findings findings = {0};
    fleet_findings_note(&findings, FLEET_SAME, SLICE_LITERAL("a"));
    fleet_findings_note(&findings, FLEET_TAKEN, SLICE_LITERAL("b"));
    fleet_findings_note(&findings, FLEET_OLD, SLICE_LITERAL("c"));
    assert_string_equal(alarm_of(&findings), "");
}

static void entries_that_are_wrong_are_named_and_what_vanished_is_counted(void **state)
{
    (void)state;
    struct fleet_findings findings = {0};
    fleet_findings_note(&findings, FLEET_FORGED, SLICE_LITERAL("00ff"));
    fleet_findings_note(&findings, FLEET_SAME, SLICE_LITERAL("good"));
    fleet_findings_note(&findings, FLEET_ROLLED_BACK, SLICE_LITERAL("beef"));
    findings.found[FLEET_VANISHED] = 2;
    assert_non_null(strstr(alarm_of(&findings),
                           "1 forged (00ff), 2 vanished, 1 rolled back (beef); nothing changes"));
    assert_null(strstr(said, "good"));
    assert_null(strstr(said, "nothing to do"));
    fleet_findings_end(&findings);
    fleet_findings_begin(&findings);
    assert_string_equal(alarm_of(&findings), "");
    assert_int_equal(findings.totals[FLEET_FORGED], 1);
    assert_int_equal(findings.totals[FLEET_VANISHED], 2);
}

static void a_store_that_only_forgot_may_have_been_restarted(void **state)
{
    (void)state;
    struct fleet_findings findings = {0};
    findings.found[FLEET_VANISHED] = 1;
    assert_non_null(strstr(alarm_of(&findings), "0 forged, 1 vanished, 0 rolled back; "));
    assert_non_null(strstr(said, "there is nothing to do"));
}

static void only_the_first_names_are_said(void **state)
{
    (void)state;
    struct fleet_findings findings = {0};
    static const char *const names[] = {"n1", "n2", "n3", "n4", "n5"};
    for (size_t i = 0; i < 5; i++)
        fleet_findings_note(&findings, FLEET_FORGED, slice_of_string(names[i]));
    assert_non_null(strstr(alarm_of(&findings), "5 forged (n1, n2, n3, ...), "));
    char named[64];
    struct text text;
    text_init(&text, named, sizeof named);
    fleet_findings_name_forged(&findings, &text);
    assert_string_equal(named, " (n1, n2, n3, ...)");
}

static void a_name_cannot_write_lines_or_fill_the_sentence(void **state)
{
    (void)state;
    struct fleet_findings findings = {0};
    char shown[FLEET_SHOWN_CAP], full[FLEET_NAME_CAP];
    uint8_t noise[3000];
    assert_string_equal(fleet_shown_name(SLICE_LITERAL("a\nb\x1b[0m"), shown), "a\\x0ab\\x1b[0m");
    memset(full, 'f', sizeof full);
    full[FLEET_NAME_CAP - 1] = '\0';
    assert_string_equal(fleet_shown_name(slice_of_string(full), shown), full);
    memset(noise, 0xff, sizeof noise);
    assert_int_equal(strlen(fleet_shown_name(slice_of(noise, sizeof noise), shown)),
                     FLEET_SHOWN_CAP - 1);
    assert_string_equal(shown + strlen(shown) - 3, "...");
    memset(noise, 'x', sizeof noise);
    (void)fleet_shown_name(slice_of(noise, sizeof noise), shown);
    assert_string_equal(shown + 62, "xx...");
    memset(noise, 0x01, sizeof noise);
    for (size_t i = 0; i < 4; i++) {
        fleet_findings_note(&findings, FLEET_FORGED, slice_of(noise, sizeof noise));
        fleet_findings_note(&findings, FLEET_ROLLED_BACK, slice_of(noise, sizeof noise));
    }
    findings.found[FLEET_NO_ROOM] = UINT64_MAX;
    assert_non_null(strstr(alarm_of(&findings), "find out who else writes to the store; "));
    assert_non_null(strstr(said, "they do NOT hold here"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_said_where_nothing_is_wrong),
        cmocka_unit_test(entries_that_are_wrong_are_named_and_what_vanished_is_counted),
        cmocka_unit_test(a_store_that_only_forgot_may_have_been_restarted),
        cmocka_unit_test(only_the_first_names_are_said),
        cmocka_unit_test(a_name_cannot_write_lines_or_fill_the_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
