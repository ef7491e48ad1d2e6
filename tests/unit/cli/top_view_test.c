// `top` as a screen: rates from two answers, what moves the most first, and never more than fits.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
// cmocka wants the four above first
#include <cmocka.h>

#include "proxy/cli/top_view.h"

static char screen[16384];

static json_t *tunnel(const char *id, const char *host, long long up, long long down,
                      long long age_ms)
{
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:i,s:s,s:{s:I,s:I},s:I}", "id", id, "session",
                     "5e55105e55105e55", "client", "scrapers", "source", "127.0.0.1", "host", host,
                     "port", 443, "upstream", "192.0.2.1", "bytes", "up", (json_int_t)up, "down",
                     (json_int_t)down, "age_ms", (json_int_t)age_ms);
}

static void take(struct top_view *view, int64_t now_ms, long long open, json_t *first,
                 json_t *second)
{
    json_t *root = json_pack("{s:I,s:[o]}", "open", (json_int_t)open, "tunnels", first);
    if (second != NULL)
        assert_int_equal(0, json_array_append_new(json_object_get(root, "tunnels"), second));
    top_view_take(view, root, now_ms);
    json_decref(root);
}

static const char *draw(const struct top_view *view, size_t columns, size_t rows)
{
    struct text text;
    const struct canvas canvas = {.columns = columns, .rows = rows, .line_end = "\n"};
    text_init(&text, screen, sizeof screen);
    top_view_draw(view, &canvas, &text);
    assert_false(text.is_cut);
    return screen;
}

static void rates_are_the_difference_of_two_answers_and_sort(void **state)
{
    (void)state;
    struct top_view *view = top_view_create(NULL);
    assert_string_equal("", draw(view, 80, 24));
    take(view, 1000, 2, tunnel("aaaaaaaaaaaaaaaa", "large.test", 9000, 1000, 60000),
         tunnel("bbbbbbbbbbbbbbbb", "busy.test", 10, 20, 60000));
    assert_string_equal("2 tunnels; q ends\n"
                        "ID                   UP/s   DOWN/s     AGE CLIENT -> TARGET\n"
                        "aaaaaaaaaaaaaaaa        -        -   1m00s scrapers -> large.test:443\n"
                        "bbbbbbbbbbbbbbbb        -        -   1m00s scrapers -> busy.test:443",
                        draw(view, 80, 24));
    // It came at once, and was made two seconds later.
    take(view, 1001, 3, tunnel("bbbbbbbbbbbbbbbb", "busy.test", 2058, 4116, 62000),
         tunnel("aaaaaaaaaaaaaaaa", "large.test", 9000, 1000, 62000));
    assert_string_equal("3 tunnels, the 1000 that have moved the most are watched; q ends\n"
                        "ID                   UP/s   DOWN/s     AGE CLIENT -> TARGET\n"
                        "bbbbbbbbbbbbbbbb  1.0 KiB  2.0 KiB   1m02s scrapers -> busy.test:443\n"
                        "aaaaaaaaaaaaaaaa      0 B      0 B   1m02s scrapers -> large.test:443",
                        draw(view, 80, 24));
    top_view_destroy(view);
}

static void a_new_tunnel_has_moved_all_of_it_since_and_an_old_one_is_not_known(void **state)
{
    (void)state;
    struct top_view *view = top_view_create(NULL);
    take(view, 1000, 1, tunnel("aaaaaaaaaaaaaaaa", "a.test", 0, 0, 1), NULL);
    take(view, 2000, 2, tunnel("bbbbbbbbbbbbbbbb", "new.test", 2048, 0, 900),
         tunnel("cccccccccccccccc", "old.test", 1000, 0, 90000));
    assert_non_null(strstr(draw(view, 80, 24), "bbbbbbbbbbbbbbbb  2.2 KiB      0 B      0s"));
    assert_non_null(strstr(screen, "cccccccccccccccc        -        -   1m30s"));
    top_view_destroy(view);
}

static void nothing_is_wider_or_longer_than_the_terminal(void **state)
{
    (void)state;
    struct top_view *view = top_view_create("scrapers");
    take(view, 1000, 2, tunnel("aaaaaaaaaaaaaaaa", "a-name-that-is-rather-long.example", 9, 9, 1),
         tunnel("bbbbbbbbbbbbbbbb", "b.test", 1, 1, 1));
    for (size_t columns = 1; columns <= 200; columns++) {
        for (size_t rows = 1; rows <= 5; rows++) {
            size_t lines = 1;
            size_t used = 0;
            for (const char *at = draw(view, columns, rows); *at != '\0'; at++) {
                lines += *at == '\n';
                used = *at == '\n' ? 0 : used + 1;
                assert_true(used <= columns);
            }
            assert_int_equal(lines, rows < 4 ? rows : 4);
        }
    }
    assert_non_null(strstr(draw(view, 200, 5), "2 tunnels of scrapers"));
    assert_non_null(strstr(screen, "5e55105e55105e55"));
    assert_non_null(strstr(screen, "(127.0.0.1 -> 192.0.2.1)"));
    top_view_destroy(view);
}

static void an_answer_that_is_none_is_drawn_as_nothing(void **state)
{
    (void)state;
    struct top_view *view = top_view_create(NULL);
    json_t *root = json_pack("{s:s,s:[i,n,{}]}", "open", "x", "tunnels", 7);
    top_view_take(view, root, 1);
    top_view_take(view, root, 1);
    json_decref(root);
    assert_non_null(strstr(draw(view, 80, 24), "0 tunnels"));
    top_view_destroy(view);
    top_view_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_are_the_difference_of_two_answers_and_sort),
        cmocka_unit_test(a_new_tunnel_has_moved_all_of_it_since_and_an_old_one_is_not_known),
        cmocka_unit_test(nothing_is_wider_or_longer_than_the_terminal),
        cmocka_unit_test(an_answer_that_is_none_is_drawn_as_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
