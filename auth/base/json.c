// Commas, names and values.
#include "auth/base/json.h"

#include "auth/base/date.h"

enum { DIGITS_CAP = 20 }; // of UINT64_MAX

// begin_value writes what stands before a value: a comma where one is due, and the member's name.
static void begin_value(struct text *out, const char *name)
{
    const char last = out->len == 0 ? '\n' : out->data[out->len - 1];
    if (last != '{' && last != '[' && last != ':' && last != '\n')
        text_append(out, SLICE_LITERAL(","));
    if (name == NULL)
        return;
    text_append(out, SLICE_LITERAL("\""));
    text_append_string(out, name);
    text_append(out, SLICE_LITERAL("\":"));
}

void json_begin_object(struct text *out, const char *name)
{
    json_add_raw(out, name, SLICE_LITERAL("{"));
}

void json_end_object(struct text *out)
{
    text_append(out, SLICE_LITERAL("}"));
}

void json_begin_array(struct text *out, const char *name)
{
    json_add_raw(out, name, SLICE_LITERAL("["));
}

void json_end_array(struct text *out)
{
    text_append(out, SLICE_LITERAL("]"));
}

void json_add_string(struct text *out, const char *name, const char *value)
{
    if (value == NULL)
        json_add_null(out, name);
    else
        json_add_bytes(out, name, slice_of_string(value), SIZE_MAX);
}

void json_add_bytes(struct text *out, const char *name, struct slice value, size_t max_len)
{
    begin_value(out, name);
    text_append_json(out, value, max_len);
}

void json_add_hex(struct text *out, const char *name, struct slice bytes)
{
    json_add_raw(out, name, SLICE_LITERAL("\""));
    text_append_hex(out, bytes);
    text_append(out, SLICE_LITERAL("\""));
}

static void add_digits(struct text *out, const char *name, bool is_negative, uint64_t value)
{
    char digits[1 + DIGITS_CAP];
    size_t start = sizeof digits;
    do {
        digits[--start] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    if (is_negative)
        digits[--start] = '-';
    json_add_raw(out, name, slice_of(digits + start, sizeof digits - start));
}

void json_add_number(struct text *out, const char *name, int64_t value)
{
    const uint64_t bits = (uint64_t)value;
    add_digits(out, name, value < 0, value < 0 ? 0 - bits : bits);
}

void json_add_count(struct text *out, const char *name, uint64_t value)
{
    add_digits(out, name, false, value);
}

void json_add_bool(struct text *out, const char *name, bool value)
{
    json_add_raw(out, name, value ? SLICE_LITERAL("true") : SLICE_LITERAL("false"));
}

void json_add_null(struct text *out, const char *name)
{
    json_add_raw(out, name, SLICE_LITERAL("null"));
}

void json_add_time(struct text *out, const char *name, int64_t unix_s)
{
    char date[DATE_TEXT_CAP];
    const char *value = date_format(unix_s, DATE_SECOND, date);
    json_add_string(out, name, value[0] == '\0' ? NULL : value);
}

void json_add_raw(struct text *out, const char *name, struct slice json)
{
    begin_value(out, name);
    text_append(out, json);
}
