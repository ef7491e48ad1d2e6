// 1. A comma outside of quotes ends a member; 2. a semicolon outside of quotes ends its name, or a parameter; 3. of the last
// member the parameter `details` is kept, if it is a string (RFC 8941 3.1.2, 3.3.3).
#include "proxy/http/proxy_status.h"

static struct slice trimmed(struct slice text)
{
    while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t'))
        text = slice_from(text, 1);
    while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t'))
        text = slice_first(text, text.len - 1);
    return text;
}

// part_len tells how long the part before the first `separator` outside of quotes is; without one all of it. False: a quote is
// not closed.
static bool part_len(struct slice text, uint8_t separator, size_t *out)
{
    bool is_quoted = false;
    bool is_escaped = false;
    for (*out = 0; *out < text.len; (*out)++) {
        const uint8_t byte = text.data[*out];
        if (byte == separator && !is_quoted)
            return true;
        if (byte == '"' && !is_escaped)
            is_quoted = !is_quoted;
        is_escaped = byte == '\\' && is_quoted && !is_escaped;
    }
    return !is_quoted;
}

// take_part cuts the next part, without the blanks around it, off the text. False: it is malformed.
static bool take_part(struct slice *text, uint8_t separator, struct slice *out)
{
    size_t len = 0;
    if (!part_len(*text, separator, &len))
        return false;
    *out = trimmed(slice_first(*text, len));
    *text = slice_from(*text, len < text->len ? len + 1 : len);
    return true;
}

// take_details keeps the value of a parameter `details="..."`.
static void take_details(struct slice parameter, struct slice *out)
{
    const struct slice key = SLICE_LITERAL("details=\"");
    if (!slice_starts_with(parameter, key) || parameter.len < key.len + 1 ||
        parameter.data[parameter.len - 1] != '"')
        return;
    *out = slice_first(slice_from(parameter, key.len), parameter.len - key.len - 1);
}

struct proxy_status_member proxy_status_last(struct slice value)
{
    const struct proxy_status_member none = {0};
    struct proxy_status_member member = none;
    struct slice last = {0};
    struct slice parameter;
    while (value.len > 0) {
        if (!take_part(&value, ',', &last))
            return none;
    }
    if (!take_part(&last, ';', &member.name))
        return none;
    while (last.len > 0) {
        if (!take_part(&last, ';', &parameter))
            return none;
        take_details(parameter, &member.details);
    }
    return member;
}
