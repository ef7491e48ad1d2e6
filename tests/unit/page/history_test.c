// An hour of samples, no more, and what is worked out of them.
#include "proxy/page/history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>

#include "proxy/page/chart.h"

static void add(struct history *history, int64_t at_s, uint64_t tunnels, uint64_t reloads)
{
    history_add(history, &(struct sample){.at_s = at_s, .tunnels = tunnels, .reloads = reloads});
}

static void the_oldest_is_forgotten_after_an_hour(void **state)
{
    (void)state;
    static struct history history;
    assert_null(history_last(&history));
    assert_null(history_before(&history, 0));
    for (int64_t i = 0; i < HISTORY_SAMPLES + 5; i++)
        add(&history, i * HISTORY_EVERY_S, (uint64_t)i, 0);
    assert_int_equal(history.count, HISTORY_SAMPLES);
    assert_int_equal(history_at(&history, 0)->tunnels, 5);
    assert_int_equal(history_last(&history)->tunnels, HISTORY_SAMPLES + 4);
    assert_int_equal(history_last(&history)->at_s - history_at(&history, 0)->at_s, 3600);
}

static void the_sample_before_is_old_enough_where_there_is_one(void **state)
{
    (void)state;
    static struct history history;
    add(&history, 1000, 1, 0);
    assert_null(history_before(&history, 60));
    add(&history, 1010, 2, 0);
    assert_int_equal(history_before(&history, 60)->tunnels, 1);
    for (uint64_t i = 2; i < 20; i++)
        add(&history, 1000 + (int64_t)i * 10, i + 1, 0);
    assert_int_equal(history_last(&history)->at_s - history_before(&history, 60)->at_s, 60);
    assert_int_equal(history_last(&history)->at_s - history_before(&history, 5)->at_s, 10);
}

static void a_quantile_is_the_bound_above_it(void **state)
{
    (void)state;
    struct histogram before = {0};
    histogram_note(&before, &histogram_waits, 5000);
    struct histogram after = before;
    assert_int_equal(history_quantile_ms(&before, &after, &histogram_waits, 95), -1);
    for (int i = 0; i < 95; i++)
        histogram_note(&after, &histogram_waits, 8);
    for (int i = 0; i < 5; i++)
        histogram_note(&after, &histogram_waits, 400);
    assert_int_equal(history_quantile_ms(&before, &after, &histogram_waits, 95), 10);
    assert_int_equal(history_quantile_ms(&before, &after, &histogram_waits, 96), 500);
    for (int i = 0; i < 1000; i++)
        histogram_note(&after, &histogram_waits, 99999);
    assert_int_equal(history_quantile_ms(&before, &after, &histogram_waits, 95), INT64_MAX);
}

static const struct chart chart = {.title = "Tunnels",
                                   .unit = "/s",
                                   .series = {{"new", offsetof(struct sample, tunnels)}},
                                   .series_count = 1};

static void a_chart_has_a_point_for_each_sample_and_a_line_for_each_reload(void **state)
{
    (void)state;
    static struct history history;
    static char data[65536];
    struct text text;
    add(&history, 0, 0, 0);
    add(&history, 10, 100, 0);
    add(&history, 20, 150, 1);
    text_init(&text, data, sizeof data);
    chart_append(&text, &chart, &history);
    assert_false(text.is_cut);
    // 10 a second, then 5: the top of the drawing, then its middle; and back along its foot.
    assert_non_null(strstr(data, "points=\"359,0.0 360,50.0 360,100.0 359,100.0 \""));
    assert_non_null(strstr(data, "<line class=\"reload\" x1=\"360\""));
    assert_null(strstr(data, "x1=\"359\""));
    assert_non_null(strstr(data, "new 5.0/s"));
    assert_non_null(strstr(data, "top 10.0/s"));
}

static void a_chart_of_an_hour_fits(void **state)
{
    (void)state;
    static struct history history;
    static char data[65536];
    struct text text;
    text_init(&text, data, sizeof data);
    chart_append(&text, &chart, &history);
    for (uint64_t i = 0; i < HISTORY_SAMPLES; i++)
        add(&history, (int64_t)i * 10, i % 2 == 0 ? i * UINT32_MAX : 0, i);
    text_init(&text, data, sizeof data);
    chart_append(&text, &chart, &history);
    assert_false(text.is_cut);
    assert_true(text.len < 40 * 1024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_oldest_is_forgotten_after_an_hour),
        cmocka_unit_test(the_sample_before_is_old_enough_where_there_is_one),
        cmocka_unit_test(a_quantile_is_the_bound_above_it),
        cmocka_unit_test(a_chart_has_a_point_for_each_sample_and_a_line_for_each_reload),
        cmocka_unit_test(a_chart_of_an_hour_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
