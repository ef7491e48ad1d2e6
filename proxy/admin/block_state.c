// JSON is YAML, so the configuration's strict reader reads it. Writing: PATH.new, fsync, rename, fsync of the
// folder.
#include "proxy/admin/block_state.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/config/file.h"
#include "proxy/config/section.h"

enum {
    STATE_VERSION = 1,
    LINE_CAP = 6 * BLOCK_TEXT_CAP + 128, // every byte of the text escaped
    STATE_MAX_BYTES = 64 * 1024 * 1024,
};

// entry_read reads one block; its text goes to the reader's arena.
static bool entry_read(struct reader *reader, const struct node *node, struct block *out)
{
    static const struct key keys[] = {KEY_KNOWN("block", KEY_REQUIRED),
                                      KEY_KNOWN("since", KEY_REQUIRED),
                                      KEY_KNOWN("uid", KEY_REQUIRED)};
    static const struct section section = SECTION("a block", keys);
    struct slice spelling = {0};
    char text[BLOCK_TEXT_CAP];
    struct errinfo info;
    int64_t since_s = 0;
    int64_t uid = 0;
    if (!section_read(reader, node, &section, NULL) ||
        !reader_text(reader, node_get(node, "block"), "`block`", BLOCK_TEXT_CAP, &spelling) ||
        !reader_integer(reader, node_get(node, "since"), "`since`", 0, INT64_MAX / 1000,
                        &since_s) ||
        !reader_integer(reader, node_get(node, "uid"), "`uid`", 0, UINT32_MAX, &uid))
        return false;
    if (block_parse(spelling, text, out, &info) != ERR_OK) {
        (void)reader_error(reader, node, "`block`: %s", info.text);
        return false;
    }
    out->text = reader_copy(reader, slice_of_string(text));
    out->since_s = since_s;
    out->uid = (uint32_t)uid;
    return out->text != NULL;
}

static enum err list_read(struct reader *reader, const struct node *root, struct blocklist **out)
{
    static const struct key keys[] = {KEY_KNOWN("v", KEY_REQUIRED),
                                      KEY_KNOWN("blocks", KEY_REQUIRED)};
    static const struct section section = SECTION("the state", keys);
    const struct node *list = node_get(root, "blocks");
    int64_t version = 0;
    size_t count = 0;
    if (!section_read(reader, root, &section, NULL) ||
        !reader_integer(reader, node_get(root, "v"), "`v`", STATE_VERSION, STATE_VERSION,
                        &version) ||
        !reader_list(reader, list, "`blocks`", 0, BLOCKS_MAX))
        return ERR_INPUT;
    struct block *blocks = reader_alloc(reader, list->child_count, sizeof *blocks);
    if (blocks == NULL)
        return ERR_MEMORY;
    for (const struct node *entry = list->child; entry != NULL; entry = entry->next) {
        if (entry_read(reader, entry, &blocks[count]))
            count++;
    }
    if (reader->diagnostics->error_count > 0)
        return ERR_INPUT;
    const enum err error = blocklist_create(blocks, count, out);
    if (error == ERR_INPUT)
        (void)reader_error(reader, list, "a block appears twice");
    return error;
}

// tell writes the first finding as the sentence.
static enum err tell(const struct diagnostics *diagnostics, enum err error, const char *path,
                     struct errinfo *info)
{
    if (error == ERR_MEMORY || diagnostics->count == 0)
        return errinfo_set(info, error, "%.200s: no memory for the blocks", path);
    const struct diagnostic *first = &diagnostics->items[0];
    return errinfo_set(
        info, error,
        "%.200s:%" PRIu32 ":%" PRIu32
        ": %.120s; it is not known who is blocked, so the proxy does not start: repair the file, or remove it if nobody is to be blocked",
        path, first->line, first->column, first->message);
}

enum err block_state_parse(struct slice bytes, const char *path, struct blocklist **out,
                           struct errinfo *info)
{
    struct diagnostics diagnostics;
    struct yaml_document *document = NULL;
    struct reader reader = {.diagnostics = &diagnostics, .file = path, .arena = arena_create()};
    *out = NULL;
    diagnostics_init(&diagnostics);
    enum err error = reader.arena == NULL
                         ? ERR_MEMORY
                         : yaml_document_parse(bytes, path, &diagnostics, &document);
    if (error == ERR_OK)
        error = list_read(&reader, yaml_document_root(document), out);
    if (error != ERR_OK)
        error = tell(&diagnostics, error, path, info);
    yaml_document_destroy(document);
    arena_destroy(reader.arena);
    diagnostics_deinit(&diagnostics);
    return error;
}

enum err block_state_load(const char *path, struct blocklist **out, struct errinfo *info)
{
    struct file_content content = {0};
    struct stat status;
    *out = NULL;
    if (lstat(path, &status) != 0) {
        const enum err created = blocklist_create(NULL, 0, out);
        const enum err saved = created == ERR_OK ? block_state_save(path, *out, info) : created;
        if (saved == ERR_OK)
            return ERR_OK;
        blocklist_unref(*out);
        *out = NULL;
        return ERR_INPUT;
    }
    enum err error = file_read(path, STATE_MAX_BYTES, FILE_PUBLIC, &content, info);
    if (error == ERR_OK)
        error = block_state_parse(content.bytes, path, out, info);
    file_content_deinit(&content);
    return error == ERR_OK ? ERR_OK : ERR_INPUT;
}

static bool write_list(FILE *file, const struct blocklist *list)
{
    char line[LINE_CAP];
    (void)fprintf(file, "{\"v\":%d,\"blocks\":[\n", STATE_VERSION);
    for (size_t i = 0; i < blocklist_count(list); i++) {
        const struct block *block = blocklist_at(list, i);
        struct text text;
        text_init(&text, line, sizeof line);
        text_append_string(&text, "{\"block\":");
        text_append_json(&text, slice_of_string(block->text), BLOCK_TEXT_CAP);
        text_append_format(&text, ",\"since\":%" PRId64 ",\"uid\":%" PRIu32 "}%s\n", block->since_s,
                           block->uid, i + 1 < blocklist_count(list) ? "," : "");
        ASSERT(!text.is_cut);
        (void)fputs(line, file);
    }
    (void)fputs("]}\n", file);
    return fflush(file) == 0 && ferror(file) == 0;
}

// sync_folder makes the new name survive a power cut.
static bool sync_folder(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    const struct slice name = slash == NULL   ? SLICE_LITERAL(".")
                              : slash == path ? SLICE_LITERAL("/")
                                              : slice_of(path, (size_t)(slash - path));
    if (!string_copy(folder, sizeof folder, name))
        return false;
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool is_synced = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        (void)close(fd);
    return is_synced;
}

enum err block_state_save(const char *path, const struct blocklist *list, struct errinfo *info)
{
    char staged[PATH_MAX];
    struct text text;
    text_init(&text, staged, sizeof staged);
    text_append_format(&text, "%s.new", path);
    if (text.is_cut)
        return errinfo_set(info, ERR_SYSTEM, "the path of the state is too long");
    (void)unlink(staged); // of a run that was interrupted
    const int fd = open(staged, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (file == NULL) {
        if (fd >= 0)
            (void)close(fd);
        return errinfo_set(info, ERR_SYSTEM, "cannot write %s: %m", staged);
    }
    bool is_good = write_list(file, list) && fsync(fd) == 0;
    is_good = fclose(file) == 0 && is_good;
    if (!is_good || rename(staged, path) != 0) {
        const enum err error = errinfo_set(info, ERR_SYSTEM, "cannot write %s: %m", path);
        (void)unlink(staged);
        return error;
    }
    if (!sync_folder(path))
        return errinfo_set(info, ERR_SYSTEM, "cannot make sure that %s stays: %m", path);
    return ERR_OK;
}
