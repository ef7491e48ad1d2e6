// Records of the included files in force: what is written is read again, and nothing else is.
#include "proxy/config/included_record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define HEADER "sallyport included 2\n"
#define NONE   "{\"since\":[]}"

static void keep_text(void *arg, struct slice bytes)
{
    text_append(arg, bytes);
}

static void a_record_is_read_as_it_was_written(void **state)
{
    const struct slice none = slice_of_string(NONE);
    const struct included_part items[] = {
        {.path = "d/a b.yaml", .holdings = none},
        {.path = "d/no text.yaml", .state = INCLUDED_REFUSED},
        {.path = "d/two\nlines.yaml", .holdings = none},
        {.path = "d/z.yaml", .holdings = none, .state = INCLUDED_HELD},
    };
    const struct included_parts parts = {.items = items, .count = 4};
    char data[512];
    struct text text;
    struct included_parts again;
    struct arena *arena = arena_create();
    (void)state;
    assert_non_null(arena);
    text_init(&text, data, sizeof data);
    included_record_format(&parts, keep_text, &text);
    assert_int_equal(included_record_parse(text_slice(&text), arena, &again), ERR_OK);
    assert_int_equal(again.count, 2);
    assert_string_equal(again.items[0].path, "d/a b.yaml");
    assert_string_equal(again.items[1].path, "d/z.yaml");
    for (size_t i = 0; i < again.count; i++) {
        assert_true(slice_equal(again.items[i].holdings, none));
        assert_null(again.items[i].text.data);
    }
    arena_destroy(arena);
}

static void what_is_no_record_says_nothing(void **state)
{
    static const struct {
        const char *text;
        enum err wanted;
    } rows[] = {
        {HEADER, ERR_OK},
        {HEADER "a\n" NONE "\nb\n" NONE "\n", ERR_OK},
        {"", ERR_INPUT},
        {"sallyport included 2", ERR_INPUT},
        {"sallyport included 1\n", ERR_INPUT},
        {HEADER "a\n" NONE, ERR_INPUT},
        {HEADER "a\n", ERR_INPUT},
        {HEADER "a\n\n", ERR_INPUT},
        {HEADER "a\nx\n", ERR_INPUT},
        {HEADER "\n" NONE "\n", ERR_INPUT},
        {HEADER " \x01\n" NONE "\n", ERR_INPUT},
        {HEADER "\n", ERR_INPUT},
        {HEADER "a\n" NONE "\nb\n", ERR_INPUT},
        {HEADER "b\n" NONE "\na\n" NONE "\n", ERR_INPUT},
        {HEADER "a\n" NONE "\na\n" NONE "\n", ERR_INPUT},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena *arena = arena_create();
        struct included_parts parts;
        assert_non_null(arena);
        if (included_record_parse(slice_of_string(rows[i].text), arena, &parts) != rows[i].wanted)
            fail_msg("row %zu", i);
        assert_true(rows[i].wanted == ERR_OK || parts.count == 0);
        arena_destroy(arena);
    }
}

static void a_record_is_bounded(void **state)
{
    enum { LINES = INCLUDED_RECORD_FILES_MAX + 1, CAP = LINES * 80 + 64 };
    char *data = malloc(CAP);
    struct text text;
    struct included_parts parts;
    struct arena *arena = arena_create();
    (void)state;
    assert_non_null(data);
    assert_non_null(arena);
    text_init(&text, data, CAP);
    text_append_string(&text, HEADER);
    for (int i = 0; i < LINES - 1; i++)
        text_append_format(&text, "%04d\n" NONE "\n", i);
    assert_int_equal(included_record_parse(text_slice(&text), arena, &parts), ERR_OK);
    assert_int_equal(parts.count, INCLUDED_RECORD_FILES_MAX);
    text_append_string(&text, "one more\n" NONE "\n");
    assert_int_equal(included_record_parse(text_slice(&text), arena, &parts), ERR_LIMIT);
    arena_destroy(arena);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_is_read_as_it_was_written),
        cmocka_unit_test(what_is_no_record_says_nothing),
        cmocka_unit_test(a_record_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
