// Formats one line and writes it at once.
#include "proxy/log/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/clock/clock.h"
#include "proxy/log/log_message.h"

// The settings are one word, so that a line never has a part of the old ones: the level, and these bits.
enum { LEVEL_BITS = 3, IS_JSON = 4, IS_JOURNAL = 8 };

static atomic_uint settings = LOG_LEVEL_INFO;

// is_journal tells whether stderr is what JOURNAL_STREAM names, `DEVICE:INODE` (systemd.exec(5)): a program that was
// started by a service may inherit the variable and write elsewhere.
static bool is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat status;
    char name[48];
    if (stream == NULL || fstat(STDERR_FILENO, &status) != 0)
        return false;
    (void)snprintf(name, sizeof name, "%ju:%ju", (uintmax_t)status.st_dev,
                   (uintmax_t)status.st_ino);
    return slice_equal(slice_of_string(stream), slice_of_string(name));
}

void log_configure(const struct log_options *options)
{
    unsigned next = options->level;
    if (options->format == LOG_FORMAT_JSON)
        next |= IS_JSON;
    if (is_journal())
        next |= IS_JOURNAL;
    atomic_store(&settings, next);
}

bool log_goes_to_journal(void)
{
    return (atomic_load(&settings) & IS_JOURNAL) != 0;
}

void log_write(enum log_level level, enum log_event event, const char *format, ...)
{
    const unsigned now = atomic_load(&settings);
    char message[LOG_MESSAGE_MAX + 1];
    char data[LOG_LINE_CAP];
    struct text line;
    if (level > (enum log_level)(now & LEVEL_BITS))
        return;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    text_init(&line, data, sizeof data);
    const struct log_message said = {.now_ms = wall_clock_ms(),
                                     .level = level,
                                     .event = event,
                                     .text = slice_of_string(message)};
    log_message_format(&said, (now & IS_JSON) != 0 ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT,
                       (now & IS_JOURNAL) != 0, &line);
    (void)!write(STDERR_FILENO, line.data, line.len);
}
