// Formats a line. What a client has said may be in the message, so all of it is escaped.
#include "proxy/log/log_message.h"

#include "auth/base/date.h"
#include "auth/base/json.h"

const char *log_event_name(enum log_event event)
{
    static const char *const names[] = {
#define X(symbol, name) [symbol] = name,
        LOG_EVENT_TABLE(X)
#undef X
    };
    return names[event];
}

const char *log_level_name(enum log_level level)
{
    static const char *const names[] = {
        [LOG_LEVEL_ERROR] = "error", [LOG_LEVEL_WARNING] = "warning", [LOG_LEVEL_INFO] = "info"};
    return names[level];
}

// priority_of gives the number that syslog(3) has for a level.
static int priority_of(enum log_level level)
{
    static const int priorities[] = {
        [LOG_LEVEL_ERROR] = 3, [LOG_LEVEL_WARNING] = 4, [LOG_LEVEL_INFO] = 6};
    return priorities[level];
}

void log_message_format(const struct log_message *message, enum log_format format,
                        bool has_priority, struct text *out)
{
    char date[DATE_TEXT_CAP];
    const struct slice text = message->text;
    const struct slice kept =
        slice_first(text, text.len < LOG_MESSAGE_MAX ? text.len : LOG_MESSAGE_MAX);
    (void)date_format_ms(message->now_ms, date);
    if (has_priority)
        text_append_format(out, "<%d>", priority_of(message->level));
    switch (format) {
    case LOG_FORMAT_TEXT:
        text_append_format(out, "%s %s ", date, log_level_name(message->level));
        text_append_printable(out, kept);
        break;
    case LOG_FORMAT_JSON:
        text_append_string(out, "{");
        json_add_string(out, "ts", date);
        json_add_string(out, "level", log_level_name(message->level));
        json_add_string(out, "event", log_event_name(message->event));
        json_add_bytes(out, "detail", kept, LOG_MESSAGE_MAX);
        json_end_object(out);
        break;
    }
    text_append_string(out, "\n");
}
