// Tables of bytes would be shorter; comparisons can be held against the RFC.
#include "proxy/http/field.h"

// is_token_byte: RFC 9110 5.6.2.
static bool is_token_byte(uint8_t byte)
{
    if ((byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
        (byte >= 'a' && byte <= 'z'))
        return true;
    return byte != 0 && strchr("!#$%&'*+-.^_`|~", byte) != NULL;
}

bool is_token(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!is_token_byte(s.data[i]))
            return false;
    }
    return s.len > 0;
}

bool is_field_value(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if ((s.data[i] < 0x20 && s.data[i] != '\t') || s.data[i] == 0x7F)
            return false;
    }
    return true;
}

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

// trim drops blanks and tabs at both ends.
static struct slice trim(struct slice s)
{
    while (s.len > 0 && is_blank(s.data[0]))
        s = slice_from(s, 1);
    while (s.len > 0 && is_blank(s.data[s.len - 1]))
        s = slice_first(s, s.len - 1);
    return s;
}

enum line_result line_next(struct slice *rest, size_t max_len, struct slice *out)
{
    const size_t lf = slice_find(*rest, '\n');
    const struct slice line = slice_first(*rest, lf);
    const struct slice start = slice_first(line, max_len);
    const size_t cr = slice_find(start, '\r');
    if (cr < start.len && cr + 1 < line.len)
        return LINE_BAD;
    if (line.len > max_len)
        return LINE_TOO_LONG;
    if (lf == rest->len)
        return LINE_MORE;
    if (cr == line.len)
        return LINE_BAD;
    *out = slice_first(line, cr);
    *rest = slice_from(*rest, lf + 1);
    return LINE_OK;
}

bool field_parse(struct slice line, struct field *out)
{
    const size_t colon = slice_find(line, ':');
    out->name = slice_first(line, colon);
    out->value = trim(slice_from(line, colon + 1));
    // A folded line starts with a blank, which no token does.
    return colon < line.len && is_token(out->name) && is_field_value(out->value);
}

bool field_next(struct slice *lines, struct field *out)
{
    struct slice line = {0};
    return lines->len > 0 && line_next(lines, lines->len, &line) == LINE_OK &&
           field_parse(line, out);
}

void field_append(const struct field *field, struct text *out)
{
    text_append(out, field->name);
    text_append(out, SLICE_LITERAL(": "));
    text_append(out, field->value);
    text_append(out, SLICE_LITERAL("\r\n"));
}

bool list_next(struct slice *list, struct slice *out)
{
    while (list->len > 0) {
        const size_t comma = slice_find(*list, ',');
        *out = trim(slice_first(*list, comma));
        *list = slice_from(*list, comma + 1);
        if (out->len > 0)
            return true;
    }
    return false;
}

bool list_has(struct slice list, struct slice token)
{
    struct slice item;
    while (list_next(&list, &item)) {
        if (slice_equal_ignore_case(item, token))
            return true;
    }
    return false;
}
