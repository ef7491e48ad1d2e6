// paint: lines that fit a terminal: text cut to its width, in columns, with colours where it has them. Pure.
//
// What is painted is made printable first (text_append_printable), so that nothing in a record speaks to the terminal.
// Characters from U+1100 on count as two columns, as wide as the widest of them is: a line may end early, never late.
#pragma once

#include "auth/base/text.h"

enum colour { COLOUR_PLAIN, COLOUR_BOLD, COLOUR_DIM, COLOUR_RED, COLOUR_GREEN, COLOUR_YELLOW };

struct painter {
    struct text *text; // borrowed
    size_t columns;    // of a line; 0: any length
    size_t used;       // of this line
    bool has_colour;
};

// paint_fitting gives the beginning of `text`, which is printable, that has at most `columns` columns, and how many these
// are.
struct slice paint_fitting(struct slice text, size_t columns, size_t *out_used);

// paint adds a piece to the line. What does not fit is left out, and the last column is then `~`.
void paint(struct painter *painter, enum colour colour, const char *piece);

// paint_cell adds a piece in exactly `width` columns, to the right with `is_right`, and a blank.
void paint_cell(struct painter *painter, enum colour colour, const char *piece, size_t width,
                bool is_right);

// paint_end ends the line with `end`, such as "\n", and begins the next one.
void paint_end(struct painter *painter, const char *end);
