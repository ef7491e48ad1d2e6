// Line by line in bounded memory: a log may be larger than memory, and a line of it may be anything.
#include "proxy/history/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "proxy/history/log_source.h"

enum { BUFFER_LEN = 64 * 1024 };

// line_reader makes lines of the bytes of a file. Of a line what is beyond HISTORY_LINE_MAX is counted and dropped.
struct line_reader {
    log_bytes_fn on_bytes;
    void *arg;
    size_t number; // of the line that is being read
    size_t len;    // bytes of it so far, also those that were dropped
    char *line;    // owned; of HISTORY_LINE_MAX bytes
    char *data;    // owned; of BUFFER_LEN bytes: what was read
};

static void end_line(struct line_reader *reader)
{
    reader->on_bytes(reader->arg, reader->number, slice_of(reader->line, reader->len));
    reader->number++;
    reader->len = 0;
}

static void add_bytes(struct line_reader *reader, struct slice bytes)
{
    const size_t kept = reader->len < HISTORY_LINE_MAX ? reader->len : HISTORY_LINE_MAX;
    const size_t room = HISTORY_LINE_MAX - kept;
    (void)bytes_copy(reader->line + kept, room, slice_first(bytes, room));
    reader->len += bytes.len;
}

// add_lines goes on with the next bytes of the file.
static void add_lines(struct line_reader *reader, struct slice bytes)
{
    const uint8_t *line_break = NULL;
    while (bytes.len > 0 && (line_break = memchr(bytes.data, '\n', bytes.len)) != NULL) {
        const size_t len = (size_t)(line_break - bytes.data);
        add_bytes(reader, slice_first(bytes, len));
        end_line(reader);
        bytes = slice_from(bytes, len + 1);
    }
    add_bytes(reader, bytes);
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

static enum err read_lines(struct log_source *source, struct line_reader *reader,
                           struct errinfo *info)
{
    size_t len = 0;
    do {
        TRY(log_source_read(source, reader->data, BUFFER_LEN, &len, info));
        add_lines(reader, slice_of(reader->data, len));
    } while (len > 0);
    if (reader->len > 0)
        end_line(reader);
    return ERR_OK;
}

static enum err scan_source(struct log_source *source, log_bytes_fn on_bytes, void *arg,
                            struct errinfo *info)
{
    struct line_reader reader = {.on_bytes = on_bytes,
                                 .arg = arg,
                                 .number = 1,
                                 .line = malloc(HISTORY_LINE_MAX),
                                 .data = malloc(BUFFER_LEN)};
    const enum err error = reader.line == NULL || reader.data == NULL
                               ? errinfo_set(info, ERR_MEMORY, "no memory")
                               : read_lines(source, &reader, info);
    free(reader.line);
    free(reader.data);
    return error;
}

enum err log_file_scan(const char *path, log_bytes_fn on_bytes, void *arg, struct errinfo *info)
{
    const bool is_stdin = strcmp(path, "-") == 0;
    struct errinfo why = {0};
    const int fd = is_stdin ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                            : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return errinfo_set(info, ERR_SYSTEM, "%s: cannot be opened: %s", path, strerror(errno));
    struct log_source *source = log_source_create(fd);
    if (source == NULL) {
        (void)close(fd);
        return errinfo_set(info, ERR_MEMORY, "no memory");
    }
    const enum err error = scan_source(source, on_bytes, arg, &why);
    if (error != ERR_OK)
        (void)errinfo_set(info, error, "%s: %s", is_stdin ? "stdin" : path, why.text);
    log_source_destroy(source);
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
