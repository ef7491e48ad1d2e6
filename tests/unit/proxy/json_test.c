// The strict JSON reader itself: a reader that takes anything would make the audit's tests worthless.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/proxy/json.h"

static void takes_one_object_on_a_line(void **state)
{
    (void)state;
    static const char *const good[] = {
        "{}\n",
        "{\"a\":1}\n",
        "{\"a\":-10,\"b\":[],\"c\":[1,\"x\"],\"d\":null,\"e\":true,\"f\":false}\n",
        "{\"a\":{\"b\":{\"c\":\"\\u00e9 \\\" \\\\ \\n\"}}}\n",
        "{\"a\":\"\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80\"}\n",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(json_is_line(slice_of_string(good[i])));
}

static void refuses_everything_else(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "\n",
        "{}",
        "{}\n\n",
        "{} \n",
        "[]\n",
        "{\"a\":1}{\"b\":1}\n",
        "{\"a\":1,}\n",
        "{\"a\":1,\"a\":2}\n",
        "{\"a\"}\n",
        "{a:1}\n",
        "{\"a\":01}\n",
        "{\"a\":-}\n",
        "{\"a\":}\n",
        "{\"a\":[1,]}\n",
        "{\"a\":nul}\n",
        "{\"a\":\"x}\n",
        "{\"a\":\"\\x\"}\n",
        "{\"a\":\"\\u12g4\"}\n",
        "{\"a\":\"\x01\"}\n",
        "{\"a\":\"\n\"}\n",
        "{\"a\":\"\x7F\"}\n",
        "{\"a\":\"\xFF\"}\n",
        "{\"a\":\"\xC0\x80\"}\n",
        "{\"a\":\"\xC2\x85\"}\n",
        "{\"a\":\"\xED\xA0\x80\"}\n",
        "{\"a\":\"\xE2\x80\xA8\"}\n",
        "{\"a\":\"\xF4\x90\x80\x80\"}\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (json_is_line(slice_of_string(bad[i])))
            fail_msg("taken: %s", bad[i]);
    }
    assert_false(json_is_line(SLICE_LITERAL("{\"a\":\"\0\"}\n")));
}

static void finds_members_by_path(void **state)
{
    (void)state;
    const struct slice text = SLICE_LITERAL("{\"a\":{\"b\":[1,2],\"c\":\"x\"},\"d\":7}\n");
    assert_true(slice_equal(json_find(text, "a.b"), SLICE_LITERAL("[1,2]")));
    assert_true(slice_equal(json_find(text, "a.c"), SLICE_LITERAL("\"x\"")));
    assert_true(slice_equal(json_find(text, "d"), SLICE_LITERAL("7")));
    assert_int_equal(json_find(text, "a.d").len, 0);
    assert_int_equal(json_find(text, "d.e").len, 0);
    assert_int_equal(json_find(text, "c").len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_one_object_on_a_line),
        cmocka_unit_test(refuses_everything_else),
        cmocka_unit_test(finds_members_by_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
