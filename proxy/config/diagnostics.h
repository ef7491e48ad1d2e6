// diagnostics: what is wrong or remarkable in a configuration, each with its place, for people.
//
// Collected while loading, so that one run of `check` shows every mistake; printed by the caller.
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "auth/base/text.h"

enum severity { SEVERITY_NOTE, SEVERITY_WARNING, SEVERITY_ERROR };

// severity_name gives `note`, `warning` or `error`.
const char *severity_name(enum severity severity);

struct diagnostic {
    enum severity severity;
    char file[256];    // as the user wrote or passed it; "" when there is none
    uint32_t line;     // from 1; 0 when the finding is about a whole file
    uint32_t column;   // from 1; 0 likewise
    char message[512]; // what was found and what was expected
    char hint[256];    // what to do; "" when the message says it all
    bool is_remark;    // a note that no summary has
};

enum { DIAGNOSTICS_MAX = 50 }; // further ones are counted, not kept

struct diagnostics {
    struct diagnostic *items; // owned
    size_t count;
    size_t error_count;   // kept or not
    size_t warning_count; // kept or not
    size_t dropped_count;
    // of the errors: those that put one included file out of force and nothing else
    size_t included_count;
    // errors that a certificate without its key yet, or a key without it, can be the cause of
    size_t pair_count;
    struct diagnostic spare; // private: where the findings past the bound go
};

// diagnostics_init makes an empty list; diagnostics_deinit frees what it holds.
void diagnostics_init(struct diagnostics *diagnostics);
void diagnostics_deinit(struct diagnostics *diagnostics);

// diagnostics_add adds one finding. `format` is the message; what follows its first line break is the hint. An
// error past the bound takes the place of a note or a warning, a warning that of a note. Returns the finding, valid
// until the next one and never NULL: those past the bound share one spare place.
struct diagnostic *diagnostics_add(struct diagnostics *diagnostics, enum severity severity,
                                   const char *file, uint32_t line, uint32_t column,
                                   const char *format, ...) PRINTF_LIKE(6, 7);

// diagnostics_add_list does the same with the arguments in a list.
struct diagnostic *diagnostics_add_list(struct diagnostics *diagnostics, enum severity severity,
                                        const char *file, uint32_t line, uint32_t column,
                                        const char *format, va_list args) PRINTF_LIKE(6, 0);

// diagnostics_append adds at most `max` of the findings of another list, and counts all of them.
void diagnostics_append(struct diagnostics *diagnostics, const struct diagnostics *other,
                        size_t max);

// diagnostics_is_full tells whether there is no free place any more, so that costly hints can be
// saved.
bool diagnostics_is_full(const struct diagnostics *diagnostics);

// diagnostics_sort puts the findings in file order; those at one place keep theirs.
void diagnostics_sort(struct diagnostics *diagnostics);

enum { DIAGNOSTIC_TEXT_CAP = 1200 }; // bytes that diagnostic_format needs at most

// diagnostic_format writes `FILE:LINE:COLUMN: severity: message` and, indented on a line of its
// own, the hint; NUL-terminated, without a final line break.
void diagnostic_format(const struct diagnostic *diagnostic, char *out, size_t cap);

// diagnostic_format_bare is diagnostic_format without the severity, for a line that says it already.
void diagnostic_format_bare(const struct diagnostic *diagnostic, char *out, size_t cap);

// diagnostics_print writes the findings of at least this severity to `stream`, one below the other.
void diagnostics_print(const struct diagnostics *diagnostics, FILE *stream, enum severity least);

// diagnostics_print_remarks writes the notes that no summary has, likewise.
void diagnostics_print_remarks(const struct diagnostics *diagnostics, FILE *stream);

// diagnostics_append_json adds the findings of at least this severity to the JSON object under construction in `out`,
// as the member `findings`.
void diagnostics_append_json(const struct diagnostics *diagnostics, struct text *out,
                             enum severity least);
