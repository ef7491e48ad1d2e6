// Bounded text: plain, formatted, hexadecimal and JSON pieces.
#include "auth/base/text.h"

#include <stdarg.h>
#include <stdio.h>

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

// Unicode 15, table 3-7.
size_t utf8_length(struct slice s)
{
    const uint8_t lead = s.data[0];
    if (lead < 0x80)
        return 1;
    size_t len = 0;
    uint8_t low = 0x80;
    uint8_t high = 0xBF;
    if (lead >= 0xC2 && lead <= 0xDF) {
        len = 2;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
        len = 3;
        low = lead == 0xE0 ? 0xA0 : 0x80;
        high = lead == 0xED ? 0x9F : 0xBF;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
        len = 4;
        low = lead == 0xF0 ? 0x90 : 0x80;
        high = lead == 0xF4 ? 0x8F : 0xBF;
    }
    if (len == 0 || s.len < len || s.data[1] < low || s.data[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++) {
        if (s.data[i] < 0x80 || s.data[i] > 0xBF)
            return 0;
    }
    return len;
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

// append_json_character adds one character, escaped where JSON or a terminal would mind it.
static void append_json_character(struct text *text, struct slice character)
{
    const uint8_t first = character.data[0];
    if (first == '"' || first == '\\') {
        text_append_format(text, "\\%c", first);
    } else if (first < 0x20 || first == 0x7F) {
        text_append_format(text, "\\u%04x", first);
    } else if (character.len == 2 && first == 0xC2 && character.data[1] < 0xA0) {
        text_append_format(text, "\\u%04x", character.data[1]); // C1 controls
    } else if (slice_equal(character, SLICE_LITERAL("\xE2\x80\xA8"))) {
        text_append_string(text, "\\u2028");
    } else if (slice_equal(character, SLICE_LITERAL("\xE2\x80\xA9"))) {
        text_append_string(text, "\\u2029");
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

// is_invisible tells whether a character, in UTF-8, is one that text_append_printable escapes.
static bool is_invisible(struct slice character)
{
    const uint8_t *at = character.data;
    if (character.len == 1)
        return at[0] < 0x20 || at[0] == 0x7F;
    if (character.len == 2)
        return (at[0] == 0xC2 && at[1] < 0xA0) || (at[0] == 0xD8 && at[1] == 0x9C); // C1, U+061C
    if (character.len != 3 || at[0] != 0xE2)
        return false;
    return (at[1] == 0x80 &&
            ((at[2] >= 0xA8 && at[2] <= 0xAE) || at[2] == 0x8E || at[2] == 0x8F)) ||
           (at[1] == 0x81 && at[2] >= 0xA6 && at[2] <= 0xA9);
}

void text_append_printable(struct text *text, struct slice bytes)
{
    while (bytes.len > 0) {
        const size_t len = utf8_length(bytes);
        const struct slice character = slice_first(bytes, len == 0 ? 1 : len);
        if (len > 0 && !is_invisible(character)) {
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
