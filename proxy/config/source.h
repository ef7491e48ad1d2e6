// source: where the text of a configuration comes from: a file, or stdin, which is written `-`.
//
// Stdin is read once. What it names is found from the working directory.
#pragma once

#include "proxy/config/file.h"

// source_is_stdin tells whether the path stands for stdin.
bool source_is_stdin(const char *path);

// source_label gives what findings name: the path, or `stdin`; borrowed from it, or static memory.
const char *source_label(const char *path);

// source_read reads all of it, at most `max_len` bytes. Errors and ownership as with file_read. Blocking: stdin
// until its end.
enum err source_read(const char *path, size_t max_len, struct file_content *out,
                     struct errinfo *info) MUST_USE;
