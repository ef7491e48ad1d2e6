// log_file: the records of audit logs, one after the other, with what could not be read.
#pragma once

#include <stdio.h>

#include "proxy/history/entry.h"

// log_file_events is told of every line. `entry` is NULL for a line that is no record, and `problem` says why.
struct log_file_events {
    void (*on_line)(void *arg, const char *path, size_t line, const struct history_entry *entry,
                    const char *problem);
    void *arg; // borrowed
};

// log_file_read reads the file at `path`, `-` for stdin, to its end. Empty lines are left out. ERR_SYSTEM with the
// sentence in `info` when it cannot be opened or read.
enum err log_file_read(const char *path, const struct log_file_events *events,
                       struct errinfo *info) MUST_USE;
