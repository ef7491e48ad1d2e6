// Bytes as text: the vectors of RFC 4648, and what is no text of theirs.
#include "auth/base/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void the_vectors_of_rfc_4648_hold_both_ways(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        const char *text;
    } rows[] = {{"f", "Zg=="},        {"fo", "Zm8="},          {"foo", "Zm9v"},
                {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="},   {"foobar", "Zm9vYmFy"},
                {"\xfb\xff", "+/8="}, {"\xff\xef\xbe", "/+++"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct slice bytes = slice_of_string(rows[i].bytes);
        uint8_t read[8];
        char data[16];
        size_t len = 0;
        struct text text;
        text_init(&text, data, sizeof data);
        base64_append(&text, bytes);
        assert_string_equal(data, rows[i].text);
        assert_int_equal(base64_text_len(bytes.len), text.len);
        assert_int_equal(base64_parse(text_slice(&text), read, sizeof read, &len), ERR_OK);
        assert_true(slice_equal(slice_of(read, len), bytes));
        assert_int_equal(base64_parse(text_slice(&text), read, bytes.len, &len), ERR_OK);
        assert_int_equal(base64_parse(text_slice(&text), read, bytes.len - 1, &len), ERR_LIMIT);
    }
    char nothing[2];
    struct text text;
    text_init(&text, nothing, sizeof nothing);
    base64_append(&text, (struct slice){0});
    assert_int_equal(text.len, 0);
}

static void there_is_one_spelling_of_each_value(void **state)
{
    (void)state;
    uint8_t bytes[4];
    size_t len = 0;
    static const char *const bad[] = {
        "AQIDBB==", "AQIDBA=", "AQIDBA",   "AQID\nBA==", "AQIDBA==\n",
        "AQIDB-==", "",        " AQIDBA=", "AQIDB===",   "=QIDBA==",
        "AQ==BA==", "A===",    "====",     "AQIDB_==",   "AQIDBA==AQ=="};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_not_equal(base64_parse(slice_of_string(bad[i]), bytes, 4, &len), ERR_OK);
        assert_int_equal(len, 0);
        assert_false(base64_read(slice_of_string(bad[i]), bytes, 4));
    }
    assert_true(base64_read(SLICE_LITERAL("AQIDBA=="), bytes, 4));
    assert_memory_equal(bytes, "\1\2\3\4", 4);
    assert_false(base64_read(SLICE_LITERAL("AQIDBA=="), bytes, 3));
    assert_false(base64_read(SLICE_LITERAL("AQID"), bytes, 4));
    assert_false(base64_read(SLICE_LITERAL("AQIDBAUG"), bytes, 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_rfc_4648_hold_both_ways),
        cmocka_unit_test(there_is_one_spelling_of_each_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
