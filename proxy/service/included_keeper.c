// The record is compared with what is there first: most reloads change no included file.
#include "proxy/service/included_keeper.h"

#include <unistd.h>

#include "proxy/admin/kept_file.h"
#include "proxy/config/file.h"
#include "proxy/config/included_record.h"
#include "proxy/log/log.h"
#include "proxy/service/state.h"

static void write_piece(void *arg, struct slice bytes)
{
    (void)fwrite(bytes.data, 1, bytes.len, arg);
}

static bool write_record(FILE *file, const void *arg)
{
    included_record_format(arg, write_piece, file);
    return true;
}

// comparison is a walk over what is in the file.
struct comparison {
    struct slice rest;
    bool is_same;
};

static void compare_piece(void *arg, struct slice bytes)
{
    struct comparison *comparison = arg;
    comparison->is_same = comparison->is_same && slice_starts_with(comparison->rest, bytes);
    comparison->rest = slice_from(comparison->rest, bytes.len);
}

static bool is_kept(const char *path, const struct included_parts *parts)
{
    struct file_content content = {0};
    struct errinfo ignored;
    if (file_read(path, INCLUDED_RECORD_BYTES_MAX, FILE_PUBLIC, &content, &ignored) != ERR_OK)
        return false;
    struct comparison comparison = {.rest = content.bytes, .is_same = true};
    included_record_format(parts, compare_piece, &comparison);
    file_content_deinit(&content);
    return comparison.is_same && comparison.rest.len == 0;
}

void included_keep(struct service *service)
{
    const struct snapshot *snapshot = service->snapshot;
    char path[INCLUDED_RECORD_PATH_CAP];
    struct errinfo info;
    if (snapshot->state_path == NULL || !included_record_path(snapshot->state_path, path))
        return;
    if (snapshot->included.count == 0 && !file_is_there(path))
        return;
    if (is_kept(path, &snapshot->included) ||
        kept_file_write(path, write_record, &snapshot->included, &info) == ERR_OK)
        return;
    (void)unlink(path);
    log_warning(
        LOG_INCLUDED_NOT_KEPT,
        "which included files are in force is not kept, so that a restart takes all of them for new: %s",
        info.text);
}
