// The drawing is 360 units wide, one for each sample, and 100 high; the page stretches it.
#include "proxy/page/chart.h"

#include "proxy/page/html.h"

enum { WIDTH = HISTORY_SAMPLES - 1, HEIGHT = 100 };

static uint64_t number_at(const struct sample *sample, size_t offset)
{
    const uint8_t *at = (const uint8_t *)sample + offset;
    return *(const uint64_t *)(const void *)at;
}

// rate gives a series' events a second in thousandths, from the sample before `index` to that one.
static uint64_t rate(const struct history *history, size_t index, size_t offset)
{
    const struct sample *before = history_at(history, index - 1);
    const struct sample *after = history_at(history, index);
    const int64_t span_s = after->at_s - before->at_s;
    const uint64_t first = number_at(before, offset);
    const uint64_t last = number_at(after, offset);
    return span_s <= 0 || last < first ? 0 : (last - first) * 1000 / (uint64_t)span_s;
}

// stacked gives the sum of the first `count` series.
static uint64_t stacked(const struct chart *chart, const struct history *history, size_t index,
                        size_t count)
{
    uint64_t sum = 0;
    for (size_t s = 0; s < count; s++)
        sum += rate(history, index, chart->series[s].offset);
    return sum;
}

static uint64_t highest(const struct chart *chart, const struct history *history)
{
    uint64_t most = 0;
    for (size_t i = 1; i < history->count; i++) {
        const uint64_t sum = stacked(chart, history, i, chart->series_count);
        most = sum > most ? sum : most;
    }
    return most;
}

static void append_point(struct text *out, size_t x, uint64_t value, uint64_t most)
{
    const uint64_t tenths = most == 0 ? 0 : value * HEIGHT * 10 / most;
    const uint64_t down = HEIGHT * 10 - tenths;
    text_append_format(out, "%zu,%u.%u ", x, (unsigned)(down / 10), (unsigned)(down % 10));
}

// append_area draws series `s` upon those before it.
static void append_area(struct text *out, const struct chart *chart, const struct history *history,
                        size_t s, uint64_t most)
{
    const size_t shift = HISTORY_SAMPLES - history->count;
    text_append_format(out, "<polygon class=\"s%zu\" points=\"", s);
    for (size_t i = 1; i < history->count; i++)
        append_point(out, i + shift, stacked(chart, history, i, s + 1), most);
    for (size_t i = history->count - 1; i > 0; i--)
        append_point(out, i + shift, stacked(chart, history, i, s), most);
    text_append_string(out, "\"/>");
}

// append_reloads draws a line at each sample in which a configuration came into force.
static void append_reloads(struct text *out, const struct history *history)
{
    const size_t shift = HISTORY_SAMPLES - history->count;
    for (size_t i = 1; i < history->count; i++) {
        if (history_at(history, i)->reloads != history_at(history, i - 1)->reloads)
            text_append_format(out,
                               "<line class=\"reload\" x1=\"%zu\" x2=\"%zu\" y1=\"0\" y2=\"%d\"/>",
                               i + shift, i + shift, HEIGHT);
    }
}

static void append_rate(struct text *out, const struct chart *chart, uint64_t thousandths)
{
    if (strcmp(chart->unit, "B/s") == 0) {
        html_append_bytes(out, thousandths / 1000);
        text_append_string(out, "/s");
    } else {
        html_append_count(out, thousandths / 1000);
        text_append_format(out, ".%u%s", (unsigned)(thousandths % 1000 / 100), chart->unit);
    }
}

static void append_legend(struct text *out, const struct chart *chart,
                          const struct history *history, uint64_t most)
{
    text_append_string(out, "<p class=\"legend\">");
    for (size_t s = 0; s < chart->series_count; s++) {
        text_append_format(out, "<span><i class=\"k%zu\"></i>%s ", s, chart->series[s].name);
        append_rate(
            out, chart,
            history->count < 2 ? 0 : rate(history, history->count - 1, chart->series[s].offset));
        text_append_string(out, "</span> ");
    }
    text_append_string(out, "<span>top ");
    append_rate(out, chart, most);
    text_append_string(out, "</span></p>");
}

void chart_append(struct text *out, const struct chart *chart, const struct history *history)
{
    const uint64_t most = highest(chart, history);
    text_append_format(
        out,
        "<figure><figcaption>%s</figcaption><svg role=\"img\" aria-label=\"%s in the "
        "last hour\" viewBox=\"0 0 %d %d\" preserveAspectRatio=\"none\">",
        chart->title, chart->title, WIDTH, HEIGHT);
    for (size_t s = 0; s < chart->series_count && history->count > 1; s++)
        append_area(out, chart, history, s, most);
    append_reloads(out, history);
    text_append_string(out, "</svg><p class=\"axis\"><span>an hour ago</span><span>30 min</span>"
                            "<span>now</span></p>");
    append_legend(out, chart, history, most);
    text_append_string(out, "</figure>\n");
}
