// new_file: files that are written once and as a whole. Only new_file_replace_all replaces a file.
//
// Blocking. Does not know what the bytes mean.
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "auth/base/err.h"
#include "auth/base/slice.h"

enum { FILE_MODE_PUBLIC = 0644, FILE_MODE_SECRET = 0600 };

// new_file is a file to be written.
struct new_file {
    const char *path;   // borrowed
    struct slice bytes; // borrowed
    mode_t mode;
};

// new_file_write makes the file at `path` with exactly `mode` and these bytes. It is on disk when the function returns.
// Something that exists is never touched, not even a dangling link: ERR_DENIED. A file that cannot be written completely
// is removed again: ERR_SYSTEM. `info` names the file and says what to do.
enum err new_file_write(const char *path, struct slice bytes, mode_t mode,
                        struct errinfo *info) MUST_USE;

// new_file_write_all writes several files in order, as new_file_write does. After an error it removes those that it has
// written.
enum err new_file_write_all(const struct new_file *files, size_t count,
                            struct errinfo *info) MUST_USE;

// new_file_remove_all removes the files that new_file_write_all has written.
void new_file_remove_all(const struct new_file *files, size_t count);

// new_file_replace_all writes each file as PATH.new, and replaces one of these that an interrupted run left. Then it
// renames them in order, each in one step, over the old files. A new file has the owner and group of the old one, if this
// process may give it away, and then what the group could read it still can: a service that reads its key by its group goes on
// after a renewal. Rights of others, and to write, are not taken over. The caller holds a lock. ERR_SYSTEM.
enum err new_file_replace_all(const struct new_file *files, size_t count,
                              struct errinfo *info) MUST_USE;

// new_file_exists tells whether there is something at `path`, a dangling link included.
bool new_file_exists(const char *path);

// new_file_make_directory makes the directory at `path`, for its owner only. A directory that exists is fine. ERR_SYSTEM.
enum err new_file_make_directory(const char *path, struct errinfo *info) MUST_USE;
