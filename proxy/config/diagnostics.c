// The list of findings: bounded, in file order once sorted, printed like a compiler's.
#include "proxy/config/diagnostics.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "auth/base/json.h"
#include "auth/base/utf8.h"

const char *severity_name(enum severity severity)
{
    static const char *const names[] = {
        [SEVERITY_NOTE] = "note", [SEVERITY_WARNING] = "warning", [SEVERITY_ERROR] = "error"};
    return names[severity];
}

void diagnostics_init(struct diagnostics *diagnostics)
{
    *diagnostics = (struct diagnostics){0};
}

void diagnostics_deinit(struct diagnostics *diagnostics)
{
    free(diagnostics->items);
    diagnostics_init(diagnostics);
}

bool diagnostics_is_full(const struct diagnostics *diagnostics)
{
    return diagnostics->count == DIAGNOSTICS_MAX;
}

// place_for gives the place for a finding of `severity`: a free one; when there is none, the last
// kept one that matters less, so that notes never crowd out an error; else the spare one.
static struct diagnostic *place_for(struct diagnostics *diagnostics, enum severity severity)
{
    if (diagnostics->items == NULL)
        diagnostics->items = calloc(DIAGNOSTICS_MAX, sizeof diagnostics->items[0]);
    if (diagnostics->items == NULL) {
        diagnostics->dropped_count++;
        return &diagnostics->spare;
    }
    if (diagnostics->count < DIAGNOSTICS_MAX)
        return &diagnostics->items[diagnostics->count++];
    diagnostics->dropped_count++;
    for (enum severity lesser = SEVERITY_NOTE; lesser < severity; lesser++) {
        for (size_t i = DIAGNOSTICS_MAX; i-- > 0;) {
            if (diagnostics->items[i].severity != lesser)
                continue;
            for (size_t j = i; j + 1 < DIAGNOSTICS_MAX; j++)
                diagnostics->items[j] = diagnostics->items[j + 1];
            return &diagnostics->items[DIAGNOSTICS_MAX - 1];
        }
    }
    return &diagnostics->spare;
}

// write_texts writes the message, and the hint: what follows the first line break of `format` itself. One that a
// value brings along does not count.
static void write_texts(struct diagnostic *place, const char *format, va_list args)
{
    char first_line[sizeof place->message];
    char *whole = NULL;
    const size_t len = strcspn(format, "\n");
    va_list again;
    va_copy(again, args);
    const int saved_errno = errno; // of a `%m`
    ASSERT(string_copy(first_line, sizeof first_line, slice_of(format, len)));
    const int message_len = vsnprintf(place->message, sizeof place->message, first_line, args);
    errno = saved_errno;
    if (format[len] != '\0' && vasprintf(&whole, format, again) > message_len) {
        (void)snprintf(place->hint, sizeof place->hint, "%s", whole + message_len + 1);
        free(whole);
    }
    va_end(again);
}

struct diagnostic *diagnostics_add_list(struct diagnostics *diagnostics, enum severity severity,
                                        const char *file, uint32_t line, uint32_t column,
                                        const char *format, va_list args)
{
    if (severity == SEVERITY_ERROR)
        diagnostics->error_count++;
    if (severity == SEVERITY_WARNING)
        diagnostics->warning_count++;
    struct diagnostic *place = place_for(diagnostics, severity);
    *place = (struct diagnostic){.severity = severity, .line = line, .column = column};
    const struct slice name = slice_of_string(file);
    (void)string_copy(
        place->file, sizeof place->file,
        slice_from(name, name.len < sizeof place->file ? 0 : name.len - (sizeof place->file - 1)));
    write_texts(place, format, args);
    return place;
}

struct diagnostic *diagnostics_add(struct diagnostics *diagnostics, enum severity severity,
                                   const char *file, uint32_t line, uint32_t column,
                                   const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct diagnostic *place =
        diagnostics_add_list(diagnostics, severity, file, line, column, format, args);
    va_end(args);
    return place;
}

void diagnostics_append(struct diagnostics *diagnostics, const struct diagnostics *other,
                        size_t max)
{
    size_t taken = 0;
    diagnostics->error_count += other->error_count;
    diagnostics->warning_count += other->warning_count;
    for (enum severity severity = SEVERITY_ERROR;; severity--) {
        for (size_t i = 0; i < other->count && taken < max; i++) {
            if (other->items[i].severity != severity)
                continue;
            *place_for(diagnostics, severity) = other->items[i];
            taken++;
        }
        if (severity == SEVERITY_NOTE)
            break;
    }
    diagnostics->dropped_count += other->dropped_count + other->count - taken;
}

// comes_before compares two findings of one file.
static bool comes_before(const struct diagnostic *a, const struct diagnostic *b)
{
    if (a->line != b->line)
        return a->line < b->line;
    return a->column < b->column;
}

// insert moves the finding at `index` down to its place after those of its file that come before
// it, at `start` or later.
static void insert(struct diagnostic *items, size_t start, size_t index)
{
    const struct diagnostic moved = items[index];
    size_t j = index;
    while (j > start &&
           (strcmp(moved.file, items[j - 1].file) != 0 || comes_before(&moved, &items[j - 1]))) {
        items[j] = items[j - 1];
        j--;
    }
    items[j] = moved;
}

void diagnostics_sort(struct diagnostics *diagnostics)
{
    // File by file, as they were named first. Insertion keeps equals in order, and there are never
    // many.
    size_t start = 0;
    while (start < diagnostics->count) {
        size_t end = start + 1;
        for (size_t i = end; i < diagnostics->count; i++) {
            if (strcmp(diagnostics->items[i].file, diagnostics->items[start].file) != 0)
                continue;
            insert(diagnostics->items, start, i);
            end++;
        }
        start = end;
    }
}

// append_plain adds text in which all that is not seen is a `?`: values from a file can hold any bytes.
static void append_plain(struct text *text, const char *string)
{
    struct slice rest = slice_of_string(string);
    while (rest.len > 0) {
        const size_t len = utf8_length(rest);
        const struct slice character = slice_first(rest, len == 0 ? 1 : len);
        const bool is_seen = len > 0 && !utf8_is_unseen(character);
        text_append(text, is_seen ? character : SLICE_LITERAL("?"));
        rest = slice_from(rest, character.len);
    }
}

static void format(const struct diagnostic *diagnostic, const char *severity, char *out, size_t cap)
{
    struct text text;
    text_init(&text, out, cap);
    append_plain(&text, diagnostic->file);
    if (diagnostic->line != 0)
        text_append_format(&text, ":%u:%u", diagnostic->line, diagnostic->column);
    if (diagnostic->file[0] != '\0')
        text_append_string(&text, ": ");
    if (severity != NULL)
        text_append_format(&text, "%s: ", severity);
    append_plain(&text, diagnostic->message);
    if (diagnostic->hint[0] != '\0') {
        text_append_string(&text, "\n    hint: ");
        append_plain(&text, diagnostic->hint);
    }
}

void diagnostic_format(const struct diagnostic *diagnostic, char *out, size_t cap)
{
    format(diagnostic, severity_name(diagnostic->severity), out, cap);
}

void diagnostic_format_bare(const struct diagnostic *diagnostic, char *out, size_t cap)
{
    format(diagnostic, NULL, out, cap);
}

static void print(const struct diagnostic *diagnostic, FILE *stream)
{
    char line[DIAGNOSTIC_TEXT_CAP];
    diagnostic_format(diagnostic, line, sizeof line);
    (void)fprintf(stream, "%s\n", line);
}

void diagnostics_print_remarks(const struct diagnostics *diagnostics, FILE *stream)
{
    for (size_t i = 0; i < diagnostics->count; i++) {
        if (diagnostics->items[i].is_remark)
            print(&diagnostics->items[i], stream);
    }
}

void diagnostics_print(const struct diagnostics *diagnostics, FILE *stream, enum severity least)
{
    for (size_t i = 0; i < diagnostics->count; i++) {
        if (diagnostics->items[i].severity >= least)
            print(&diagnostics->items[i], stream);
    }
    if (diagnostics->dropped_count != 0)
        (void)fprintf(stream, "and %zu more findings that are not shown\n",
                      diagnostics->dropped_count);
}

void diagnostics_append_json(const struct diagnostics *diagnostics, struct text *out,
                             enum severity least)
{
    json_begin_array(out, "findings");
    for (size_t i = 0; i < diagnostics->count; i++) {
        const struct diagnostic *found = &diagnostics->items[i];
        if (found->severity < least)
            continue;
        json_begin_object(out, NULL);
        json_add_string(out, "severity", severity_name(found->severity));
        json_add_string(out, "file", found->file);
        json_add_count(out, "line", found->line);
        json_add_count(out, "column", found->column);
        json_add_string(out, "message", found->message);
        json_add_string(out, "hint", found->hint);
        json_end_object(out);
    }
    json_end_array(out);
}
