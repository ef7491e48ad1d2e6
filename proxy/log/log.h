// log: lines for operators on stderr: what the program does and what goes wrong with it. Who did what
// is the audit's matter.
//
// One write(2) a line, so that lines of several threads never mix. No state, no levels to set.
#pragma once

#include "auth/base/err.h"

// log_line writes `TIME LEVEL MESSAGE`. Control bytes in the message become `?`. Any thread.
void log_line(const char *level, const char *format, ...) PRINTF_LIKE(2, 3);

// The levels.
#define log_info(...)    log_line("info", __VA_ARGS__)
#define log_warning(...) log_line("warning", __VA_ARGS__)
#define log_error(...)   log_line("error", __VA_ARGS__)
