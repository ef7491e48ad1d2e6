// log: lines for operators on stderr: what the program does and what goes wrong with it. Who did what
// is the audit's matter.
//
// One write(2) a line, so that lines of several threads never mix. The process has one stderr, and so one level and one
// format of it: an atomic static of log.c, which every thread reads.
#pragma once

#include <stdbool.h>

#include "auth/base/err.h"
#include "proxy/log/log_event.h"
#include "proxy/log/log_options.h"

// log_configure sets level and format from now on; before the first call they are info and text. Where JOURNAL_STREAM
// says that stderr is systemd's journal, each line begins with its priority. Called by main.
void log_configure(const struct log_options *options);

// log_goes_to_journal tells whether log_configure has found that.
bool log_goes_to_journal(void);

// log_write writes one line, unless the level leaves it out; see log_message_format. Any thread.
void log_write(enum log_level level, enum log_event event, const char *format, ...)
    PRINTF_LIKE(3, 4);

// The levels. The first argument is an enum log_event, the others are those of printf.
#define log_info(...)    log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_error(...)   log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
