// How to drain is read word by word, and nothing else is.
#include "proxy/admin/drain_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void reads_every_way_to_drain(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_waiting;
        int64_t lame_duck_ms;
    } rows[] = {
        {"", false, 0},
        {"wait", true, 0},
        {"lame_duck:10s", false, 10000},
        {"wait lame_duck:1ms", true, 1},
        {"lame_duck:1h", false, 3600000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct drain_request out;
        struct errinfo info = {.text = ""};
        if (drain_request_parse(slice_of_string(rows[i].text), &out, &info) != ERR_OK)
            fail_msg("%s: %s", rows[i].text, info.text);
        assert_int_equal(out.is_waiting, rows[i].is_waiting);
        assert_int_equal(out.lame_duck_ms, rows[i].lame_duck_ms);
    }
}

static void refuses_everything_else(void **state)
{
    (void)state;
    static const char *const rows[] = {
        " ",
        "wait ",
        " wait",
        "waiting",
        "wait wait",
        "wait  lame_duck:1s",
        "lame_duck:",
        "lame_duck:0s",
        "lame_duck:2h",
        "lame_duck:10",
        "lame_duck:1s wait",
        "lame_duck:1s ",
        "force",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct drain_request out;
        struct errinfo info = {.text = ""};
        if (drain_request_parse(slice_of_string(rows[i]), &out, &info) != ERR_INPUT)
            fail_msg("%s", rows[i]);
        assert_true(info.text[0] != '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_way_to_drain),
        cmocka_unit_test(refuses_everything_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
