// What `top` is asked: each word in its place, and everything else refused.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>

#include "proxy/admin/top_request.h"

static void reads_each_word_in_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *argument;
        struct top_request request;
    } rows[] = {
        {"", {.count = TOP_DEFAULT}},
        {"1", {.count = 1}},
        {"1000", {.count = 1000}},
        {"every:100ms", {.count = TOP_DEFAULT, .every_ms = 100}},
        {"every:1m", {.count = TOP_DEFAULT, .every_ms = 60000}},
        {"client:a", {.count = TOP_DEFAULT, .client = "a"}},
        {"client:agent-{uri.path[2]}", {.count = TOP_DEFAULT, .client = "agent-{uri.path[2]}"}},
        {"5 every:2s client:7", {.count = 5, .every_ms = 2000, .client = "7"}},
        {"5 client:every:2s", {.count = 5, .client = "every:2s"}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct top_request request;
        struct errinfo info = {0};
        if (top_request_parse(slice_of_string(rows[i].argument), &request, &info) != ERR_OK)
            fail_msg("%s: %s", rows[i].argument, info.text);
        assert_int_equal(rows[i].request.count, request.count);
        assert_int_equal(rows[i].request.every_ms, request.every_ms);
        assert_string_equal(rows[i].request.client, request.client);
    }
}

static void refuses_everything_else(void **state)
{
    (void)state;
    static const char *const rows[] = {
        " ",
        "0",
        "01",
        "1001",
        "99999999999999999999",
        "-1",
        "many",
        "5 ",
        "5  every:2s",
        "5 5",
        "every:",
        "every:2",
        "every:99ms",
        "every:61s",
        "every:0s",
        "every:-1s",
        "every:2s every:2s",
        "every:2s 5",
        "client:",
        "client: a",
        "client:a b",
        "client:a client:a",
        "client:a every:2s",
        "client:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "Every:2s",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct top_request request;
        struct errinfo info = {0};
        if (top_request_parse(slice_of_string(rows[i]), &request, &info) == ERR_OK)
            fail_msg("`%s` was read", rows[i]);
        assert_string_not_equal("", info.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_each_word_in_its_place),
        cmocka_unit_test(refuses_everything_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
