// A finding's place comes from the node that it is about.
#include "proxy/lint/findings.h"

#include <stdarg.h>

struct diagnostic *lint_find(struct lint *lint, enum severity severity, const struct node *node,
                             const char *format, ...)
{
    char message[sizeof((struct diagnostic *)0)->message];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return diagnostics_add(lint->diagnostics, severity, lint->places.file,
                           node == NULL ? 0 : node->line, node == NULL ? 0 : node->column, "%s",
                           message);
}

uint32_t lint_line(const struct lint *lint, size_t client)
{
    const struct node *node = lint->places.clients[client];
    return node == NULL ? 0 : node->line;
}
