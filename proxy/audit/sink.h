// sink: where audit records go: a file that is appended to, or the stdout of the process, which is written `-`.
//
// A file takes what it is given, or fails. Stdout may be a pipe, a socket or a terminal whose reader has stopped
// reading: nothing here waits for him longer than it is told. Knows no records.
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "auth/base/err.h"
#include "auth/base/slice.h"

enum sink_kind {
    SINK_FILE,     // also stdout, where it leads to a file
    SINK_STREAM,   // can be full; its descriptor does not block
    SINK_BLOCKING, // can be full, and the descriptor is shared with others, who want it to block
    SINK_SOCKET,   // can be full, and is asked not to block each time
};

struct sink {
    int fd; // owned; -1: none
    enum sink_kind kind;
    bool
        has_torn_line; // the file ends with one, which is to be ended before anything else is written
    bool is_lock_stuck; // somebody holds the lock of the file and does not let go
    bool is_locked;     // by us
};

// sink_is_stdout tells whether the path stands for stdout.
bool sink_is_stdout(const char *path);

// sink_label gives what messages name: the path, or `stdout`; borrowed from it, or static memory.
const char *sink_label(const char *path);

// sink_open opens the file for appending (created with mode 0640), or takes stdout. `ends_torn_line`: a last line without
// its end gets it, now or, on a full disk, before the first write; not where another process may be in the middle of writing one. False with errno set.
bool sink_open(struct sink *out, const char *path, bool ends_torn_line);

// sink_is_file tells whether what stands at the path now is a file, so that several processes can append to it without
// mixing their lines.
bool sink_is_file(const char *path);

// sink_is_removed tells whether it is a file that has no name any more, so that what is written goes nowhere.
bool sink_is_removed(const struct sink *sink);

// sink_is_at tells whether it is the file at this path.
bool sink_is_at(const struct sink *sink, const char *path);

// sink_is_same_stream tells whether both are one pipe, socket or terminal, so that its reader has what was written to
// either.
bool sink_is_same_stream(const struct sink *a, const struct sink *b);

// sink_read_end reads the last `cap` bytes of a file into `data`, which the result borrows; nothing of what is no file.
// `*out_is_all` tells whether these are all.
struct slice sink_read_end(const struct sink *sink, char *data, size_t cap, bool *out_is_all);

// sink_close closes what sink_open has opened; the process keeps its stdout.
void sink_close(struct sink *sink);

// sink_write writes some of the parts, which it may shorten, and gives the number of bytes; -1 with errno set. EAGAIN:
// nobody has read for `patience_ms`.
ssize_t sink_write(struct sink *sink, struct iovec *parts, int count, int patience_ms);

// sink_begin_beside begins a write to a file that other processes append to as well, or did: waits at most a second until
// none of them writes. True: the file ends with what this sink has written last, so that a line that was written in part goes
// on there. False: it has to begin again, for a line that is torn is ended first, also one of theirs. sink_write_beside is to
// follow.
bool sink_begin_beside(struct sink *sink) MUST_USE;

// sink_write_beside is sink_write after sink_begin_beside, and lets the others write.
ssize_t sink_write_beside(struct sink *sink, const struct iovec *parts, int count);
