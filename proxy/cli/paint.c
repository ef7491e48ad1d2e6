// A piece is made printable, measured, and cut between characters.
#include "proxy/cli/paint.h"

#include "auth/base/utf8.h"

enum {
    PIECE_MAX = 1024,     // bytes of a piece that are looked at
    PRINTABLE_FACTOR = 4, // bytes for one
    RUN_MAX = 256,        // bytes that a text with a sink takes at once
};

static const char *start_of(enum colour colour)
{
    static const char *const starts[] = {
        [COLOUR_PLAIN] = "",       [COLOUR_BOLD] = "\x1b[1m",   [COLOUR_DIM] = "\x1b[2m",
        [COLOUR_RED] = "\x1b[31m", [COLOUR_GREEN] = "\x1b[32m", [COLOUR_YELLOW] = "\x1b[33m",
    };
    return starts[colour];
}

// width_of gives the columns of one character of valid UTF-8: U+1100 is E1 84 80.
static size_t width_of(struct slice character)
{
    const uint8_t lead = character.data[0];
    return lead > 0xE1 || (lead == 0xE1 && character.data[1] >= 0x84) ? 2 : 1;
}

struct slice paint_fitting(struct slice text, size_t columns, size_t *out_used)
{
    size_t len = 0;
    *out_used = 0;
    while (len < text.len) {
        const struct slice rest = slice_from(text, len);
        const size_t character_len = utf8_length(rest);
        const size_t width = width_of(slice_first(rest, character_len));
        if (*out_used + width > columns)
            break;
        *out_used += width;
        len += character_len;
    }
    return slice_first(text, len);
}

static void fill(struct painter *painter, size_t count)
{
    painter->used += count;
    for (size_t i = 0; i < count; i++)
        text_append_string(painter->text, " ");
}

// append_fitting adds what has room in `columns`, and gives how many are used.
static size_t append_fitting(struct painter *painter, enum colour colour, const char *piece,
                             size_t columns, size_t width, bool is_right)
{
    char data[PIECE_MAX * PRINTABLE_FACTOR + 1];
    struct text printable;
    size_t used = 0;
    const struct slice bytes = slice_of_string(piece);
    text_init(&printable, data, sizeof data);
    text_append_printable(&printable,
                          slice_first(bytes, bytes.len < PIECE_MAX ? bytes.len : PIECE_MAX));
    const struct slice whole = text_slice(&printable);
    struct slice kept = paint_fitting(whole, columns, &used);
    const bool is_cut = kept.len < whole.len && columns > 0;
    if (is_cut)
        kept = paint_fitting(whole, columns - 1, &used);
    const size_t total = used + is_cut;
    if (is_right && total < width)
        fill(painter, width - total);
    const bool is_coloured = painter->has_colour && colour != COLOUR_PLAIN && total > 0;
    if (is_coloured)
        text_append_string(painter->text, start_of(colour));
    for (; kept.len > RUN_MAX; kept = slice_from(kept, RUN_MAX))
        text_append(painter->text, slice_first(kept, RUN_MAX));
    text_append(painter->text, kept);
    if (is_cut)
        text_append_string(painter->text, "~");
    if (is_coloured)
        text_append_string(painter->text, "\x1b[0m");
    painter->used += total;
    return total;
}

// room_of gives the columns that are left of the line.
static size_t room_of(const struct painter *painter)
{
    if (painter->columns == 0)
        return SIZE_MAX;
    return painter->columns > painter->used ? painter->columns - painter->used : 0;
}

void paint(struct painter *painter, enum colour colour, const char *piece)
{
    (void)append_fitting(painter, colour, piece, room_of(painter), 0, false);
}

void paint_cell(struct painter *painter, enum colour colour, const char *piece, size_t width,
                bool is_right)
{
    const size_t room = room_of(painter);
    const size_t cell = width < room ? width : room;
    const size_t used = append_fitting(painter, colour, piece, cell, cell, is_right);
    if (!is_right && used < cell)
        fill(painter, cell - used);
    if (cell < room)
        fill(painter, 1);
}

void paint_end(struct painter *painter, const char *end)
{
    text_append_string(painter->text, end);
    painter->used = 0;
}
