// Paths, files and dates, as every section that names files needs them.
#include "proxy/config/loader.h"

#include <openssl/sha.h>
#include <inttypes.h>
#include <time.h>

#include "auth/base/text.h"

enum { SECONDS_A_DAY = 24 * 60 * 60 };

// is_for_a_shell tells whether a path looks like one that a shell, or a template, should make another one of.
static bool is_for_a_shell(struct slice path)
{
    return slice_starts_with(path, SLICE_LITERAL("~/")) ||
           slice_contains(path, SLICE_LITERAL("${")) || slice_contains(path, SLICE_LITERAL("$("));
}

bool loader_path(struct loader *loader, const struct node *node, const char *what, const char **out)
{
    struct slice path = {0};
    char buffer[CONFIG_PATH_MAX + 1];
    struct text full;
    if (!reader_text(loader->reader, node, what, CONFIG_PATH_MAX, &path))
        return false;
    text_init(&full, buffer, sizeof buffer);
    if (path.data[0] != '/' && strcmp(loader->folder, ".") != 0)
        text_append_format(&full, "%s/", loader->folder);
    text_append(&full, path);
    if (full.is_cut) {
        (void)reader_error(loader->reader, node, "%s is longer than %d bytes", what,
                           CONFIG_PATH_MAX);
        return false;
    }
    if (is_for_a_shell(path)) {
        char quoted[CONFIG_QUOTE_CAP];
        diagnostic_set_hint(reader_warning(loader->reader, node,
                                           "%s `%s`: nothing in a configuration is expanded", what,
                                           reader_quote(path, quoted)),
                            "write the whole path; relative ones begin at the folder of the file");
    }
    *out = reader_copy(loader->reader, text_slice(&full));
    return *out != NULL;
}

bool loader_file(struct loader *loader, const struct node *node, const char *what, size_t max_len,
                 enum file_access access, const char **out_path, struct file_content *out)
{
    struct errinfo info = {0};
    if (!loader_path(loader, node, what, out_path))
        return false;
    if (file_read(*out_path, max_len, access, out, &info) == ERR_OK) {
        loader_note_file(loader, *out_path, out->bytes);
        return true;
    }
    (void)reader_error(loader->reader, node, "%s: %s", what, info.text);
    return false;
}

void loader_note_file(struct loader *loader, const char *path, struct slice bytes)
{
    struct snapshot *snapshot = loader->snapshot;
    struct snapshot_file *file = arena_alloc(snapshot->arena, 1, sizeof *file);
    const char *copy = arena_copy_string(snapshot->arena, slice_of_string(path));
    if (file == NULL || copy == NULL) {
        (void)reader_no_memory(loader->reader);
        return;
    }
    file->path = copy;
    if (bytes.data != NULL)
        (void)SHA256(bytes.data, bytes.len, file->sha256);
    file->next = snapshot->files;
    snapshot->files = file;
}

const char *loader_folder(struct arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/');
    struct slice folder = slice_of(path, slash == NULL ? 0 : (size_t)(slash - path));
    if (slash == path)
        folder = SLICE_LITERAL("/");
    if (slash == NULL)
        folder = SLICE_LITERAL(".");
    return arena_copy_string(arena, folder);
}

// resolve_list and read_list are how the policy reaches its list files.
static bool resolve_list(void *arg, const struct node *node, const char **out_path)
{
    return loader_path(arg, node, "`file`", out_path);
}

static bool read_list(void *arg, const struct node *node, const char *path,
                      void (*take)(void *taker, struct slice bytes), void *taker)
{
    struct loader *loader = arg;
    struct file_content content = {0};
    struct errinfo info = {0};
    if (file_read(path, LIST_FILE_MAX, FILE_PUBLIC, &content, &info) != ERR_OK) {
        (void)reader_error(loader->reader, node, "`file`: %s", info.text);
        return false;
    }
    loader_note_file(loader, path, content.bytes);
    take(taker, content.bytes);
    file_content_deinit(&content);
    return true;
}

struct list_files loader_list_files(struct loader *loader)
{
    return (struct list_files){.resolve = resolve_list, .read = read_list, .arg = loader};
}

const char *date_format(int64_t time_s, char out[DATE_TEXT_CAP])
{
    struct tm parts = {0};
    const time_t time = (time_t)time_s;
    if (gmtime_r(&time, &parts) == NULL || strftime(out, DATE_TEXT_CAP, "%Y-%m-%d", &parts) == 0)
        (void)string_copy(out, DATE_TEXT_CAP, SLICE_LITERAL("?"));
    return out;
}

int64_t days_left(int64_t now_s, int64_t not_after_s)
{
    const int64_t seconds = not_after_s - now_s;
    return seconds < 0 ? -1 - (-1 - seconds) / SECONDS_A_DAY : seconds / SECONDS_A_DAY;
}

void loader_validity(struct loader *loader, const struct node *node, const char *what,
                     const char *subject, int64_t not_after_s)
{
    char date[DATE_TEXT_CAP];
    const int64_t days = days_left(loader->now_s, not_after_s);
    (void)date_format(not_after_s, date);
    if (days < 0) {
        (void)reader_warning(loader->reader, node, "%s (%s) has expired on %s", what, subject,
                             date);
    } else if (days <= CERTIFICATE_WARNING_DAYS) {
        diagnostic_set_hint(reader_warning(loader->reader, node,
                                           "%s (%s) has %" PRId64 " days left, until %s", what,
                                           subject, days, date),
                            "renew it in time");
    } else {
        (void)reader_note(loader->reader, node, "%s (%s) has %" PRId64 " days left, until %s", what,
                          subject, days, date);
    }
}
