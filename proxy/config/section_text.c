// Line by line, by how each begins.
#include "proxy/config/section_text.h"

#include <string.h>

// line_len gives the length of the first line, with its end.
static size_t line_len(struct slice text)
{
    const size_t end = slice_find(text, '\n');
    return end < text.len ? end + 1 : end;
}

// is_begin tells whether a line begins the section `name`.
static bool is_begin(struct slice line, const char *name)
{
    const struct slice word = slice_of_string(name);
    const struct slice rest = slice_from(line, word.len < line.len ? word.len : line.len);
    return slice_starts_with(line, word) && rest.len > 0 && rest.data[0] == ':' &&
           (rest.len == 1 || strchr(" \t\r\n", rest.data[1]) != NULL);
}

// goes_on tells whether a line belongs to a section that was begun before it.
static bool goes_on(struct slice line)
{
    return line.len == 0 || (line.data[0] != '\0' && strchr(" \t\r\n#}]", line.data[0]) != NULL);
}

struct slice section_text_find(struct slice text, const char *name)
{
    struct slice found = {0};
    bool is_inside = false;
    while (text.len > 0) {
        const struct slice line = slice_first(text, line_len(text));
        text = slice_from(text, line.len);
        if (is_begin(line, name)) {
            if (found.len > 0)
                return (struct slice){0};
            found = line;
            is_inside = true;
        } else if (is_inside && goes_on(line)) {
            found = slice_of(found.data, found.len + line.len);
        } else {
            is_inside = false;
        }
    }
    return found;
}

struct slice section_text_shorten(struct slice section)
{
    size_t len = section.len > 0 ? section.len - 1 : 0;
    while (len > 0 && section.data[len - 1] != '\n')
        len--;
    return slice_first(section, len);
}
