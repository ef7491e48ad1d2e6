// Bounded text: plain, formatted, hexadecimal and JSON pieces.
#include "auth/base/text.h"

#include <stdarg.h>
#include <stdio.h>

#include "auth/base/utf8.h"

enum { PLAIN_RUN_MAX = 128 }; // a text with a sink takes pieces of bounded length

void text_init(struct text *text, char *data, size_t cap)
{
    ASSERT(cap >= 1);
    *text = (struct text){.data = data, .cap = cap};
    data[0] = '\0';
}

void text_init_sink(struct text *text, char *data, size_t cap, text_sink_fn sink, void *arg)
{
    text_init(text, data, cap);
    text->sink = sink;
    text->sink_arg = arg;
}

void text_flush(struct text *text)
{
    text->sink(text->sink_arg, text_slice(text));
    text->len = 0;
    text->data[0] = '\0';
}

// hand_on makes room for a piece that did not fit; false: there is no sink, or nothing to hand on. The last byte
// stays: the JSON writer reads off it whether a comma is due.
static bool hand_on(struct text *text)
{
    if (text->sink == NULL || text->len <= 1)
        return false;
    const char last = text->data[--text->len];
    text_flush(text);
    text->data[text->len++] = last;
    text->data[text->len] = '\0';
    return true;
}

void text_append(struct text *text, struct slice bytes)
{
    if (bytes.len > text->cap - text->len - 1 && hand_on(text)) {
        text_append(text, bytes);
    } else if (!bytes_copy(text->data + text->len, text->cap - text->len - 1, bytes)) {
        text->is_cut = true;
    } else {
        text->len += bytes.len;
        text->data[text->len] = '\0';
    }
}

void text_append_string(struct text *text, const char *string)
{
    text_append(text, slice_of_string(string));
}

// append_args tells whether the piece did fit.
static bool append_args(struct text *text, const char *format, va_list args)
{
    const size_t room = text->cap - text->len;
    const int written = vsnprintf(text->data + text->len, room, format, args);
    if (written < 0 || (size_t)written >= room) {
        text->data[text->len] = '\0';
        return false;
    }
    text->len += (size_t)written;
    return true;
}

void text_append_format(struct text *text, const char *format, ...)
{
    bool is_whole = false;
    do {
        va_list args;
        va_start(args, format);
        is_whole = append_args(text, format, args);
        va_end(args);
    } while (!is_whole && hand_on(text));
    if (!is_whole)
        text->is_cut = true;
}

void text_append_hex(struct text *text, struct slice bytes)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes.len; i++) {
        const char pair[2] = {digits[bytes.data[i] >> 4], digits[bytes.data[i] & 15]};
        text_append(text, slice_of(pair, sizeof pair));
    }
}

// plain_length gives how many bytes at the front of `s` JSON takes as they are: printable ASCII, a bounded run of it.
static size_t plain_length(struct slice s)
{
    size_t len = 0;
    while (len < s.len && len < PLAIN_RUN_MAX && s.data[len] >= 0x20 && s.data[len] < 0x7F &&
           s.data[len] != '"' && s.data[len] != '\\')
        len++;
    return len;
}

// append_utf16 adds a code point as JSON's escapes (RFC 8259, 7): one unit of UTF-16, or two.
static void append_utf16(struct text *text, uint32_t code)
{
    if (code < 0x10000)
        text_append_format(text, "\\u%04x", code);
    else
        text_append_format(text, "\\u%04x\\u%04x", 0xD800 + ((code - 0x10000) >> 10),
                           0xDC00 + (code & 0x3FF));
}

// append_json_character adds one character, escaped where JSON or a terminal would mind it.
static void append_json_character(struct text *text, struct slice character)
{
    const uint8_t first = character.data[0];
    if (first == '"' || first == '\\') {
        text_append_format(text, "\\%c", first);
    } else if (utf8_is_unseen(character)) {
        append_utf16(text, utf8_code_point(character));
    } else {
        text_append(text, character);
    }
}

void text_append_json(struct text *text, struct slice bytes, size_t max_len)
{
    text_append_string(text, "\"");
    size_t taken = 0;
    while (taken < bytes.len) {
        const struct slice rest = slice_from(bytes, taken);
        const size_t plain_len = plain_length(slice_first(rest, max_len - taken));
        if (plain_len > 0) {
            text_append(text, slice_first(rest, plain_len));
            taken += plain_len;
            continue;
        }
        const size_t len = utf8_length(rest);
        const size_t step = len == 0 ? 1 : len;
        if (taken + step > max_len)
            break;
        if (len == 0)
            text_append_string(text, "\\ufffd");
        else
            append_json_character(text, slice_first(rest, len));
        taken += step;
    }
    text_append_string(text, "\"");
}

void text_append_printable(struct text *text, struct slice bytes)
{
    while (bytes.len > 0) {
        const size_t len = utf8_length(bytes);
        const struct slice character = slice_first(bytes, len == 0 ? 1 : len);
        if (len > 0 && !utf8_is_unseen(character)) {
            text_append(text, character);
        } else {
            for (size_t i = 0; i < character.len; i++)
                text_append_format(text, "\\x%02x", character.data[i]);
        }
        bytes = slice_from(bytes, character.len);
    }
}

struct slice text_slice(const struct text *text)
{
    return slice_of(text->data, text->len);
}
