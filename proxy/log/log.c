// Formats one line and writes it at once.
#include "proxy/log/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "proxy/clock/clock.h"

enum { LOG_LINE_CAP = 1024 };

static void write_line(const char *level, const char *format, va_list args) PRINTF_LIKE(2, 0);

static void write_line(const char *level, const char *format, va_list args)
{
    char line[LOG_LINE_CAP];
    struct tm utc;
    const int64_t now_ms = wall_clock_ms();
    const time_t now_s = (time_t)(now_ms / 1000);
    (void)gmtime_r(&now_s, &utc);
    size_t len = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &utc);
    len +=
        (size_t)snprintf(line + len, sizeof line - len, ".%03dZ %s ", (int)(now_ms % 1000), level);
    const size_t head_len = len;
    const int written = vsnprintf(line + len, sizeof line - len - 1, format, args);
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

void log_info(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_line("info", format, args);
    va_end(args);
}

void log_warning(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_line("warning", format, args);
    va_end(args);
}

void log_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_line("error", format, args);
    va_end(args);
}
