// Each turn takes what fits, and goes back to the last place where the line may end.
#include "proxy/cli/wrap.h"

#include "proxy/cli/paint.h"

enum { RUN_MAX = 256 }; // bytes that a text with a sink takes at once

// is_value_after tells whether what follows the blank is the number of the name before it: `name 12, `.
static bool is_value_after(struct slice line, size_t at)
{
    size_t end = at + 1;
    while (end < line.len && line.data[end] >= '0' && line.data[end] <= '9')
        end++;
    return end > at + 1 && line.data[at - 1] != ',' && (end == line.len || line.data[end] == ',');
}

static bool is_blank_end(struct slice line, size_t at)
{
    return line.data[at] == ' ' && line.data[at - 1] != ' ' && line.data[at - 1] != '!' &&
           !is_value_after(line, at);
}

// end_of gives how many bytes of what fits (`fit_len` of `line`, which is longer) are taken. Blanks at the beginning are no
// place to end.
static size_t end_of(struct slice line, size_t fit_len)
{
    size_t first = 0;
    while (first < fit_len && line.data[first] == ' ')
        first++;
    for (size_t at = fit_len; at > first + 1; at--) {
        if (is_blank_end(line, at))
            return at;
    }
    for (size_t at = fit_len; at > first + 1; at--) {
        if (line.data[at - 1] == ',' || line.data[at - 1] == '/')
            return at;
    }
    return fit_len;
}

static void append(struct text *out, struct slice bytes)
{
    for (; bytes.len > RUN_MAX; bytes = slice_from(bytes, RUN_MAX))
        text_append(out, slice_first(bytes, RUN_MAX));
    text_append(out, bytes);
}

void wrap_line(struct slice line, size_t columns, size_t indent, struct text *out)
{
    size_t room = columns;
    for (;;) {
        size_t used = 0;
        const size_t fit_len = paint_fitting(line, room, &used).len;
        if (fit_len == line.len)
            break;
        const size_t len = end_of(line, fit_len);
        append(out, slice_first(line, len));
        text_append_format(out, "\n%*s", (int)indent, "");
        line = slice_from(line, len);
        while (line.len > 0 && line.data[0] == ' ')
            line = slice_from(line, 1);
        room = columns - indent;
    }
    append(out, line);
    text_append_string(out, "\n");
}
