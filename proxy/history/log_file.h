// log_file: the records of audit logs, one after the other, with what could not be read.
#pragma once

#include "proxy/history/entry.h"

// log_line is one line of a log.
struct log_line {
    const char *path;
    size_t number;      // from 1
    struct slice bytes; // of the line without its line break; at most HISTORY_LINE_MAX
    const struct history_entry *entry; // NULL: it is no record
    // of an AUDIT_EVENT_DECISION that can be read; otherwise NULL
    struct history_decision *decision;
    // why it is no record, or why its decision cannot be read; NULL: it can be used
    const char *problem;
    bool is_torn; // the beginning of a record, such as a kill leaves: no fault of the log's
};

// log_line_fn is told of every line.
typedef void (*log_line_fn)(void *arg, const struct log_line *line);

// log_line_read makes a log_line of bytes and hands it on. Empty lines are left out.
void log_line_read(const char *path, size_t number, struct slice bytes, log_line_fn on_line,
                   void *arg);

// log_file_read reads the file at `path`, `-` for stdin, to its end. A file that gzip has compressed is read as what it
// contains. Empty lines are left out. ERR_SYSTEM with the
// sentence in `info` when it cannot be opened or read.
enum err log_file_read(const char *path, log_line_fn on_line, void *arg,
                       struct errinfo *info) MUST_USE;

// log_bytes_fn is told of every line as it is, also of empty ones; `bytes` may claim more than HISTORY_LINE_MAX, of
// which no more are there.
typedef void (*log_bytes_fn)(void *arg, size_t number, struct slice bytes);

// log_file_scan reads the file as log_file_read does, and looks into no line.
enum err log_file_scan(const char *path, log_bytes_fn on_bytes, void *arg,
                       struct errinfo *info) MUST_USE;
