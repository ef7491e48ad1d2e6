// A whole hour, and more, by a clock that need not pass. SALLYPORT_CHARTS is a file for the drawings, to look at.
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy/page/assets.h"
#include "proxy/page/chart.h"

enum { PAGE_CAP = 256 * 1024, HOUR = HISTORY_SAMPLES };

static const struct chart charts[] = {
    {"Bytes",
     "B/s",
     {{"to targets", offsetof(struct sample, bytes_up)},
      {"to clients", offsetof(struct sample, bytes_down)}},
     2},
    {"Decisions",
     "/s",
     {{"allowed", offsetof(struct sample, allowed)},
      {"denied", offsetof(struct sample, denied)},
      {"failed", offsetof(struct sample, failed)},
      {"would be denied", offsetof(struct sample, would_deny)}},
     4},
    {"Handshakes",
     "/s",
     {{"full", offsetof(struct sample, handshakes)},
      {"refused", offsetof(struct sample, refused)},
      {"resumed", offsetof(struct sample, resumed)}},
     3},
};

// wave gives a number between 0 and `high` that goes up and down, with a little noise.
static uint64_t wave(size_t at, size_t period, uint64_t high)
{
    const size_t phase = at % period;
    const size_t up = phase < period / 2 ? phase : period - phase;
    return high * up * 2 / period * (90 + at * 7919 % 21) / 100;
}

// run adds `count` samples of a busy proxy, one every ten seconds.
static void run(struct history *history, size_t count)
{
    const struct sample *last = history_last(history);
    struct sample sample = last == NULL ? (struct sample){.at_s = 1800000000} : *last;
    for (size_t i = 0; i < count; i++) {
        sample.at_s += HISTORY_EVERY_S;
        sample.bytes_up += wave(i, 180, 40u << 20);
        sample.bytes_down += wave(i + 60, 120, 400u << 20);
        sample.allowed += wave(i, 200, 900);
        sample.denied += i > 250 && i < 270 ? 4000 : 12;
        sample.failed += i % 40 == 0 ? 70 : 1;
        sample.would_deny += wave(i, 90, 60);
        sample.handshakes += wave(i, 150, 700);
        sample.resumed += wave(i + 30, 150, 500);
        sample.refused += i > 100 && i < 130 ? 600 : 2;
        sample.reloads += i == 77 || i == 300;
        history_add(history, &sample);
    }
}

// draw gives the drawings as a page.
static const char *draw(const struct history *history)
{
    static char page[PAGE_CAP];
    struct text text;
    text_init(&text, page, sizeof page);
    text_append_string(&text, "<!DOCTYPE html><meta charset=\"utf-8\"><title>Charts</title>");
    assets_append_style(&text);
    text_append_string(&text, "<main><div class=\"charts\">");
    for (size_t i = 0; i < sizeof charts / sizeof *charts; i++)
        chart_append(&text, &charts[i], history);
    text_append_string(&text, "</div></main>");
    assert_false(text.is_cut);
    return page;
}

static size_t count_of(const char *page, const char *piece)
{
    size_t count = 0;
    for (const char *at = page; (at = strstr(at, piece)) != NULL; at += strlen(piece))
        count++;
    return count;
}

// check_points looks at all points of all areas: inside of the drawing, and from its left to its right.
static void check_points(const char *page, unsigned first_x)
{
    for (const char *at = page; (at = strstr(at, "points=\"")) != NULL;) {
        unsigned least = 1000;
        unsigned most = 0;
        at += sizeof "points=\"" - 1;
        while (*at != '"') {
            char *end = NULL;
            const unsigned x = (unsigned)strtoul(at, &end, 10);
            assert_int_equal(*end, ',');
            const double y = strtod(end + 1, &end);
            assert_true(x <= HOUR - 1 && y >= 0. && y <= 100.);
            least = x < least ? x : least;
            most = x > most ? x : most;
            at = end + (*end == ' ');
        }
        assert_int_equal(least, first_x);
        assert_int_equal(most, HOUR - 1);
    }
}

static void a_whole_hour_fits_into_the_drawing(void **state)
{
    (void)state;
    static struct history history;
    run(&history, HOUR + 40); // the first forty are forgotten
    const char *page = draw(&history);
    const char *path = getenv("SALLYPORT_CHARTS");
    FILE *file = path == NULL ? NULL : fopen(path, "w");
    assert_int_equal(count_of(page, "<polygon"), 9);
    assert_int_equal(count_of(page, "<line class=\"reload\""), 2 * 3);
    check_points(page, 1);
    assert_true(strlen(page) < 100 * 1024); // of the 200 KiB of the page
    if (file != NULL) {
        (void)fputs(page, file);
        (void)fclose(file);
    }
}

static void the_first_minutes_are_at_the_right(void **state)
{
    (void)state;
    static struct history history;
    assert_int_equal(count_of(draw(&history), "<polygon"), 0);
    run(&history, 1);
    assert_int_equal(count_of(draw(&history), "<polygon"), 0);
    run(&history, 12);
    check_points(draw(&history), HOUR - 12);
}

static void a_clock_that_was_set_back_and_counters_that_fell_draw_nothing(void **state)
{
    (void)state;
    static struct history history;
    run(&history, 5);
    struct sample sample = *history_last(&history);
    sample.at_s -= 3600;
    history_add(&history, &sample);
    sample.at_s += HISTORY_EVERY_S;
    sample.bytes_up = 0;
    history_add(&history, &sample);
    run(&history, 5);
    check_points(draw(&history), HOUR - 11);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_hour_fits_into_the_drawing),
        cmocka_unit_test(the_first_minutes_are_at_the_right),
        cmocka_unit_test(a_clock_that_was_set_back_and_counters_that_fell_draw_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
