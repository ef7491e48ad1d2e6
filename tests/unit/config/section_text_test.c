// A section of a file that is no YAML.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/config/section_text.h"

static void a_section_is_found_by_how_its_lines_begin(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *expected;
    } rows[] = {
        {"control: {socket: a}\n", "control: {socket: a}\n"},
        {"control: {socket: a}", "control: {socket: a}"},
        {"version: 1\ncontrol:\n  socket: a\n  state: b\nclients:\n\tx: [\n",
         "control:\n  socket: a\n  state: b\n"},
        {"control: {\nsocket: a\n}\n", "control: {\n"},
        {"control: {\n  socket: a\n}\nx: [\n", "control: {\n  socket: a\n}\n"},
        {"control:\r\n  socket: a\r\n\r\n# b\r\nx:\r\n", "control:\r\n  socket: a\r\n\r\n# b\r\n"},
        {"control:", "control:"},
        {"control:x\n", ""},
        {"control\n", ""},
        {"controls: {socket: a}\n", ""},
        {"x:\n  control: {socket: a}\n", ""},
        {"# control: {socket: a}\n", ""},
        {"control: {socket: a}\nx: 1\ncontrol: {socket: b}\n", ""},
        {"control: {socket: a}\ncontrol: {socket: b}\n", ""},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct slice found = section_text_find(slice_of_string(rows[i].text), "control");
        if (!slice_equal(found, slice_of_string(rows[i].expected)))
            fail_msg("row %zu: %.*s", i, (int)found.len, (const char *)found.data);
    }
}

static void a_zero_byte_ends_a_section(void **state)
{
    (void)state;
    static const char text[] = "control: a\n\0 b\n";
    assert_int_equal(section_text_find(slice_of(text, sizeof text - 1), "control").len, 11);
}

static void the_last_line_is_taken_off(void **state)
{
    (void)state;
    static const struct {
        const char *section;
        const char *expected;
    } rows[] = {{"a\nb\nc\n", "a\nb\n"}, {"a\nb", "a\n"}, {"a\n", ""}, {"a", ""}, {"", ""}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_true(slice_equal(section_text_shorten(slice_of_string(rows[i].section)),
                                slice_of_string(rows[i].expected)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_section_is_found_by_how_its_lines_begin),
        cmocka_unit_test(a_zero_byte_ends_a_section),
        cmocka_unit_test(the_last_line_is_taken_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
