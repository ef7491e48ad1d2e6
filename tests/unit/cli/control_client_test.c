// How long the commands wait for a proxy that says nothing.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>

#include "proxy/cli/control_client.h"

static void an_answer_is_waited_for_as_long_as_it_may_take(void **state)
{
    (void)state;
    static const struct {
        const char *request;
        int64_t wait_ms;
        int64_t patience_s;
    } rows[] = {
        {"status", 0, 30},
        {"reload", 0, 600},
        {"drain", 0, 30},
        {"drain wait", 0, 0},
        {"drain wait lame_duck:10ms", 0, 0},
        {"upgrade", 0, 90},
        {"upgrade 1", 1, 31},
        {"upgrade 5000", 5000, 35},
        {"upgrade 5001", 5001, 36},
        {"upgrade 3600000", 3600000, 3630},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct control_options options = {.wait_ms = rows[i].wait_ms};
        assert_int_equal(control_patience_s(&options, rows[i].request), rows[i].patience_s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_waited_for_as_long_as_it_may_take),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
