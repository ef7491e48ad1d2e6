// The two formats differ in the head of a family (OpenMetrics names it without `_total` and `_info`, and has its unit),
// in the word for an info, and in the last line.
// https://prometheus.io/docs/instrumenting/exposition_formats/, OpenMetrics 1.0.0 (draft-richih-opsawg-openmetrics).
#include "proxy/metrics/exposition.h"

#include <inttypes.h>

#include "auth/base/utf8.h"

static bool is_openmetrics(const struct exposition *exposition)
{
    return exposition->format == EXPOSITION_OPENMETRICS;
}

const char *exposition_content_type(enum exposition_format format)
{
    return format == EXPOSITION_OPENMETRICS
               ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
               : "text/plain; version=0.0.4; charset=utf-8";
}

// trim takes blanks off both ends.
static struct slice trim(struct slice s)
{
    while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t'))
        s = slice_from(s, 1);
    while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
        s.len--;
    return s;
}

// take_part takes what stands before `mark` off the front of `*rest`, trimmed.
static struct slice take_part(struct slice *rest, uint8_t mark)
{
    const struct slice part = slice_first(*rest, slice_find(*rest, mark));
    *rest = slice_from(*rest, part.len + 1);
    return trim(part);
}

// is_refused tells whether one of the parameters is `q=0`, in any number of decimals (RFC 9110 12.4.2).
static bool is_refused(struct slice parameters)
{
    while (parameters.len > 0) {
        struct slice value = take_part(&parameters, ';');
        if (!slice_equal_ignore_case(slice_first(value, 2), SLICE_LITERAL("q=")))
            continue;
        value = slice_from(value, 2);
        while (value.len > 0 && (value.data[0] == '0' || value.data[0] == '.'))
            value = slice_from(value, 1);
        return value.len == 0;
    }
    return false;
}

enum exposition_format exposition_choose(struct slice accept)
{
    while (accept.len > 0) {
        struct slice range = take_part(&accept, ',');
        const struct slice type = take_part(&range, ';');
        if (slice_equal_ignore_case(type, SLICE_LITERAL("application/openmetrics-text")))
            return is_refused(range) ? EXPOSITION_PROMETHEUS : EXPOSITION_OPENMETRICS;
    }
    return EXPOSITION_PROMETHEUS;
}

void exposition_begin(struct exposition *exposition, enum exposition_format format,
                      struct text *out)
{
    *exposition = (struct exposition){.out = out, .format = format};
}

void exposition_end(struct exposition *exposition)
{
    if (is_openmetrics(exposition))
        text_append_string(exposition->out, "# EOF\n");
}

// suffix_of gives what the name of a sample has at its end.
static const char *suffix_of(enum family_kind kind)
{
    return kind == FAMILY_COUNTER ? "_total" : kind == FAMILY_INFO ? "_info" : "";
}

static const char *word_of(const struct exposition *exposition, enum family_kind kind)
{
    switch (kind) {
    case FAMILY_COUNTER:
        return "counter";
    case FAMILY_GAUGE:
        return "gauge";
    case FAMILY_INFO:
        return is_openmetrics(exposition) ? "info" : "gauge";
    case FAMILY_HISTOGRAM:
        return "histogram";
    }
    return "untyped";
}

void exposition_add_family(struct exposition *exposition, const struct family *family)
{
    const char *suffix = is_openmetrics(exposition) ? "" : suffix_of(family->kind);
    struct text *out = exposition->out;
    exposition->family = family;
    text_append_format(out, "# HELP %s%s %s\n", family->name, suffix, family->help);
    text_append_format(out, "# TYPE %s%s %s\n", family->name, suffix,
                       word_of(exposition, family->kind));
    if (is_openmetrics(exposition) && family->unit != NULL)
        text_append_format(out, "# UNIT %s %s\n", family->name, family->unit);
}

// plain_length gives how many bytes at the front need no escape and are ASCII.
static size_t plain_length(struct slice s)
{
    size_t len = 0;
    while (len < s.len && s.data[len] >= 0x20 && s.data[len] < 0x80 && s.data[len] != '"' &&
           s.data[len] != '\\')
        len++;
    return len;
}

// append_character adds one character, escaped or replaced where it has to be.
static void append_character(struct text *out, struct slice character, bool is_valid)
{
    const uint8_t first = character.data[0];
    if (!is_valid)
        text_append_string(out, "\xEF\xBF\xBD"); // U+FFFD
    else if (first == '\n')
        text_append_string(out, "\\n");
    else if (first == '\\' || first == '"')
        text_append_format(out, "\\%c", first);
    else
        text_append(out, character);
}

// append_value adds the value of a label: backslash, quote and line break escaped, other bytes as they are.
static void append_value(struct text *out, const char *value)
{
    struct slice rest = slice_of_string(value == NULL ? "" : value);
    size_t room = LABEL_VALUE_MAX;
    while (rest.len > 0 && room > 0) {
        size_t len = plain_length(slice_first(rest, room));
        if (len > 0) {
            text_append(out, slice_first(rest, len));
        } else {
            const size_t valid_len = utf8_length(rest);
            len = valid_len == 0 ? 1 : valid_len;
            if (len > room)
                return;
            append_character(out, slice_first(rest, len), valid_len != 0);
        }
        rest = slice_from(rest, len);
        room -= len;
    }
}

// append_count adds a number and ends the line. Most samples are one: it is written by hand.
static void append_count(struct text *out, uint64_t value)
{
    char digits[24];
    size_t at = sizeof digits;
    digits[--at] = '\n';
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    text_append(out, slice_of(digits + at, sizeof digits - at));
}

// append_name adds the name of a sample and its labels, `le` as the last one (NULL: there is none).
static void append_name(struct exposition *exposition, const char *suffix,
                        const struct label *labels, size_t count, const char *le)
{
    struct text *out = exposition->out;
    text_append_string(out, exposition->family->name);
    text_append_string(out, suffix);
    if (count > 0 || le != NULL)
        text_append_string(out, "{");
    for (size_t i = 0; i < count; i++) {
        text_append_string(out, i == 0 ? "" : ",");
        text_append_string(out, labels[i].name);
        text_append_string(out, "=\"");
        append_value(out, labels[i].value);
        text_append_string(out, "\"");
    }
    if (le != NULL)
        text_append_format(out, "%sle=\"%s\"", count == 0 ? "" : ",", le);
    text_append_string(out, count > 0 || le != NULL ? "} " : " ");
}

void exposition_add_count(struct exposition *exposition, const struct label *labels, size_t count,
                          uint64_t value)
{
    append_name(exposition, suffix_of(exposition->family->kind), labels, count, NULL);
    append_count(exposition->out, value);
}

void exposition_add_single(struct exposition *exposition, const struct family *family,
                           bool has_value, uint64_t value)
{
    exposition_add_family(exposition, family);
    if (has_value)
        exposition_add_count(exposition, NULL, 0, value);
}

void exposition_add_number(struct exposition *exposition, const struct label *labels, size_t count,
                           int64_t value)
{
    append_name(exposition, suffix_of(exposition->family->kind), labels, count, NULL);
    text_append_format(exposition->out, "%" PRId64 "\n", value);
}

static void append_ms(struct text *out, uint64_t value_ms)
{
    text_append_format(out, "%" PRIu64 ".%03u\n", value_ms / 1000, (unsigned)(value_ms % 1000));
}

void exposition_add_ms(struct exposition *exposition, const struct label *labels, size_t count,
                       uint64_t value_ms)
{
    append_name(exposition, suffix_of(exposition->family->kind), labels, count, NULL);
    append_ms(exposition->out, value_ms);
}

void exposition_add_histogram(struct exposition *exposition, const struct histogram_bounds *bounds,
                              const struct histogram *histogram)
{
    uint64_t total = 0;
    for (size_t i = 0; i <= bounds->count; i++) {
        total += histogram->counts[i];
        append_name(exposition, "_bucket", NULL, 0,
                    i == bounds->count ? "+Inf" : bounds->bounds[i].text);
        append_count(exposition->out, total);
    }
    append_name(exposition, "_sum", NULL, 0, NULL);
    append_ms(exposition->out, histogram->sum_ms);
    append_name(exposition, "_count", NULL, 0, NULL);
    append_count(exposition->out, total);
}
