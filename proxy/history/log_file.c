// Line by line in bounded memory: a log may be larger than memory, and a line of it may be anything.
#include "proxy/history/log_file.h"

#include <errno.h>
#include <stdlib.h>

// line_buffer holds the line that is being read; what is beyond HISTORY_LINE_MAX is counted and dropped.
struct line_buffer {
    char *data; // owned
    size_t len; // bytes of the line, also those that were dropped
};

// next_line reads up to a line break or the end; false when there was nothing left.
static bool next_line(FILE *file, struct line_buffer *line)
{
    int byte = 0;
    line->len = 0;
    while ((byte = getc_unlocked(file)) != EOF && byte != '\n') {
        if (line->len < HISTORY_LINE_MAX)
            line->data[line->len] = (char)byte;
        line->len++;
    }
    return line->len > 0 || byte == '\n';
}

static void tell(log_line_fn on_line, void *arg, const char *path, size_t number,
                 const struct line_buffer *line)
{
    struct history_entry entry;
    struct history_decision decision = {0};
    struct errinfo info = {0};
    struct log_line told = {.path = path, .number = number};
    if (line->len == 0)
        return;
    enum err error = history_entry_read(slice_of(line->data, line->len), &entry, &info);
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

static enum err read_lines(FILE *file, const char *path, log_line_fn on_line, void *arg,
                           struct errinfo *info)
{
    struct line_buffer line = {.data = malloc(HISTORY_LINE_MAX)};
    if (line.data == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory");
    for (size_t number = 1; next_line(file, &line); number++)
        tell(on_line, arg, path, number, &line);
    free(line.data);
    if (ferror(file))
        return errinfo_set(info, ERR_SYSTEM, "%s: cannot be read: %s", path, strerror(errno));
    return ERR_OK;
}

enum err log_file_read(const char *path, log_line_fn on_line, void *arg, struct errinfo *info)
{
    if (strcmp(path, "-") == 0)
        return read_lines(stdin, "stdin", on_line, arg, info);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return errinfo_set(info, ERR_SYSTEM, "%s: cannot be opened: %s", path, strerror(errno));
    const enum err error = read_lines(file, path, on_line, arg, info);
    (void)fclose(file);
    return error;
}
