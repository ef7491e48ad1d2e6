// A finding has the place of the node that it is about.
#include "proxy/lint/findings.h"

#include <stdarg.h>

void lint_find(struct lint *lint, enum severity severity, const struct node *node,
               const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct diagnostic *found = diagnostics_add_list(
        lint->diagnostics, severity, places_file(&lint->places, node),
        node == NULL ? 0 : node->line, node == NULL ? 0 : node->column, format, args);
    found->is_remark = severity == SEVERITY_NOTE;
    va_end(args);
}
