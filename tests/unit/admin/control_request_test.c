// Requests at the control socket: one spelling each, and everything else refused.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>

#include "proxy/admin/control_request.h"

struct good {
    const char *line;
    enum control_command command;
    bool is_forced;
    const char *argument;
};

static void reads_every_command(void **state)
{
    (void)state;
    static const struct good rows[] = {
        {"status", CONTROL_STATUS, false, ""},
        {"top", CONTROL_TOP, false, ""},
        {"top 5", CONTROL_TOP, false, "5"},
        {"tail", CONTROL_TAIL, false, ""},
        {"reload", CONTROL_RELOAD, false, ""},
        {"drain", CONTROL_DRAIN, false, ""},
        {"drain wait lame_duck:1s", CONTROL_DRAIN, false, "wait lame_duck:1s"},
        {"upgrade 100", CONTROL_UPGRADE, false, "100"},
        {"kill id:0123456789abcdef", CONTROL_KILL, false, "id:0123456789abcdef"},
        {"block client:a", CONTROL_BLOCK, false, "client:a"},
        {"block force client:a", CONTROL_BLOCK, true, "client:a"},
        {"block forceful", CONTROL_BLOCK, false, "forceful"},
        {"block force force", CONTROL_BLOCK, true, "force"},
        {"unblock serial:01 issuer:CN=a b", CONTROL_UNBLOCK, false, "serial:01 issuer:CN=a b"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct control_request request;
        struct errinfo info = {0};
        if (control_request_parse(slice_of_string(rows[i].line), &request, &info) != ERR_OK)
            fail_msg("%s: %s", rows[i].line, info.text);
        assert_int_equal(rows[i].command, request.command);
        assert_int_equal(rows[i].is_forced, request.is_forced);
        assert_string_equal(rows[i].argument, request.argument);
    }
}

static void refuses_everything_else(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",         " ",          "status ",         " status",      "Status",
        "statu",    "statuss",    "explode",         "top  5",       "top ",
        "status x", "reload now", "drain force x",   "drain ",       "tail -f",
        "kill",     "kill ",      "kill  x",         "block",        "block ",
        "unblock",  "block  a",   "unblock force a", "kill force a", "block force  a",
        "status\t", "status\r",   "status\x7F",      "kill a\tb",    "kill a ",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct control_request request;
        struct errinfo info = {0};
        if (control_request_parse(slice_of_string(rows[i]), &request, &info) == ERR_OK)
            fail_msg("should have been refused: `%s`", rows[i]);
        assert_true(info.text[0] != '\0');
    }
    struct control_request request;
    struct errinfo info;
    assert_int_equal(ERR_INPUT, control_request_parse(SLICE_LITERAL("kill a\0b"), &request, &info));
}

static void takes_a_line_up_to_its_bound(void **state)
{
    (void)state;
    static char line[CONTROL_LINE_MAX + 1];
    struct control_request request;
    struct errinfo info;
    for (size_t i = 0; i < sizeof line; i++)
        line[i] = i < 5 ? "kill "[i] : 'x';
    assert_int_equal(ERR_OK,
                     control_request_parse(slice_of(line, CONTROL_LINE_MAX), &request, &info));
    assert_int_equal(CONTROL_LINE_MAX - 5, strlen(request.argument));
    assert_int_equal(ERR_LIMIT,
                     control_request_parse(slice_of(line, CONTROL_LINE_MAX + 1), &request, &info));
}

static void says_which_proxies_are_meant(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        bool is_fleet;
        const char *on;
        const char *argument;
    } good[] = {
        {"status fleet", true, "", ""},
        {"kill fleet client:a", true, "", "client:a"},
        {"kill on:0123 client:fleet", false, "0123", "client:fleet"},
        {"kill client:fleet", false, "", "client:fleet"},
        {"kill fleets", false, "", "fleets"},
        {"drain fleet", true, "", ""},
        {"drain fleet lame_duck:1s", true, "", "lame_duck:1s"},
        {"drain on:0123456789abcdef", false, "0123456789abcdef", ""},
        {"block client:fleet", false, "", "client:fleet"},
        {"block fleet", false, "", "fleet"},
    };
    static const char *const bad[] = {
        "status fleet x",
        "status on:0123",
        "status fleets",
        "kill fleet",
        "kill on:0123",
        "kill fleet  a",
        "kill on: a",
        "kill on:0g client:a",
        "kill on:1F client:a",
        "drain on:e_duck:1",
        "drain on:1\xAC",
        "drain on:",
        "reload fleet",
        "tail fleet",
        "drain on:01234567890123456",
        "kill on:01234567890123456 client:a",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct control_request request;
        struct errinfo info = {0};
        if (control_request_parse(slice_of_string(good[i].line), &request, &info) != ERR_OK)
            fail_msg("%s: %s", good[i].line, info.text);
        assert_int_equal(good[i].is_fleet, request.is_fleet);
        assert_string_equal(good[i].on, request.on);
        assert_string_equal(good[i].argument, request.argument);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct control_request request;
        struct errinfo info = {0};
        if (control_request_parse(slice_of_string(bad[i]), &request, &info) == ERR_OK)
            fail_msg("taken: %s", bad[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_command),
        cmocka_unit_test(refuses_everything_else),
        cmocka_unit_test(says_which_proxies_are_meant),
        cmocka_unit_test(takes_a_line_up_to_its_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
