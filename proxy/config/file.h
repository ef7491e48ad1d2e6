// file: whole files, read once into memory, with the checks that a configuration needs.
//
// What is checked is checked on the open descriptor, so that nothing can be exchanged between the
// check and the use. Blocking. Knows nothing of what the bytes mean.
#pragma once

#include "auth/base/err.h"
#include "auth/base/slice.h"

enum file_access {
    FILE_PUBLIC,  // anybody may read it
    FILE_SECRET,  // readable by its owner only, or by a group of ours: see secrecy.h
    FILE_PRIVATE, // its mode gives nobody but the owner a right
};

struct file_content {
    struct slice bytes; // borrowed from `memory`
    uint8_t *memory;    // owned; NULL: the bytes are somebody else's
};

// file_open opens the regular file at `path` for reading. -1 with errno: EISDIR for a folder, ENOTSUP for what is neither: a device,
// for which opening it may do something, is not opened, unless it comes there at this very moment.
int file_open(const char *path);

// file_read reads the regular file at `path` of at most `max_len` bytes. On ERR_OK the content is
// the caller's, to be given to file_content_deinit; else ERR_SYSTEM, ERR_INPUT, ERR_LIMIT or
// ERR_MEMORY with a sentence in `info` that names the file and, where there is one, the way out.
enum err file_read(const char *path, size_t max_len, enum file_access access,
                   struct file_content *out, struct errinfo *info) MUST_USE;

// file_read_at is file_read for a file that somebody has opened: `path` is for messages. The descriptor stays the caller's.
enum err file_read_at(int fd, const char *path, size_t max_len, enum file_access access,
                      struct file_content *out, struct errinfo *info) MUST_USE;

// file_read_open reads what is left of the open `fd`, at most `max_len` bytes; `name` is for messages. On ERR_OK as
// file_read; else ERR_SYSTEM or ERR_MEMORY with a sentence in `info`, or ERR_LIMIT without one. Blocking.
enum err file_read_open(int fd, const char *name, size_t max_len, struct file_content *out,
                        struct errinfo *info) MUST_USE;

// file_explain says why `path` cannot be opened, by errno: what the system said, and where the sandbox of this process is the
// reason, that, and the way out. Returns ERR_SYSTEM.
enum err file_explain(struct errinfo *info, const char *verb, const char *path);

// file_is_folder tells whether there is a folder at `path`.
bool file_is_folder(const char *path);

// file_is_there tells whether there is anything at `path`. False: errno says why.
bool file_is_there(const char *path);

// file_content_deinit wipes and frees the bytes. A zeroed content is allowed.
void file_content_deinit(struct file_content *content);
