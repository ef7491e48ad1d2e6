// log_source: the bytes of an audit log, one after the other; what gzip has compressed is unpacked.
//
// A file begins with a member of gzip (RFC 1952), and then it is nothing but members up to its end, or it is read as it is.
// Knows no lines.
#pragma once

#include <stddef.h>

#include "auth/base/err.h"

struct log_source;

// log_source_create reads from `fd`, which it takes over. NULL without memory; then `fd` is the caller's.
struct log_source *log_source_create(int fd) MUST_USE;

// log_source_read gives up to `cap` bytes; none: the end. ERR_SYSTEM with a reason in `info` where the file cannot be read, or
// ends in the middle of what gzip has compressed, or has something else after it: that is not left out in silence.
enum err log_source_read(struct log_source *source, char *out, size_t cap, size_t *out_len,
                         struct errinfo *info) MUST_USE;

// log_source_destroy closes the file. NULL is allowed.
void log_source_destroy(struct log_source *source);
