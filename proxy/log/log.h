// log: lines for operators on stderr: what the program does and what goes wrong with it. Who did what
// is the audit's matter.
//
// One write(2) a line, so that lines of several threads never mix. No state, no levels to set.
#pragma once

#include "auth/base/err.h"

// log_info, log_warning and log_error write `TIME LEVEL MESSAGE`. Control bytes in the message become `?`.
// Any thread.
void log_info(const char *format, ...) PRINTF_LIKE(1, 2);
void log_warning(const char *format, ...) PRINTF_LIKE(1, 2);
void log_error(const char *format, ...) PRINTF_LIKE(1, 2);
