// The question about what is in force, and its answers, are read as they were written; anything else is of another version.
#include "proxy/service/in_force_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void a_question_is_read_as_it_was_written(void **state)
{
    (void)state;
    char data[IN_FORCE_QUESTION_CAP];
    char id[IN_FORCE_ID_CAP];
    struct text text;
    text_init(&text, data, sizeof data);
    in_force_question_format("0123456789abcdef", &text);
    assert_false(text.is_cut);
    assert_true(in_force_question_parse(text_slice(&text), id));
    assert_string_equal(id, "0123456789abcdef");
}

static void another_question_is_not_taken_for_it(void **state)
{
    (void)state;
    static const char *const questions[] = {
        "",
        "in_force",
        "in_force ",
        "in_force 0123456789abcde",
        "in_force 0123456789abcdef0",
        "in_force  0123456789abcdef",
        "in_force0123456789abcdef",
        "counts",
        "kill client 0123456789abcdef",
        "in_force 0123456789abcdeg",
        "in_force 0123456789ABCDEF",
    };
    char id[IN_FORCE_ID_CAP];
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++)
        assert_false(in_force_question_parse(slice_of_string(questions[i]), id));
}

static void an_answer_is_read_as_it_was_written(void **state)
{
    (void)state;
    char data[2 * IN_FORCE_WHY_CAP];
    char long_why[IN_FORCE_WHY_CAP + 10];
    char why[IN_FORCE_WHY_CAP];
    struct text text;
    text_init(&text, data, sizeof data);
    in_force_answer_format(NULL, &text);
    assert_int_equal(in_force_answer_parse(text_slice(&text), why), IN_FORCE_SAME);
    text_init(&text, data, sizeof data);
    in_force_answer_format("a file is not there", &text);
    assert_int_equal(in_force_answer_parse(text_slice(&text), why), IN_FORCE_OTHER);
    assert_string_equal(why, "a file is not there");
    memset(long_why, 'x', sizeof long_why - 1);
    long_why[sizeof long_why - 1] = '\0';
    text_init(&text, data, sizeof data);
    in_force_answer_format(long_why, &text);
    assert_int_equal(in_force_answer_parse(text_slice(&text), why), IN_FORCE_OTHER);
    assert_int_equal(strlen(why), sizeof why - 1);
}

static void another_answer_says_nothing(void **state)
{
    (void)state;
    static const struct slice answers[] = {
        SLICE_LITERAL(""),      SLICE_LITERAL("sam"),        SLICE_LITERAL("same\n"),
        SLICE_LITERAL("other"), SLICE_LITERAL("other a\0b"), SLICE_LITERAL("Same"),
    };
    char why[IN_FORCE_WHY_CAP];
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        assert_int_equal(in_force_answer_parse(answers[i], why), IN_FORCE_UNKNOWN);
        assert_string_equal(why, "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_is_read_as_it_was_written),
        cmocka_unit_test(another_question_is_not_taken_for_it),
        cmocka_unit_test(an_answer_is_read_as_it_was_written),
        cmocka_unit_test(another_answer_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
