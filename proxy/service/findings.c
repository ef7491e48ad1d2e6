// One line each: the hint follows the message.
#include "proxy/service/findings.h"

#include <string.h>

#include "proxy/log/log.h"

static void log_one(const struct diagnostic *finding, const char *what)
{
    char data[DIAGNOSTIC_TEXT_CAP];
    diagnostic_format_bare(finding, data, sizeof data);
    char *rest = data;
    const char *message = strsep(&rest, "\n");
    const char *hint = rest == NULL ? "" : rest + strspn(rest, " ");
    log_write(finding->severity == SEVERITY_ERROR ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING,
              LOG_FINDING, "%s%s%s%s", what, message, hint[0] == '\0' ? "" : "; ", hint);
}

void findings_log(const struct diagnostics *diagnostics, const char *what)
{
    for (size_t i = 0; i < diagnostics->count; i++) {
        if (diagnostics->items[i].severity != SEVERITY_NOTE)
            log_one(&diagnostics->items[i], what);
    }
    if (diagnostics->dropped_count > 0)
        log_warning(LOG_FINDING, "%sand %zu more findings that are not shown", what,
                    diagnostics->dropped_count);
}
