// Formats one line and writes it at once.
#include "proxy/log/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "auth/base/date.h"
#include "proxy/clock/clock.h"

enum { LOG_LINE_CAP = 1024 };

void log_line(const char *level, const char *format, ...)
{
    char line[LOG_LINE_CAP];
    char date[DATE_TEXT_CAP];
    size_t len =
        (size_t)snprintf(line, sizeof line, "%s %s ", date_format_ms(wall_clock_ms(), date), level);
    const size_t head_len = len;
    va_list args;
    va_start(args, format);
    const int written = vsnprintf(line + len, sizeof line - len - 1, format, args);
    va_end(args);
    if (written > 0)
        len += (size_t)written;
    if (len > sizeof line - 2)
        len = sizeof line - 2;
    for (size_t i = head_len; i < len; i++) {
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7F)
            line[i] = '?';
    }
    line[len++] = '\n';
    (void)!write(STDERR_FILENO, line, len);
}
