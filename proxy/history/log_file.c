// Line by line in bounded memory: a log may be larger than memory, and a line of it may be anything. zlib also reads what
// is not compressed, as it is.
#include "proxy/history/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

enum { BUFFER_LEN = 128 * 1024 };

// line_buffer holds the line that is being read; what is beyond HISTORY_LINE_MAX is counted and dropped.
struct line_buffer {
    char *data; // owned
    size_t len; // bytes of the line, also those that were dropped
};

// next_line reads up to a line break or the end; false when there was nothing left.
static bool next_line(gzFile file, struct line_buffer *line)
{
    int byte = 0;
    line->len = 0;
    while ((byte = gzgetc(file)) != -1 && byte != '\n') {
        if (line->len < HISTORY_LINE_MAX)
            line->data[line->len] = (char)byte;
        line->len++;
    }
    return line->len > 0 || byte == '\n';
}

void log_line_read(const char *path, size_t number, struct slice bytes, log_line_fn on_line,
                   void *arg)
{
    struct history_entry entry;
    struct history_decision decision = {0};
    struct errinfo info = {0};
    struct log_line told = {
        .path = path, .number = number, .bytes = slice_first(bytes, HISTORY_LINE_MAX)};
    if (bytes.len == 0)
        return;
    enum err error = history_entry_read(bytes, &entry, &info);
    told.is_torn = error == ERR_EOF;
    told.entry = error == ERR_OK ? &entry : NULL;
    if (error == ERR_OK && entry.event == AUDIT_EVENT_DECISION) {
        error = history_decision_read(&entry, &decision, &info);
        told.decision = error == ERR_OK ? &decision : NULL;
    }
    told.problem = error == ERR_OK ? NULL : info.text;
    on_line(arg, &told);
    history_decision_deinit(&decision);
    history_entry_deinit(&entry);
}

// fault says why the file could not be read to its end; ERR_OK: it was.
static enum err fault(gzFile file, const char *path, struct errinfo *info)
{
    int code = Z_OK;
    const char *text = gzerror(file, &code);
    if (code == Z_ERRNO)
        return errinfo_set(info, ERR_SYSTEM, "%s: cannot be read: %s", path, strerror(errno));
    if (code != Z_OK && code != Z_STREAM_END)
        return errinfo_set(info, ERR_SYSTEM, "%s: cannot be uncompressed: %s", path, text);
    return ERR_OK;
}

static enum err read_lines(gzFile file, const char *path, log_bytes_fn on_bytes, void *arg,
                           struct errinfo *info)
{
    struct line_buffer line = {.data = malloc(HISTORY_LINE_MAX)};
    if (line.data == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory");
    for (size_t number = 1; next_line(file, &line); number++)
        on_bytes(arg, number, slice_of(line.data, line.len));
    free(line.data);
    return fault(file, path, info);
}

enum err log_file_scan(const char *path, log_bytes_fn on_bytes, void *arg, struct errinfo *info)
{
    const bool is_stdin = strcmp(path, "-") == 0;
    const int fd = is_stdin ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                            : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return errinfo_set(info, ERR_SYSTEM, "%s: cannot be opened: %s", path, strerror(errno));
    gzFile file = gzdopen(fd, "r");
    if (file == NULL) {
        (void)close(fd);
        return errinfo_set(info, ERR_MEMORY, "no memory");
    }
    (void)gzbuffer(file, BUFFER_LEN);
    const enum err error = read_lines(file, is_stdin ? "stdin" : path, on_bytes, arg, info);
    (void)gzclose_r(file);
    return error;
}

// reading is who is told of the lines of a file.
struct reading {
    const char *path;
    log_line_fn on_line;
    void *arg;
};

static void on_bytes_read(void *arg, size_t number, struct slice bytes)
{
    const struct reading *reading = arg;
    log_line_read(reading->path, number, bytes, reading->on_line, reading->arg);
}

enum err log_file_read(const char *path, log_line_fn on_line, void *arg, struct errinfo *info)
{
    struct reading reading = {
        .path = strcmp(path, "-") == 0 ? "stdin" : path, .on_line = on_line, .arg = arg};
    return log_file_scan(path, on_bytes_read, &reading, info);
}
