// What the authorizer is asked, and what its answers mean.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "auth/authorization.h"

static enum authorizer_answer read_text(const char *text, int64_t *out_ttl_s, const char **out_why)
{
    return authorization_answer_read(slice_of_string(text), out_ttl_s, out_why);
}

static void only_true_and_allow_with_a_ttl_are_a_yes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ttl_s;
    } rows[] = {
        {"{\"result\": true}", 0},
        {"{\"result\": true, \"decision_id\": \"4ca636c1\"}", 0},
        {"{\"result\": {\"allow\": true, \"ttl\": 60}}", 60},
        {"{\"result\": {\"ttl\": 1, \"allow\": true, \"reason\": \"in the list\"}}", 1},
        {"{\"result\": {\"allow\": true, \"ttl\": 9223372036854775807}}", AUTHORIZATION_TTL_MAX_S},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t ttl_s = -1;
        const char *why = NULL;
        assert_int_equal(AUTHORIZER_YES, read_text(rows[i].text, &ttl_s, &why));
        assert_int_equal(rows[i].ttl_s, ttl_s);
        assert_string_equal("", why);
    }
}

static void false_is_a_no(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{\"result\": false}",
        "{\"result\": {\"allow\": false}}",
        "{\"result\": {\"allow\": false, \"ttl\": 60}}",
        "{\"result\": {\"allow\": false, \"ttl\": \"x\"}}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int64_t ttl_s = -1;
        const char *why = NULL;
        assert_int_equal(AUTHORIZER_NO, read_text(texts[i], &ttl_s, &why));
    }
}

static void everything_else_is_no_answer(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        " ",
        "true",
        "yes",
        "[]",
        "[true]",
        "{}",
        "{\"result\": ",
        "{\"result\": true",
        "{\"result\": true} x",
        "{\"result\": true}{\"result\": true}",
        "{\"result\": true,}",
        "{\"result\": True}",
        "{result: true}",
        "{'result': true}",
        "{\"result\": true, \"result\": true}",
        "{\"result\": false, \"result\": true}",
        "{\"result\": \"true\"}",
        "{\"result\": 1}",
        "{\"result\": null}",
        "{\"result\": []}",
        "{\"result\": [true]}",
        "{\"result\": {}}",
        "{\"Result\": true}",
        "{\"allow\": true, \"ttl\": 60}",
        "{\"result\": {\"allow\": \"yes\"}}",
        "{\"result\": {\"allow\": \"true\", \"ttl\": 60}}",
        "{\"result\": {\"allow\": 1, \"ttl\": 60}}",
        "{\"result\": {\"allow\": null, \"ttl\": 60}}",
        "{\"result\": {\"allow\": true}}",
        "{\"result\": {\"allow\": true, \"ttl\": 0}}",
        "{\"result\": {\"allow\": true, \"ttl\": -1}}",
        "{\"result\": {\"allow\": true, \"ttl\": 1.5}}",
        "{\"result\": {\"allow\": true, \"ttl\": \"60\"}}",
        "{\"result\": {\"allow\": true, \"ttl\": true}}",
        "{\"result\": {\"allow\": true, \"ttl\": null}}",
        "{\"result\": {\"allow\": true, \"ttl\": 99999999999999999999}}",
        "{\"result\": {\"allow\": true, \"allow\": true, \"ttl\": 60}}",
        "{\"result\": {\"allow\": true, \"ttl\": 60, \"ttl\": 60}}",
        "{\"result\": {\"result\": true}}",
        "{\"result\": \"\xFF\"}",
        "<html><body>{\"result\": true}</body></html>",
        "{\"result\": true}\xEF\xBB\xBF",
        "\xEF\xBB\xBF{\"result\": true}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int64_t ttl_s = -1;
        const char *why = NULL;
        if (read_text(texts[i], &ttl_s, &why) != AUTHORIZER_NONE)
            fail_msg("%s", texts[i]);
        assert_int_equal(0, ttl_s);
        assert_true(why != NULL && why[0] != '\0');
    }
}

static void nesting_without_end_and_a_text_that_is_too_long_are_no_answer(void **state)
{
    (void)state;
    int64_t ttl_s = -1;
    const char *why = NULL;
    const size_t len = AUTHORIZATION_ANSWER_MAX + 1;
    char *text = malloc(len);
    assert_non_null(text);
    memset(text, '[', len);
    assert_int_equal(AUTHORIZER_NONE,
                     authorization_answer_read(slice_of(text, len - 1), &ttl_s, &why));
    memset(text, ' ', len);
    memcpy(text, "{\"result\": true}", 16);
    assert_int_equal(AUTHORIZER_YES,
                     authorization_answer_read(slice_of(text, len - 1), &ttl_s, &why));
    assert_int_equal(AUTHORIZER_NONE, authorization_answer_read(slice_of(text, len), &ttl_s, &why));
    free(text);
}

static struct ip_addr address(const char *text)
{
    struct ip_addr out;
    assert_int_equal(ERR_OK, ip_addr_parse(slice_of_string(text), &out));
    return out;
}

// ask writes a question and reads it as JSON; the caller owns the result.
static json_t *ask(const struct authorization_question *question)
{
    static char data[AUTHORIZATION_EXTRA_CAP + 64];
    struct text text;
    struct text plain;
    text_init(&text, data, sizeof data);
    authorization_question_append(question, &text);
    plain = text;
    assert_false(plain.is_cut);
    assert_true(text.len <= AUTHORIZATION_EXTRA_CAP + question->client_json.len);
    json_t *root = json_loadb(data, text.len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(root);
    assert_int_equal(1, json_object_size(root));
    return root;
}

static void a_question_says_who_asks_for_what_and_where_it_leads(void **state)
{
    (void)state;
    struct target target;
    const struct ip_addr addresses[] = {address("192.0.2.7"), address("2001:db8::7")};
    assert_int_equal(ERR_OK, target_parse(SLICE_LITERAL("db.example.org:5432"), &target));
    const struct authorization_question question = {
        .id = "0123456789abcdef",
        .session = "fedcba9876543210",
        .listener = "main",
        .client_json = SLICE_LITERAL("{\"name\":\"workers\",\"cn\":\"worker-1\"}"),
        .is_http2 = true,
        .method = SLICE_LITERAL("CONNECT"),
        .target = &target,
        .addresses = addresses,
        .address_count = 2,
        .rule = "workers.allow[0]",
        .config = "00112233",
        .is_again = true,
    };
    json_t *root = ask(&question);
    const char *expected =
        "{\"input\":{\"v\":1,\"id\":\"0123456789abcdef\",\"session\":\"fedcba9876543210\",\"listener\":\"main\","
        "\"client\":{\"name\":\"workers\",\"cn\":\"worker-1\"},\"protocol\":\"h2\",\"method\":\"CONNECT\","
        "\"target\":{\"host\":\"db.example.org\",\"port\":5432},\"addresses\":[\"192.0.2.7\",\"2001:db8::7\"],"
        "\"rule\":\"workers.allow[0]\",\"config\":\"00112233\",\"again\":true}}";
    json_t *wanted = json_loads(expected, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(wanted);
    assert_true(json_equal(wanted, root));
    json_decref(wanted);
    json_decref(root);
}

static void nothing_that_a_client_says_changes_the_shape_of_a_question(void **state)
{
    (void)state;
    static const char *const methods[] = {
        "GET",
        "\"",
        "\",\"again\":true,\"x\":\"",
        "\\",
        "\x01\x02\x7F",
        "\xFF\xFE",
        "}}",
        "",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    };
    struct target target;
    struct ip_addr addresses[AUTHORIZATION_ADDRESSES_MAX + 1];
    char host[300];
    memset(host, 'a', sizeof host);
    for (size_t i = 60; i < 250; i += 60)
        host[i] = '.';
    memcpy(host + 250, ":443", 5);
    assert_int_equal(ERR_OK, target_parse(slice_of_string(host), &target));
    for (size_t i = 0; i < AUTHORIZATION_ADDRESSES_MAX + 1; i++)
        addresses[i] = address("2001:db8:1111:2222:3333:4444:5555:6666");
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        const struct authorization_question question = {
            .id = "0123456789abcdef",
            .session = "fedcba9876543210",
            .listener = "12345678901234567890123456789012",
            .client_json = SLICE_LITERAL("{}"),
            .method = slice_of_string(methods[i]),
            .target = &target,
            .addresses = addresses,
            .address_count = AUTHORIZATION_ADDRESSES_MAX + 1,
            .rule = "12345678901234567890123456789012.allow[18446744073709551615]",
            .config = "0011223344556677",
        };
        json_t *root = ask(&question);
        const json_t *input = json_object_get(root, "input");
        assert_int_equal(12, json_object_size(input));
        assert_true(json_is_false(json_object_get(input, "again")));
        assert_int_equal(AUTHORIZATION_ADDRESSES_MAX,
                         json_array_size(json_object_get(input, "addresses")));
        json_decref(root);
    }
}

static void what_a_question_is_about_is_everything_that_an_answer_may_depend_on(void **state)
{
    (void)state;
    uint8_t first[AUTHORIZATION_DIGEST_LEN];
    uint8_t digest[AUTHORIZATION_DIGEST_LEN];
    struct target target;
    struct target other;
    assert_int_equal(ERR_OK, target_parse(SLICE_LITERAL("db.example.org:5432"), &target));
    assert_int_equal(ERR_OK, target_parse(SLICE_LITERAL("db.example.org:5433"), &other));
    const struct authorization_question question = {
        .id = "0123456789abcdef",
        .session = "fedcba9876543210",
        .listener = "main",
        .client_json = SLICE_LITERAL("{\"address\":\"192.0.2.1\",\"port\":4711,\"name\":\"a\"}"),
        .method = SLICE_LITERAL("GET"),
        .target = &target,
        .rule = "workers.allow[0]",
        .config = "00112233",
    };
    authorization_scope(&question, first);
    struct authorization_question same = question;
    same.id = same.session = same.config = "another";
    same.is_again = true;
    same.client_json = SLICE_LITERAL("{\"address\":\"192.0.2.1\",\"port\":9,\"name\":\"a\"}");
    authorization_scope(&same, digest);
    assert_memory_equal(first, digest, sizeof first);
    struct authorization_question others[10];
    for (size_t i = 0; i < 10; i++)
        others[i] = question;
    others[0].listener = "other";
    others[1].is_http2 = true;
    others[2].method = SLICE_LITERAL("POST");
    others[3].target = &other;
    others[4].rule = "workers.allow[1]";
    others[5].client_json =
        SLICE_LITERAL("{\"address\":\"192.0.2.2\",\"port\":4711,\"name\":\"a\"}");
    others[6].client_json =
        SLICE_LITERAL("{\"address\":\"192.0.2.1\",\"port\":4711,\"name\":\"b\"}");
    others[7].client_json = SLICE_LITERAL(
        "{\"address\":\"192.0.2.1\",\"port\":4711,\"name\":\"a\",\"port\":1}"); // only the first one is its port
    others[8].client_json = SLICE_LITERAL("{\"address\":\"192.0.2.1\",\"name\":\"a\"}");
    others[9].client_json = (struct slice){0};
    for (size_t i = 0; i < 10; i++) {
        authorization_scope(&others[i], digest);
        assert_memory_not_equal(first, digest, sizeof first);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_true_and_allow_with_a_ttl_are_a_yes),
        cmocka_unit_test(false_is_a_no),
        cmocka_unit_test(everything_else_is_no_answer),
        cmocka_unit_test(nesting_without_end_and_a_text_that_is_too_long_are_no_answer),
        cmocka_unit_test(a_question_says_who_asks_for_what_and_where_it_leads),
        cmocka_unit_test(nothing_that_a_client_says_changes_the_shape_of_a_question),
        cmocka_unit_test(what_a_question_is_about_is_everything_that_an_answer_may_depend_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
