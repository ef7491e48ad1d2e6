// new_file: files written once and whole, and read back. Only new_file_stage with new_file_publish replaces a file.
//
// Blocking. Does not know what the bytes mean.
#pragma once

#include <sys/types.h>

#include "proxy/pki/keypair.h"

enum { FILE_MODE_PUBLIC = 0644, FILE_MODE_SECRET = 0600 };

// new_file_write makes the file at `path` with exactly `mode` and these bytes, on disk when it
// returns. What exists is never touched, a dangling link included: ERR_DENIED. A file that cannot
// be written whole is taken away again: ERR_SYSTEM. `info` names the file and the way out.
enum err new_file_write(const char *path, struct slice bytes, mode_t mode,
                        struct errinfo *info) MUST_USE;

// new_file_stage writes PATH.new, whole and on disk, in place of one that an interrupted run left.
// new_file_publish then gives it its name in one step, over what is there. The caller holds a lock,
// so that nobody else is at it. ERR_SYSTEM; a failed stage leaves nothing behind.
enum err new_file_stage(const char *path, struct slice bytes, mode_t mode,
                        struct errinfo *info) MUST_USE;
enum err new_file_publish(const char *path, struct errinfo *info) MUST_USE;

// new_file_exists tells whether there is something at `path`, a dangling link included.
bool new_file_exists(const char *path);

// new_file_make_directory makes the directory at `path` for its owner only; one that is there is
// fine. ERR_SYSTEM.
enum err new_file_make_directory(const char *path, struct errinfo *info) MUST_USE;

// new_file_read reads the regular file at `path`, at most 1 MiB; `*out` is the caller's (wiped when
// freed). With `is_secret` a file that others may read is refused. ERR_SYSTEM, ERR_INPUT,
// ERR_LIMIT, ERR_MEMORY.
enum err new_file_read(const char *path, bool is_secret, struct pem *out,
                       struct errinfo *info) MUST_USE;
