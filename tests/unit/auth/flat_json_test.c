// Flat objects of texts, and everything that is none.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/flat_json.h"

static void gives_the_text_of_a_member(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        const char *name;
        const char *value;
    } rows[] = {
        {"{\"a\":\"b\"}", "a", "b"},
        {"{\"a\":\"\"}", "a", ""},
        {"{\"\":\"b\"}", "", "b"},
        {"{\"a\":\"b\",\"c\":\"d\"}", "a", "b"},
        {"{\"a\":\"b\",\"c\":\"d\"}", "c", "d"},
        {" \t\r\n{ \"a\" :\n\"b c\" , \"A\":\"{:,}\" }\n ", "a", "b c"},
        {"{\"a\":\"b\",\"A\":\"{:,}\"}", "A", "{:,}"},
        {"{\"Atespace\":\"demo\",\"ActorName\":\"crawler\",\"ActorUid\":\"u-1\",\"Purpose\":\"atunnel\"}",
         "ActorUid", "u-1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct slice found = {0};
        if (!flat_json_find(slice_of_string(rows[i].json), slice_of_string(rows[i].name), &found))
            fail_msg("not found: %s", rows[i].json);
        assert_true(slice_equal(found, slice_of_string(rows[i].value)));
    }
}

static void what_is_no_flat_object_has_no_member(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        " ",
        "{",
        "{}",
        "{ }",
        "[]",
        "\"a\"",
        "null",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":\"b\"",
        "{\"a\":\"b",
        "{\"a\":\"b\",}",
        "{,\"a\":\"b\"}",
        "{\"a\":\"b\",,\"c\":\"d\"}",
        "{\"a\":\"b\" \"c\":\"d\"}",
        "{\"a\":\"b\"}x",
        "{\"a\":\"b\"}{}",
        "x{\"a\":\"b\"}",
        "{\"a\":\"b\",\"a\":\"b\"}",
        "{\"a\":\"b\",\"c\":\"d\",\"a\":\"e\"}",
        "{\"a\":\"b\",\"c\":\"d\",\"c\":\"d\"}",
        "{\"a\":1}",
        "{\"a\":null}",
        "{\"a\":true}",
        "{\"a\":[\"b\"]}",
        "{\"a\":{\"b\":\"c\"}}",
        "{\"a\":\"b\",\"c\":1}",
        "{\"a\":\"b\\n\"}",
        "{\"a\":\"\\u0062\"}",
        "{\"\\u0061\":\"b\"}",
        "{\"a\":\"b\\\"\"}",
        "{\"a\":\"b\",\"c\":\"\\\\\"}",
        "{\"a\":\"b\xc3\xa4\"}",
        "{\"a\":\"b\x7f\"}",
        "{\"a\":\"b\n\"}",
        "{'a':'b'}",
        "{a:\"b\"}",
        "{\"a\"=\"b\"}",
        "\xef\xbb\xbf{\"a\":\"b\"}",
        "/**/{\"a\":\"b\"}",
        "{\"A\":\"b\"}",
        "{\"b\":\"a\"}",
        "{\"a \":\"b\"}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct slice found = {0};
        if (flat_json_find(slice_of_string(texts[i]), SLICE_LITERAL("a"), &found))
            fail_msg("found in: %s", texts[i]);
    }
    struct slice found = {0};
    assert_false(flat_json_find(SLICE_LITERAL("{\"a\":\"b\"}\0"), SLICE_LITERAL("a"), &found));
    assert_false(flat_json_find(SLICE_LITERAL("{\"a\":\"b\0\"}"), SLICE_LITERAL("a"), &found));
    assert_false(flat_json_find(SLICE_LITERAL("\0{\"a\":\"b\"}"), SLICE_LITERAL("a"), &found));
}

static void every_prefix_is_no_object(void **state)
{
    (void)state;
    static const char whole[] = "{\"a\":\"b\",\"c\":\"d\"}";
    for (size_t len = 0; len < sizeof whole - 1; len++) {
        struct slice found = {0};
        assert_false(flat_json_find(slice_of(whole, len), SLICE_LITERAL("a"), &found));
    }
}

static void members_are_bounded(void **state)
{
    (void)state;
    static const char whole[] =
        "{\"a\":\"\",\"b\":\"\",\"c\":\"\",\"d\":\"\",\"e\":\"\",\"f\":\"\",\"g\":\"\",\"h\":\"\","
        "\"i\":\"\",\"j\":\"\",\"k\":\"\",\"l\":\"\",\"m\":\"\",\"n\":\"\",\"o\":\"\",\"p\":\"\"}";
    static const char one_more[] =
        "{\"a\":\"\",\"b\":\"\",\"c\":\"\",\"d\":\"\",\"e\":\"\",\"f\":\"\",\"g\":\"\",\"h\":\"\","
        "\"i\":\"\",\"j\":\"\",\"k\":\"\",\"l\":\"\",\"m\":\"\",\"n\":\"\",\"o\":\"\",\"p\":\"\",\"q\":\"\"}";
    struct slice found = {0};
    assert_true(flat_json_find(slice_of_string(whole), SLICE_LITERAL("p"), &found));
    assert_false(flat_json_find(slice_of_string(one_more), SLICE_LITERAL("a"), &found));
}

static void gives_members_in_order(void **state)
{
    (void)state;
    const struct slice json = SLICE_LITERAL("{ \"a\":\"b\",\"c\":\"\"}");
    struct slice name = {0};
    struct slice value = {0};
    assert_true(flat_json_at(json, 0, &name, &value));
    assert_true(slice_equal(name, SLICE_LITERAL("a")) && slice_equal(value, SLICE_LITERAL("b")));
    assert_true(flat_json_at(json, 1, &name, &value));
    assert_true(slice_equal(name, SLICE_LITERAL("c")) && value.len == 0);
    assert_false(flat_json_at(json, 2, &name, &value));
    assert_false(flat_json_at(SLICE_LITERAL("{\"a\":1}"), 0, &name, &value));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_text_of_a_member),
        cmocka_unit_test(what_is_no_flat_object_has_no_member),
        cmocka_unit_test(every_prefix_is_no_object),
        cmocka_unit_test(members_are_bounded),
        cmocka_unit_test(gives_members_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
