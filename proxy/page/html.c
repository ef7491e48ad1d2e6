// Character by character, so that nothing is looked at in two ways.
#include "proxy/page/html.h"

#include <inttypes.h>

#include "auth/base/utf8.h"

// entity_of gives what stands for a byte; NULL: itself.
static const char *entity_of(uint8_t byte)
{
    switch (byte) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

void html_append(struct text *out, const char *text)
{
    struct slice rest = slice_of_string(text == NULL ? "" : text);
    size_t taken = 0;
    while (rest.len > 0) {
        const size_t len = utf8_length(rest);
        const struct slice character = slice_first(rest, len == 0 ? 1 : len);
        const char *entity = character.len == 1 ? entity_of(character.data[0]) : NULL;
        taken += character.len;
        if (taken > HTML_TEXT_MAX) {
            text_append_string(out, "\xE2\x80\xA6"); // an ellipsis
            return;
        }
        if (len == 0 || utf8_is_unseen(character))
            text_append_string(out, "\xEF\xBF\xBD");
        else if (entity != NULL)
            text_append_string(out, entity);
        else
            text_append(out, character);
        rest = slice_from(rest, character.len);
    }
}

void html_append_count(struct text *out, uint64_t count)
{
    if (count >= 1000) {
        html_append_count(out, count / 1000);
        text_append_format(out, ",%03u", (unsigned)(count % 1000));
    } else {
        text_append_format(out, "%u", (unsigned)count);
    }
}

void html_append_bytes(struct text *out, uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    size_t unit = 0;
    uint64_t tenths = 0;
    while (bytes >= 1024) {
        tenths = bytes % 1024 * 10 / 1024;
        bytes /= 1024;
        unit++;
    }
    if (unit == 0 || bytes >= 100)
        text_append_format(out, "%" PRIu64 " %s", bytes, units[unit]);
    else
        text_append_format(out, "%" PRIu64 ".%u %s", bytes, (unsigned)tenths, units[unit]);
}

void html_append_span(struct text *out, int64_t seconds)
{
    const int64_t all = seconds < 0 ? -seconds : seconds;
    text_append_string(out, seconds < 0 ? "-" : "");
    if (all >= 2 * 86400)
        text_append_format(out, "%" PRId64 " d %" PRId64 " h", all / 86400, all % 86400 / 3600);
    else if (all >= 3600)
        text_append_format(out, "%" PRId64 " h %" PRId64 " min", all / 3600, all % 3600 / 60);
    else if (all >= 60)
        text_append_format(out, "%" PRId64 " min %" PRId64 " s", all / 60, all % 60);
    else
        text_append_format(out, "%" PRId64 " s", all);
}
