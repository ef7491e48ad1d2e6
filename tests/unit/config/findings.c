// Looks through the list; says everything when it fails.
#include "tests/unit/config/findings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

void assert_finding(const struct diagnostics *diagnostics, enum severity severity, uint32_t line,
                    uint32_t column, const char *part)
{
    for (size_t i = 0; i < diagnostics->count; i++) {
        const struct diagnostic *found = &diagnostics->items[i];
        const bool is_there = line == 0 || (found->line == line && found->column == column);
        if (is_there && found->severity == severity &&
            (strstr(found->message, part) != NULL || strstr(found->hint, part) != NULL))
            return;
    }
    diagnostics_print(diagnostics, stderr, SEVERITY_NOTE);
    fail_msg("no %s at %u:%u with `%s`", severity_name(severity), line, column, part);
}

void assert_no_errors(const struct diagnostics *diagnostics)
{
    if (diagnostics->error_count == 0)
        return;
    diagnostics_print(diagnostics, stderr, SEVERITY_WARNING);
    fail_msg("%zu errors", diagnostics->error_count);
}
