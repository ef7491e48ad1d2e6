// A pipe is read to its end; a file is read by proxy/config/file.
#include "proxy/config/source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIRST_CAP = 64 * 1024 };

bool source_is_stdin(const char *path)
{
    return strcmp(path, "-") == 0;
}

const char *source_label(const char *path)
{
    return source_is_stdin(path) ? "stdin" : path;
}

// grow makes room for more, up to `max_cap` bytes; false without memory.
static bool grow(struct file_content *content, size_t max_cap)
{
    const size_t wanted = content->cap == 0 ? FIRST_CAP : content->cap * 2;
    const size_t cap = wanted < max_cap ? wanted : max_cap;
    uint8_t *larger = realloc(content->memory, cap);
    if (larger == NULL)
        return false;
    content->memory = larger;
    content->cap = cap;
    return true;
}

static enum err read_stdin(size_t max_len, struct file_content *out, struct errinfo *info)
{
    size_t len = 0;
    ssize_t count = 1;
    *out = (struct file_content){0};
    while (count != 0 && len <= max_len) {
        if (len == out->cap && !grow(out, max_len + 1))
            return errinfo_set(info, ERR_MEMORY, "no memory to read stdin");
        count = read(STDIN_FILENO, out->memory + len, out->cap - len);
        if (count < 0 && errno != EINTR)
            return errinfo_set(info, ERR_SYSTEM, "cannot read stdin: %m");
        len += count > 0 ? (size_t)count : 0;
    }
    if (len == 0)
        return errinfo_set(info, ERR_INPUT, "stdin is empty: expected a configuration");
    if (len > max_len)
        return errinfo_set(info, ERR_LIMIT, "stdin has more than %zu bytes", max_len);
    out->bytes = slice_of(out->memory, len);
    return ERR_OK;
}

enum err source_read(const char *path, size_t max_len, struct file_content *out,
                     struct errinfo *info)
{
    if (!source_is_stdin(path))
        return file_read(path, max_len, FILE_PUBLIC, out, info);
    const enum err error = read_stdin(max_len, out, info);
    if (error != ERR_OK)
        file_content_deinit(out);
    return error;
}
