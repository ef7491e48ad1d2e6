// Numbers and names of sockets are read strictly.
#include "proxy/service/activation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void each_socket_has_its_name(void **state)
{
    (void)state;
    struct slice names[ACTIVATION_FDS_MAX];
    struct errinfo info;
    size_t count = 0;
    assert_int_equal(activation_parse("3", "main:second:", names, &count, &info), ERR_OK);
    assert_int_equal(count, 3);
    assert_true(slice_equal(names[0], SLICE_LITERAL("main")));
    assert_true(slice_equal(names[1], SLICE_LITERAL("second")));
    assert_int_equal(names[2].len, 0);
    assert_int_equal(activation_parse("2", NULL, names, &count, &info), ERR_OK);
    assert_int_equal(count, 2);
    assert_int_equal(names[1].len, 0);
    assert_int_equal(activation_parse("0", "", names, &count, &info), ERR_OK);
    assert_int_equal(count, 0);
}

static void numbers_and_names_fit_together(void **state)
{
    (void)state;
    static const struct {
        const char *count;
        const char *names;
    } rows[] = {{"2", "main"}, {"1", "main:"}, {"1", "main:second"}, {"0", "main"}, {"65", NULL},
                {"-1", NULL},  {"", NULL},     {"x", NULL},          {"1 ", "main"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct slice names[ACTIVATION_FDS_MAX];
        struct errinfo info = {.text = ""};
        size_t count = 0;
        if (activation_parse(rows[i].count, rows[i].names, names, &count, &info) != ERR_INPUT)
            fail_msg("%s", rows[i].count);
        assert_true(info.text[0] != '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_socket_has_its_name),
        cmocka_unit_test(numbers_and_names_fit_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
