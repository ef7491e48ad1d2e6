// log_message: one line of the log, as text for people or as JSON for programs. Pure: values in, a line out.
//
// Whatever is in the message, it stays one line without control characters.
#pragma once

#include "auth/base/text.h"
#include "proxy/log/log_event.h"
#include "proxy/log/log_options.h"

struct log_message {
    int64_t now_ms; // Unix
    enum log_level level;
    enum log_event event;
    struct slice text;
};

enum {
    LOG_MESSAGE_MAX = 1536,                   // bytes of a message that are kept
    LOG_LINE_CAP = 6 * LOG_MESSAGE_MAX + 256, // bytes that a line needs at most
};

// log_message_format appends the line with its line end to `out`, which has LOG_LINE_CAP bytes of room: text is
// `TIME LEVEL MESSAGE`, JSON has the members `ts`, `level`, `event` and `detail`. With `has_priority` the line begins with
// `<3>`, `<4>` or `<6>`, as sd-daemon(3) has it.
void log_message_format(const struct log_message *message, enum log_format format,
                        bool has_priority, struct text *out);

// log_level_name gives `error`, `warning` or `info`; static memory.
const char *log_level_name(enum log_level level);
