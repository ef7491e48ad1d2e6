// The JSON writer: commas, escapes, and an end that is noted wherever it falls.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auth/base/json.h"

#define MESSAGE "said \"no\"\n\x01\x7F\xC2\x85\xE2\x80\xA8 \xFF\xC3( \xED\xA0\x80"
#define MESSAGE_JSON                                                                               \
    "\"said \\\"no\\\"\\u000a\\u0001\\u007f\\u0085\\u2028 \\ufffd\\ufffd( \\ufffd\\ufffd\\ufffd\""

// write_all uses every function, and every place that a comma may be due at.
static void write_all(struct text *out)
{
    json_begin_object(out, NULL);
    json_add_string(out, "message", MESSAGE);
    json_add_string(out, "nobody", NULL);
    json_add_bytes(out, "short", SLICE_LITERAL("abc"), 2);
    json_add_hex(out, "hex", SLICE_LITERAL("\x00\xAB"));
    json_begin_object(out, "empty");
    json_end_object(out);
    json_begin_array(out, "list");
    json_begin_array(out, NULL);
    json_end_array(out);
    json_add_number(out, NULL, -7);
    json_add_count(out, NULL, 7);
    json_begin_object(out, NULL);
    json_add_bool(out, "good", true);
    json_add_bool(out, "bad", false);
    json_end_object(out);
    json_add_string(out, NULL, "");
    json_end_array(out);
    json_add_null(out, "gone");
    json_add_time(out, "at", 1795316400);
    json_add_time(out, "never", INT64_MAX);
    json_add_raw(out, "raw", SLICE_LITERAL("[1]"));
    json_end_object(out);
    text_append(out, SLICE_LITERAL("\n"));
}

#define ALL                                                                                        \
    "{\"message\":" MESSAGE_JSON ",\"nobody\":null,\"short\":\"ab\",\"hex\":\"00ab\","             \
    "\"empty\":{},\"list\":[[],-7,7,{\"good\":true,\"bad\":false},\"\"],\"gone\":null,"            \
    "\"at\":\"2026-11-22T03:00:00Z\",\"never\":null,\"raw\":[1]}\n"

static void members_and_elements_have_the_commas_that_are_due(void **state)
{
    (void)state;
    char memory[1024];
    struct text text;
    text_init(&text, memory, sizeof memory);
    write_all(&text);
    assert_string_equal(ALL, memory);
    assert_false(text.is_cut);
}

static void lines_begin_without_a_comma(void **state)
{
    (void)state;
    char memory[64];
    struct text text;
    text_init(&text, memory, sizeof memory);
    json_begin_object(&text, NULL);
    json_end_object(&text);
    text_append(&text, SLICE_LITERAL("\n"));
    json_begin_object(&text, NULL);
    json_end_object(&text);
    assert_string_equal("{}\n{}", memory);
}

static void an_object_can_be_written_from_its_middle_on(void **state)
{
    (void)state;
    char memory[64];
    struct text text;
    text_init(&text, memory, sizeof memory);
    json_add_string(&text, "a", "b");
    json_add_null(&text, "c");
    assert_string_equal("\"a\":\"b\",\"c\":null", memory);
}

static void a_string_never_looks_like_an_opening_bracket(void **state)
{
    (void)state;
    static const char *const rows[] = {"{", "[", ":", "\n", "\\", "\"", "", ","};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char memory[64];
        struct text text;
        text_init(&text, memory, sizeof memory);
        json_begin_array(&text, NULL);
        json_add_string(&text, NULL, rows[i]);
        const size_t first_len = text.len;
        json_add_null(&text, NULL);
        assert_string_equal(",null", memory + first_len);
    }
}

static void numbers_go_to_their_ends(void **state)
{
    (void)state;
    static const struct {
        int64_t number;
        uint64_t count;
        const char *text;
    } rows[] = {
        {0, 0, "[0,0]"},
        {-1, 1, "[-1,1]"},
        {10, 19, "[10,19]"},
        {INT64_MAX, UINT64_MAX, "[9223372036854775807,18446744073709551615]"},
        {INT64_MIN, UINT32_MAX, "[-9223372036854775808,4294967295]"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char memory[64];
        struct text text;
        text_init(&text, memory, sizeof memory);
        json_begin_array(&text, NULL);
        json_add_number(&text, NULL, rows[i].number);
        json_add_count(&text, NULL, rows[i].count);
        json_end_array(&text);
        assert_string_equal(rows[i].text, memory);
    }
}

static void an_end_is_noted_wherever_it_falls(void **state)
{
    (void)state;
    for (size_t cap = 1; cap <= sizeof ALL + 1; cap++) {
        char memory[sizeof ALL + 2];
        struct text text;
        memset(memory, '#', sizeof memory);
        text_init(&text, memory, cap);
        write_all(&text);
        assert_int_equal(cap < sizeof ALL, text.is_cut);
        assert_true(text.len < cap);
        assert_int_equal('\0', memory[text.len]);
        for (size_t i = cap; i < sizeof memory; i++)
            assert_int_equal('#', memory[i]);
    }
}

struct heard {
    char data[8192];
    size_t len;
};

static void hear(void *arg, struct slice bytes)
{
    struct heard *heard = arg;
    assert_true(bytes_copy(heard->data + heard->len, sizeof heard->data - heard->len - 1, bytes));
    heard->len += bytes.len;
    heard->data[heard->len] = '\0';
}

static void a_sink_hears_the_same_however_small_the_memory_is(void **state)
{
    (void)state;
    for (size_t cap = 130; cap <= 2 * sizeof ALL; cap++) {
        struct heard heard = {.len = 0};
        char memory[2 * sizeof ALL];
        struct text text;
        text_init_sink(&text, memory, cap, hear, &heard);
        write_all(&text);
        text_flush(&text);
        assert_false(text.is_cut);
        assert_int_equal(0, text.len);
        assert_string_equal(ALL, heard.data);
    }
}

static void a_long_string_goes_through_a_small_memory(void **state)
{
    (void)state;
    char value[3001];
    char memory[160];
    struct heard heard = {.len = 0};
    struct text text;
    memset(value, 'x', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    text_init_sink(&text, memory, sizeof memory, hear, &heard);
    json_begin_array(&text, NULL);
    json_add_string(&text, NULL, value);
    text_append_format(&text, ",%d", 7);
    json_end_array(&text);
    text_flush(&text);
    assert_false(text.is_cut);
    assert_int_equal(sizeof value - 1 + 6, heard.len);
    assert_string_equal("xx\",7]", heard.data + heard.len - 6);
}

static void a_piece_that_no_memory_has_room_for_is_noted(void **state)
{
    (void)state;
    char memory[8];
    struct heard heard = {.len = 0};
    struct text text;
    text_init_sink(&text, memory, sizeof memory, hear, &heard);
    text_append_string(&text, "abc");
    text_append_string(&text, "12345678");
    text_append_format(&text, "%s", "12345678");
    assert_true(text.is_cut);
    text_flush(&text);
    assert_string_equal("abc", heard.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_and_elements_have_the_commas_that_are_due),
        cmocka_unit_test(lines_begin_without_a_comma),
        cmocka_unit_test(an_object_can_be_written_from_its_middle_on),
        cmocka_unit_test(a_string_never_looks_like_an_opening_bracket),
        cmocka_unit_test(numbers_go_to_their_ends),
        cmocka_unit_test(an_end_is_noted_wherever_it_falls),
        cmocka_unit_test(a_sink_hears_the_same_however_small_the_memory_is),
        cmocka_unit_test(a_long_string_goes_through_a_small_memory),
        cmocka_unit_test(a_piece_that_no_memory_has_room_for_is_noted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
