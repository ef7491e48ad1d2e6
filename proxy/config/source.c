// A pipe is read to its end; a file is read by proxy/config/file.
#include "proxy/config/source.h"

#include <string.h>
#include <unistd.h>

bool source_is_stdin(const char *path)
{
    return strcmp(path, "-") == 0;
}

const char *source_label(const char *path)
{
    return source_is_stdin(path) ? "stdin" : path;
}

enum err source_read(const char *path, size_t max_len, struct file_content *out,
                     struct errinfo *info)
{
    if (!source_is_stdin(path))
        return file_read(path, max_len, FILE_PUBLIC, out, info);
    const enum err error = file_read_open(STDIN_FILENO, "stdin", max_len, out, info);
    if (error == ERR_LIMIT)
        return errinfo_set(info, ERR_LIMIT, "stdin has more than %zu bytes", max_len);
    if (error == ERR_OK && out->bytes.len == 0) {
        file_content_deinit(out);
        return errinfo_set(info, ERR_INPUT, "stdin is empty: expected a configuration");
    }
    return error;
}
