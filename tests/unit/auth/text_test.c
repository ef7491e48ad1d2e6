// Bounded text: never past its end, and what stands in a record is always one line of valid JSON.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "auth/base/text.h"

static void appends_pieces_one_behind_the_other(void **state)
{
    (void)state;
    char memory[64];
    struct text text;
    text_init(&text, memory, sizeof memory);
    assert_string_equal("", memory);
    text_append_string(&text, "a");
    text_append(&text, SLICE_LITERAL("bc"));
    text_append_format(&text, "-%d-%s", 7, "x");
    text_append_hex(&text, SLICE_LITERAL("\x00\xAB\xFF"));
    assert_string_equal("abc-7-x00abff", memory);
    assert_false(text.is_cut);
    assert_true(slice_equal(slice_of_string(memory), text_slice(&text)));
}

static void drops_a_piece_that_does_not_fit_as_a_whole(void **state)
{
    (void)state;
    char memory[8];
    memset(memory, '#', sizeof memory);
    struct text text;
    text_init(&text, memory, 5); // four bytes and the NUL
    text_append_string(&text, "abc");
    text_append_string(&text, "de");
    assert_true(text.is_cut);
    assert_string_equal("abc", memory);
    text_append_format(&text, "%s", "de");
    assert_string_equal("abc", memory);
    text_append_string(&text, "d");
    assert_string_equal("abcd", memory);
    assert_true(text.is_cut); // stays
    text_append_format(&text, "%d", 1);
    text_append_json(&text, SLICE_LITERAL("x"), 9);
    assert_string_equal("abcd", memory);
    assert_int_equal(4, text.len);
    assert_memory_equal("###", memory + 5, 3);
}

static void a_text_of_one_byte_is_always_empty(void **state)
{
    (void)state;
    char memory[1] = {'#'};
    struct text text;
    text_init(&text, memory, 1);
    text_append_string(&text, "");
    assert_false(text.is_cut);
    text_append_string(&text, "a");
    assert_true(text.is_cut);
    assert_int_equal(0, memory[0]);
}

struct escape {
    struct slice in;
    const char *out;
};

static void json_escapes_what_would_break_a_record_or_a_terminal(void **state)
{
    (void)state;
    static const struct escape rows[] = {
        {{(const uint8_t *)"", 0}, "\"\""},
        {{(const uint8_t *)"plain", 5}, "\"plain\""},
        {{(const uint8_t *)"a\"b\\c", 5}, "\"a\\\"b\\\\c\""},
        {{(const uint8_t *)"a\r\nb\tc", 6}, "\"a\\u000d\\u000ab\\u0009c\""},
        {{(const uint8_t *)"\x1B[31m", 5}, "\"\\u001b[31m\""},
        {{(const uint8_t *)"a\0b", 3}, "\"a\\u0000b\""},
        {{(const uint8_t *)"\x7F", 1}, "\"\\u007f\""},
        {{(const uint8_t *)"\xC2\x9B", 2}, "\"\\u009b\""},
        {{(const uint8_t *)"\xE2\x80\xA8\xE2\x80\xA9", 6}, "\"\\u2028\\u2029\""},
        {{(const uint8_t *)"a\xE2\x80\xAEz", 5}, "\"a\\u202ez\""},
        {{(const uint8_t *)"\xC2\xAD\xD8\x9C", 4}, "\"\\u00ad\\u061c\""},
        {{(const uint8_t *)"\xEF\xBB\xBF", 3}, "\"\\ufeff\""},
        {{(const uint8_t *)"\xF3\xA0\x81\x81", 4}, "\"\\udb40\\udc41\""},
        {{(const uint8_t *)"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", 9},
         "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char memory[128];
        struct text text;
        text_init(&text, memory, sizeof memory);
        text_append_json(&text, rows[i].in, 100);
        assert_string_equal(rows[i].out, memory);
    }
}

static void json_replaces_each_byte_that_is_not_utf8(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\x80", "\xC0", "\xC1", "\xF5", "\xFF", "\xFE", // never first
        "\xC3", "\xE2", "\xF0",                         // cut short
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char memory[64];
        struct text text;
        text_init(&text, memory, sizeof memory);
        text_append_json(&text, slice_of_string(bad[i]), 100);
        assert_string_equal("\"\\ufffd\"", memory);
    }
    static const char *const pairs[] = {"\xC0\x80", "\xC3\x28"};
    static const char *const out[] = {"\"\\ufffd\\ufffd\"", "\"\\ufffd(\""};
    for (size_t i = 0; i < 2; i++) {
        char memory[64];
        struct text text;
        text_init(&text, memory, sizeof memory);
        text_append_json(&text, slice_of_string(pairs[i]), 100);
        assert_string_equal(out[i], memory);
    }
    static const char *const triples[] = {
        "\xE0\x80\x80", // overlong
        "\xED\xA0\x80", // a surrogate
        "\xE2\x82\x28",
    };
    static const char *const triples_out[] = {"\"\\ufffd\\ufffd\\ufffd\"",
                                              "\"\\ufffd\\ufffd\\ufffd\"", "\"\\ufffd\\ufffd(\""};
    for (size_t i = 0; i < 3; i++) {
        char memory[64];
        struct text text;
        text_init(&text, memory, sizeof memory);
        text_append_json(&text, slice_of_string(triples[i]), 100);
        assert_string_equal(triples_out[i], memory);
    }
}

static void json_beyond_unicode_is_replaced(void **state)
{
    (void)state;
    char memory[64];
    struct text text;
    text_init(&text, memory, sizeof memory);
    text_append_json(&text, SLICE_LITERAL("\xF4\x90\x80\x80"), 100);
    assert_string_equal("\"\\ufffd\\ufffd\\ufffd\\ufffd\"", memory);
    text_init(&text, memory, sizeof memory);
    text_append_json(&text, SLICE_LITERAL("\xF0\x80\x80\x80"), 100);
    assert_string_equal("\"\\ufffd\\ufffd\\ufffd\\ufffd\"", memory);
    text_init(&text, memory, sizeof memory);
    text_append_json(&text, SLICE_LITERAL("\xF4\x8F\xBF\xBF"), 100);
    assert_string_equal("\"\xF4\x8F\xBF\xBF\"", memory);
}

static void json_is_cut_between_characters(void **state)
{
    (void)state;
    char memory[64];
    struct text text;
    text_init(&text, memory, sizeof memory);
    text_append_json(&text,
                     SLICE_LITERAL("a\xE2\x82\xAC"
                                   "b"),
                     3);
    assert_string_equal("\"a\"", memory);
    text_init(&text, memory, sizeof memory);
    text_append_json(&text,
                     SLICE_LITERAL("a\xE2\x82\xAC"
                                   "b"),
                     4);
    assert_string_equal("\"a\xE2\x82\xAC\"", memory);
    text_init(&text, memory, sizeof memory);
    text_append_json(&text, SLICE_LITERAL("abc"), 0);
    assert_string_equal("\"\"", memory);
}

static void what_people_read_says_what_cannot_be_seen(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        const char *seen;
    } rows[] = {
        {"", ""},
        {"plain \\ \"text\"", "plain \\ \"text\""},
        {"M\xC3\xBCnchen \xE2\x82\xAC \xF0\x9F\x98\x80",
         "M\xC3\xBCnchen \xE2\x82\xAC \xF0\x9F\x98\x80"},
        {"a\nb\rc\td", "a\\x0ab\\x0dc\\x09d"},
        {"\x1B[2J\x7F", "\\x1b[2J\\x7f"},
        {"\xC2\x9B"
         "31m\xC2\xA0",
         "\\xc2\\x9b31m\xC2\xA0"}, // CSI in one character; the no-break space stays
        {"\xFF\xC3(", "\\xff\\xc3("},
        {"\xED\xA0\x80", "\\xed\\xa0\\x80"},
        {"\xE2\x80\xA8\xE2\x80\xA9", "\\xe2\\x80\\xa8\\xe2\\x80\\xa9"}, // separators
        {"\xE2\x80\xAE", "\\xe2\\x80\\xae"},                         // right to left from here on
        {"\xE2\x81\xA7\xE2\x81\xB4", "\\xe2\\x81\\xa7\xE2\x81\xB4"}, // an isolate; superscript four
        {"\xE2\x80\x8E\xE2\x80\x90\xD8\x9C", "\\xe2\\x80\\x8e\xE2\x80\x90\\xd8\\x9c"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char memory[128];
        struct text text;
        text_init(&text, memory, sizeof memory);
        text_append_printable(&text, slice_of_string(rows[i].bytes));
        assert_string_equal(rows[i].seen, memory);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_pieces_one_behind_the_other),
        cmocka_unit_test(drops_a_piece_that_does_not_fit_as_a_whole),
        cmocka_unit_test(a_text_of_one_byte_is_always_empty),
        cmocka_unit_test(json_escapes_what_would_break_a_record_or_a_terminal),
        cmocka_unit_test(json_replaces_each_byte_that_is_not_utf8),
        cmocka_unit_test(json_beyond_unicode_is_replaced),
        cmocka_unit_test(json_is_cut_between_characters),
        cmocka_unit_test(what_people_read_says_what_cannot_be_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
