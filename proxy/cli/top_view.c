// The tunnels of the last answer are sorted by id, to find each in the next one, and a second list of them by what they
// move.
#include "proxy/cli/top_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/cli/control_client.h"
#include "proxy/cli/figures.h"

enum { ID_COLUMNS = 16, FIGURE_COLUMNS = 8, WIDE = 110, VERY_WIDE = 150, NARROW = 60 };

struct row {
    const json_t *tunnel; // borrowed from the answer
    long long up;         // bytes
    long long down;
    int64_t age_ms;
    double up_rate; // bytes a second; negative: not known yet
    double down_rate;
};

struct top_view {
    const char *client; // borrowed; NULL: everybody
    json_t *answer;     // owned; NULL: there is none yet
    int64_t at_ms;
    struct row *by_id;   // owned
    struct row *busiest; // owned; the same rows
    size_t count;
};

struct top_view *top_view_create(const char *client)
{
    struct top_view *view = calloc(1, sizeof *view);
    if (view != NULL)
        view->client = client;
    return view;
}

static void forget(struct top_view *view)
{
    json_decref(view->answer);
    free(view->by_id);
    free(view->busiest);
    *view = (struct top_view){.client = view->client};
}

void top_view_destroy(struct top_view *view)
{
    if (view == NULL)
        return;
    forget(view);
    free(view);
}

static int by_id(const void *a, const void *b)
{
    const struct row *left = a;
    const struct row *right = b;
    return strcmp(member_text(left->tunnel, "id"), member_text(right->tunnel, "id"));
}

static double rate_of(const struct row *row)
{
    return row->up_rate + row->down_rate;
}

// is_busier sorts by what moves now, then by what has moved, then by id.
static int is_busier(const void *a, const void *b)
{
    const struct row *left = a;
    const struct row *right = b;
    if (rate_of(left) != rate_of(right))
        return rate_of(left) > rate_of(right) ? -1 : 1;
    if (left->up + left->down != right->up + right->down)
        return left->up + left->down > right->up + right->down ? -1 : 1;
    return by_id(a, b);
}

// read_row reads a tunnel, and its rates. The time that has passed is what the tunnel has aged, by the proxy's own clock: an
// answer may be late. One that was not there in the last answer, `passed_ms` ago, has moved all of it since, if it is that
// young; otherwise it was not among the busiest, and nothing is known.
static struct row read_row(const struct top_view *last, const json_t *tunnel, int64_t passed_ms)
{
    const json_t *bytes = json_object_get(tunnel, "bytes");
    struct row row = {.tunnel = tunnel,
                      .up = member_number(bytes, "up"),
                      .down = member_number(bytes, "down"),
                      .age_ms = member_number(tunnel, "age_ms"),
                      .up_rate = -1.,
                      .down_rate = -1.};
    const struct row nothing = {.up = 0};
    const struct row *before =
        last->answer == NULL ? NULL : bsearch(&row, last->by_id, last->count, sizeof row, by_id);
    if (before == NULL && last->answer != NULL && row.age_ms <= passed_ms)
        before = &nothing;
    if (before == NULL || row.age_ms <= before->age_ms)
        return row;
    const double passed_s = (double)(row.age_ms - before->age_ms) / 1000.;
    row.up_rate = (double)(row.up - before->up) / passed_s;
    row.down_rate = (double)(row.down - before->down) / passed_s;
    return row;
}

void top_view_take(struct top_view *view, json_t *root, int64_t now_ms)
{
    const json_t *tunnels = json_object_get(root, "tunnels");
    const size_t count = json_array_size(tunnels);
    struct row *rows = calloc(count + 1, sizeof *rows);
    struct row *busiest = calloc(count + 1, sizeof *busiest);
    if (rows == NULL || busiest == NULL) {
        free(rows);
        free(busiest);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        rows[i] = read_row(view, json_array_get(tunnels, i), now_ms - view->at_ms);
        busiest[i] = rows[i];
    }
    qsort(rows, count, sizeof *rows, by_id);
    qsort(busiest, count, sizeof *busiest, is_busier);
    forget(view);
    view->answer = json_incref(root);
    view->at_ms = now_ms;
    view->by_id = rows;
    view->busiest = busiest;
    view->count = count;
}

static void draw_figure(struct painter *painter, double bytes)
{
    char figure[FIGURE_CAP] = "-";
    if (bytes >= 0.)
        (void)figure_bytes((uint64_t)bytes, figure);
    paint_cell(painter, COLOUR_PLAIN, figure, FIGURE_COLUMNS, true);
}

static void draw_head(struct painter *painter)
{
    const size_t columns = painter->columns;
    if (columns >= NARROW)
        paint_cell(painter, COLOUR_BOLD, "ID", ID_COLUMNS, false);
    if (columns >= VERY_WIDE)
        paint_cell(painter, COLOUR_BOLD, "SESSION", ID_COLUMNS, false);
    paint_cell(painter, COLOUR_BOLD, "UP/s", FIGURE_COLUMNS, true);
    paint_cell(painter, COLOUR_BOLD, "DOWN/s", FIGURE_COLUMNS, true);
    if (columns >= WIDE) {
        paint_cell(painter, COLOUR_BOLD, "UP", FIGURE_COLUMNS, true);
        paint_cell(painter, COLOUR_BOLD, "DOWN", FIGURE_COLUMNS, true);
    }
    paint_cell(painter, COLOUR_BOLD, "AGE", FIGURE_COLUMNS - 1, true);
    paint(painter, COLOUR_BOLD, "CLIENT -> TARGET");
}

static void draw_row(struct painter *painter, const struct row *row)
{
    const json_t *tunnel = row->tunnel;
    const size_t columns = painter->columns;
    char text[FIGURE_CAP];
    char place[1024];
    if (columns >= NARROW)
        paint_cell(painter, COLOUR_PLAIN, member_text(tunnel, "id"), ID_COLUMNS, false);
    if (columns >= VERY_WIDE)
        paint_cell(painter, COLOUR_PLAIN, member_text(tunnel, "session"), ID_COLUMNS, false);
    draw_figure(painter, row->up_rate);
    draw_figure(painter, row->down_rate);
    if (columns >= WIDE) {
        draw_figure(painter, (double)row->up);
        draw_figure(painter, (double)row->down);
    }
    paint_cell(painter, COLOUR_PLAIN, figure_age(member_number(tunnel, "age_ms") / 1000, text),
               FIGURE_COLUMNS - 1, true);
    (void)snprintf(place, sizeof place, "%s -> %s:%lld", member_text(tunnel, "client"),
                   member_text(tunnel, "host"), member_number(tunnel, "port"));
    paint(painter, COLOUR_PLAIN, place);
    (void)snprintf(place, sizeof place, "  (%s -> %s)", member_text(tunnel, "source"),
                   member_text(tunnel, "upstream"));
    if (columns >= WIDE)
        paint(painter, COLOUR_DIM, place);
}

void top_view_draw(const struct top_view *view, const struct canvas *canvas, struct text *out)
{
    struct painter painter = {
        .text = out, .columns = canvas->columns, .has_colour = canvas->has_colour};
    char line[256];
    if (view->answer == NULL || canvas->rows == 0)
        return;
    const long long open_count = member_number(view->answer, "open");
    (void)snprintf(line, sizeof line, "%lld tunnel%s%s%s", open_count, open_count == 1 ? "" : "s",
                   view->client == NULL ? "" : " of ", view->client == NULL ? "" : view->client);
    paint(&painter, COLOUR_BOLD, line);
    if ((size_t)open_count > view->count)
        paint(&painter, COLOUR_DIM, ", the 1000 that have moved the most are watched");
    paint(&painter, COLOUR_DIM, "; q ends");
    if (canvas->rows == 1)
        return;
    paint_end(&painter, canvas->line_end);
    draw_head(&painter);
    for (size_t i = 0; i < view->count && i + 2 < canvas->rows; i++) {
        paint_end(&painter, canvas->line_end);
        draw_row(&painter, &view->busiest[i]);
    }
}
