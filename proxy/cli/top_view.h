// top_view: the answers of `top` as a screen that is drawn again and again: what moves the most now stands first.
//
// Rates are the difference of two answers. Knows no terminal and no socket.
#pragma once

#include <jansson.h>

#include "proxy/cli/paint.h"

struct top_view;

// top_view_create makes one that says what is watched: `client` (borrowed; NULL: everybody). NULL without memory.
struct top_view *top_view_create(const char *client) MUST_USE;

void top_view_destroy(struct top_view *view);

// top_view_take takes the next answer over; `now_ms` is monotonic. Without memory it keeps the last one.
void top_view_take(struct top_view *view, json_t *root, int64_t now_ms);

// canvas is what a view is drawn on.
struct canvas {
    size_t columns;
    size_t rows;
    bool has_colour;
    const char *line_end; // between two lines
};

// top_view_draw writes at most as many lines as there are rows; nothing before the first answer.
void top_view_draw(const struct top_view *view, const struct canvas *canvas, struct text *out);
