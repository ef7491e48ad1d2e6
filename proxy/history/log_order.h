// log_order: in which order the rotated files of a log were written. Pure: knows lines, and no files.
//
// What the writer numbers tells: of one instance smaller numbers stand in older files, and an instance that began after a
// line stands in no older file than that line. Where this tells nothing, the times of the files' first records do; a clock
// can have been set, so they come second.
#pragma once

#include "auth/base/err.h"
#include "auth/base/slice.h"

enum { LOG_ORDER_INSTANCES = 64, LOG_ORDER_TS_CAP = 32 };

// log_contents is what a file says of its place. Begin with {0}.
struct log_contents {
    char ts[LOG_ORDER_TS_CAP]; // of its first record; "": not known
    size_t count;
    struct log_stretch {
        uint32_t instance;
        uint64_t seq;  // of its first line in this file
        bool is_found; // no line of this file: one that an instance found when it began here
    } stretches[LOG_ORDER_INSTANCES]; // of more instances than this nothing is known
};

// log_contents_take looks at the next line of the file.
void log_contents_take(struct log_contents *contents, struct slice line);

// log_order_find writes to `out` the indexes of the files, the oldest first; where nothing else tells, in the order in which
// they are given. Files that contradict each other, as forged ones can, are in the order of their times. False: no memory.
bool log_order_find(const struct log_contents *files, size_t count, size_t *out) MUST_USE;
