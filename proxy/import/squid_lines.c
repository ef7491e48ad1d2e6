// A line ends at its line feed. What stands after a carriage return inside a line does not count for Squid: it is refused. A
// backslash at the very end of a line joins the next one; comments and empty lines between the two do not end that.
#include "proxy/import/squid_lines.h"

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static struct slice trim_front(struct slice s)
{
    while (s.len > 0 && is_blank(s.data[0]))
        s = slice_from(s, 1);
    return s;
}

static struct slice trim_back(struct slice s)
{
    while (s.len > 0 && is_blank(s.data[s.len - 1]))
        s.len--;
    return s;
}

void squid_text_start(struct squid_text *text, struct slice bytes)
{
    *text = (struct squid_text){.rest = bytes};
}

// is_text tells whether a line has only bytes that everybody reads alike.
static bool is_text(struct slice line)
{
    for (size_t i = 0; i < line.len; i++) {
        const uint8_t byte = line.data[i];
        if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
            return false;
    }
    return true;
}

// physical_next reads a line as it is in the file, without its end.
static enum err physical_next(struct squid_text *text, struct slice *out, struct errinfo *info)
{
    if (text->rest.len == 0)
        return ERR_EOF;
    const size_t end = slice_find(text->rest, '\n');
    *out = slice_first(text->rest, end);
    text->rest = slice_from(text->rest, end + 1);
    text->line++;
    if (out->len > SQUID_LINE_MAX)
        return errinfo_set(info, ERR_LIMIT,
                           "a line of more than %d bytes: Squid reads it as two; shorten it",
                           SQUID_LINE_MAX);
    if (out->len > 0 && out->data[out->len - 1] == '\r')
        out->len--;
    if (!is_text(*out))
        return errinfo_set(info, ERR_INPUT,
                           "a control character: this is no text that Squid reads whole");
    return ERR_OK;
}

enum err squid_line_next(struct squid_text *text, uint8_t *buffer, struct slice *out,
                         uint32_t *line, struct errinfo *info)
{
    size_t len = 0;
    bool is_joined = false;
    for (;;) {
        struct slice part;
        const enum err err = physical_next(text, &part, info);
        if (err == ERR_EOF && is_joined)
            return errinfo_set(info, ERR_INPUT,
                               "the file ends after a backslash that joins a next line");
        TRY(err);
        part = trim_front(part);
        if (part.len == 0 || part.data[0] == '#')
            continue;
        if (!is_joined)
            *line = text->line;
        if (!bytes_copy(buffer + len, SQUID_JOINED_MAX - len, part))
            return errinfo_set(info, ERR_LIMIT, "more than %d bytes in lines that are joined",
                               SQUID_JOINED_MAX);
        len += part.len;
        if (buffer[len - 1] == '\\') {
            len--;
            is_joined = true;
            continue;
        }
        *out = trim_back(slice_of(buffer, len));
        if (slice_contains(*out, SLICE_LITERAL("${")))
            return errinfo_set(info, ERR_INPUT, "a macro (${...}): write what it stands for");
        return ERR_OK;
    }
}

enum err squid_entry_next(struct squid_text *text, struct slice *out, uint32_t *line,
                          struct errinfo *info)
{
    for (;;) {
        TRY(physical_next(text, out, info));
        *line = text->line;
        *out = trim_front(*out);
        for (size_t i = 0; i < out->len; i++) {
            if (out->data[i] == '#' && (i == 0 || is_blank(out->data[i - 1])))
                *out = slice_first(*out, i);
        }
        *out = trim_back(*out);
        if (out->len > 0)
            return ERR_OK;
    }
}

bool squid_word_next(struct slice *rest, struct slice *out)
{
    *rest = trim_front(*rest);
    if (rest->len == 0 || rest->data[0] == '#')
        return false;
    size_t len = 0;
    while (len < rest->len && !is_blank(rest->data[len]))
        len++;
    *out = slice_first(*rest, len);
    *rest = slice_from(*rest, len);
    return true;
}

bool squid_word_is(struct slice word, const char *text)
{
    return slice_equal_ignore_case(word, slice_of_string(text));
}
