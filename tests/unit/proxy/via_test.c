// The trail of a request: entries are counted as they are written, and our own is found.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/base/err.h"
#include "proxy/http/via.h"

#define TOKEN "0123456789abcdef"

static void entries_are_counted_but_not_those_in_comments_and_quotes(void **state)
{
    (void)state;
    static const struct {
        const char *fields;
        size_t hops;
    } rows[] = {
        {"", 0},
        {"Host: a\r\nX-Via: 1.1 a\r\n", 0},
        {"Via: \r\n", 0},
        {"Via: 1.1 a\r\n", 1},
        {"via: 1.1 a\r\nVIA: 1.0 b\r\n", 2},
        {"Via: 1.1 a, 1.0 b,1.1 c\r\n", 3},
        {"Via: , ,1.1 a,,\r\n", 1},
        {"Via: 1.1 a (one, two, (three, four)), 1.1 b\r\n", 2},
        {"Via: 1.1 a (one \\) , two), 1.1 b\r\n", 2},
        {"Via: 1.1 \"a, \\\", b\", 1.1 c\r\n", 2},
        {"Via: 1.1 a) , 1.1 b\r\n", 2},
        {"Via: 1.1 a (never closed, 1.1 b\r\n",
         1}, // as long as it stands, the bound on the length counts
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct via_trail trail;
        via_collect(slice_of_string(rows[i].fields), &trail);
        if (trail.hops != rows[i].hops)
            fail_msg("%zu hops in %s", trail.hops, rows[i].fields);
    }
}

static void a_circle_is_our_token_or_eight_hops_or_more_text_than_is_kept(void **state)
{
    (void)state;
    struct via_trail trail = {.len = 0};
    assert_false(via_is_loop(&trail, TOKEN));
    via_collect(SLICE_LITERAL("Via: 1.1 sallyport-0123456789abcdee, 1.1 sallyport\r\n"), &trail);
    assert_false(via_is_loop(&trail, TOKEN));
    assert_false(via_is_loop(&trail, ""));
    via_collect(SLICE_LITERAL("Via: 1.1 x\r\nVia: 1.1 sallyport-" TOKEN " (squid)\r\n"), &trail);
    assert_true(via_is_loop(&trail, TOKEN));
    via_collect(SLICE_LITERAL("Via: a,b,c,d\r\nVia: e,f,g\r\n"), &trail);
    assert_false(via_is_loop(&trail, TOKEN));
    via_collect(SLICE_LITERAL("Via: a,b,c,d\r\nVia: e,f,g,h\r\n"), &trail);
    assert_true(via_is_loop(&trail, TOKEN));
    char long_field[VIA_TEXT_MAX + 16] = "Via: ";
    struct text text = {0};
    text_init(&text, long_field, sizeof long_field);
    text_append_string(&text, "Via: ");
    for (size_t i = 0; i < VIA_TEXT_MAX; i++)
        text_append_string(&text, "a");
    text_append_string(&text, "\r\n");
    via_collect(text_slice(&text), &trail);
    assert_false(via_is_loop(&trail, TOKEN));
    long_field[text.len - 2] = 'a';
    long_field[text.len - 1] = '\r';
    long_field[text.len] = '\n';
    via_collect(slice_of(long_field, text.len + 1), &trail);
    assert_true(via_is_loop(&trail, TOKEN));
}

static void what_has_come_goes_on_with_ours_at_the_end(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"", "Via: 1.1 sallyport-" TOKEN "\r\n"},
        {"Via: 1.0 a\r\nHost: x\r\nVia: 1.1 b (c)\r\n",
         "Via: 1.0 a, 1.1 b (c), 1.1 sallyport-" TOKEN "\r\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct via_trail trail;
        char data[VIA_TEXT_MAX + 64];
        struct text text;
        via_collect(slice_of_string(rows[i][0]), &trail);
        text_init(&text, data, sizeof data);
        via_append(&trail, 1, TOKEN, &text);
        assert_string_equal(data, rows[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_counted_but_not_those_in_comments_and_quotes),
        cmocka_unit_test(a_circle_is_our_token_or_eight_hops_or_more_text_than_is_kept),
        cmocka_unit_test(what_has_come_goes_on_with_ours_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
