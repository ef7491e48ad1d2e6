// Whatever a text holds, it stays text.
#include "proxy/page/html.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>

enum { CAP = 8192 };
#define U_FFFD "\xEF\xBF\xBD"

static void markup_becomes_text(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *html;
    } rows[] = {
        {"", ""},
        {"CN=a, O=b", "CN=a, O=b"},
        {"<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"},
        {"\" onload='x' &lt;", "&quot; onload=&#39;x&#39; &amp;lt;"},
        {"-->]]></style>", "--&gt;]]&gt;&lt;/style&gt;"},
        {"a\tb\nc\x7F", "a" U_FFFD "b" U_FFFD "c" U_FFFD},
        {"\xC3\xA9\xF0\x9F\x98\x80", "\xC3\xA9\xF0\x9F\x98\x80"},
        {"a\xFFz\xC3", "a" U_FFFD "z" U_FFFD},
        {"\xC0\xBCscript", U_FFFD U_FFFD "script"},
        {"\xE2\x80\xAE"
         "drow",
         U_FFFD "drow"},
        {"\xE2\x81\xA6x\xE2\x81\xA9", U_FFFD "x" U_FFFD},
        {"\xE2\x80\x8Ex\xC2\x85", U_FFFD "x" U_FFFD},
        {"\xE2\x80\xA8", U_FFFD},
        {"\xE2\x82\xAC", "\xE2\x82\xAC"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char data[CAP];
        struct text text;
        text_init(&text, data, sizeof data);
        html_append(&text, rows[i].text);
        assert_string_equal(data, rows[i].html);
    }
}

static void nothing_is_nothing(void **state)
{
    (void)state;
    char data[CAP];
    struct text text;
    text_init(&text, data, sizeof data);
    html_append(&text, NULL);
    assert_string_equal(data, "");
}

static void a_long_text_is_cut(void **state)
{
    (void)state;
    char data[CAP];
    char long_text[HTML_TEXT_MAX + 10];
    struct text text;
    for (size_t i = 0; i < sizeof long_text - 1; i++)
        long_text[i] = '<';
    long_text[sizeof long_text - 1] = '\0';
    text_init(&text, data, sizeof data);
    html_append(&text, long_text);
    assert_int_equal(text.len, HTML_TEXT_MAX * 4 + 3);
    assert_false(text.is_cut);
}

static void numbers_are_for_people(void **state)
{
    (void)state;
    static const struct {
        uint64_t number;
        const char *count;
        const char *bytes;
    } rows[] = {
        {0, "0", "0 B"},
        {999, "999", "999 B"},
        {1000, "1,000", "1000 B"},
        {1024, "1,024", "1.0 KiB"},
        {1536, "1,536", "1.5 KiB"},
        {1234567, "1,234,567", "1.1 MiB"},
        {120 * 1024, "122,880", "120 KiB"},
        {UINT64_MAX, "18,446,744,073,709,551,615", "15.9 EiB"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char data[CAP];
        struct text text;
        text_init(&text, data, sizeof data);
        html_append_count(&text, rows[i].number);
        assert_string_equal(data, rows[i].count);
        text_init(&text, data, sizeof data);
        html_append_bytes(&text, rows[i].number);
        assert_string_equal(data, rows[i].bytes);
    }
}

static void spans_are_for_people(void **state)
{
    (void)state;
    static const struct {
        int64_t seconds;
        const char *text;
    } rows[] = {
        {0, "0 s"},
        {59, "59 s"},
        {60, "1 min 0 s"},
        {3661, "1 h 1 min"},
        {86400, "24 h 0 min"},
        {2 * 86400, "2 d 0 h"},
        {-90, "-1 min 30 s"},
        {400 * 86400 + 3 * 3600, "400 d 3 h"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char data[CAP];
        struct text text;
        text_init(&text, data, sizeof data);
        html_append_span(&text, rows[i].seconds);
        assert_string_equal(data, rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(markup_becomes_text),  cmocka_unit_test(nothing_is_nothing),
        cmocka_unit_test(a_long_text_is_cut),   cmocka_unit_test(numbers_are_for_people),
        cmocka_unit_test(spans_are_for_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
