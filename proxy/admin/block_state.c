// Strict JSON.
#include "proxy/admin/block_state.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "auth/base/arena.h"
#include "auth/base/json.h"
#include "auth/json_members.h"
#include "proxy/admin/kept_file.h"
#include "proxy/config/file.h"

enum {
    STATE_VERSION = 1,
    PIECE_CAP = 4096, // bytes that are written at once
    STATE_MAX_BYTES = 64 * 1024 * 1024,
};

enum { ROOT_VERSION, ROOT_BLOCKS, ROOT_COUNT };
static const struct json_member root_members[ROOT_COUNT] = {
    [ROOT_VERSION] = {"v", JSON_INTEGER, "a whole number"},
    [ROOT_BLOCKS] = {"blocks", JSON_ARRAY, "a list"},
};

enum { ENTRY_BLOCK, ENTRY_SINCE, ENTRY_UID, ENTRY_COUNT };
static const struct json_member entry_members[ENTRY_COUNT] = {
    [ENTRY_BLOCK] = {"block", JSON_STRING, "a string"},
    [ENTRY_SINCE] = {"since", JSON_INTEGER, "a whole number"},
    [ENTRY_UID] = {"uid", JSON_INTEGER, "a whole number"},
};

// entry_read reads one block; its text goes to the arena.
static enum err entry_read(json_t *entry, struct arena *arena, struct block *out,
                           struct errinfo *info)
{
    json_t *members[ENTRY_COUNT];
    char text[BLOCK_TEXT_CAP];
    TRY(json_members_read(entry, entry_members, ENTRY_COUNT, members, info));
    const json_t *spelling = members[ENTRY_BLOCK];
    const json_int_t since_s = json_integer_value(members[ENTRY_SINCE]);
    const json_int_t uid = json_integer_value(members[ENTRY_UID]);
    if (since_s < 0 || since_s > INT64_MAX / 1000 || uid < 0 || uid > UINT32_MAX)
        return errinfo_set(info, ERR_INPUT, "`since` or `uid` is out of range");
    TRY(block_parse(slice_of(json_string_value(spelling), json_string_length(spelling)), text, out,
                    info));
    out->text = arena_copy_string(arena, slice_of_string(text));
    out->since_s = since_s;
    out->uid = (uint32_t)uid;
    return out->text == NULL ? errinfo_set(info, ERR_MEMORY, "no memory") : ERR_OK;
}

static enum err list_read(json_t *root, struct arena *arena, struct blocklist **out,
                          struct errinfo *info)
{
    json_t *members[ROOT_COUNT];
    TRY(json_members_read(root, root_members, ROOT_COUNT, members, info));
    if (json_integer_value(members[ROOT_VERSION]) != STATE_VERSION)
        return errinfo_set(info, ERR_INPUT, "`v` is not %d", (int)STATE_VERSION);
    const json_t *list = members[ROOT_BLOCKS];
    const size_t count = json_array_size(list);
    if (count > BLOCKS_MAX)
        return errinfo_set(info, ERR_INPUT, "`blocks` has more than %d blocks", (int)BLOCKS_MAX);
    struct block *blocks = arena_alloc(arena, count + 1, sizeof *blocks);
    if (blocks == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory");
    for (size_t i = 0; i < count; i++) {
        struct errinfo why;
        const enum err failed = entry_read(json_array_get(list, i), arena, &blocks[i], &why);
        if (failed != ERR_OK)
            return errinfo_set(info, failed, "block %zu: %s", i + 1, why.text);
    }
    const enum err failed = blocklist_create(blocks, count, out);
    return failed == ERR_INPUT ? errinfo_set(info, failed, "a block appears twice")
           : failed != ERR_OK  ? errinfo_set(info, failed, "no memory")
                               : ERR_OK;
}

static enum err text_read(struct slice bytes, struct arena *arena, struct blocklist **out,
                          struct errinfo *info)
{
    json_t *root = NULL;
    TRY(json_text_read(bytes, &root, info));
    const enum err failed = list_read(root, arena, out, info);
    json_decref(root);
    return failed;
}

enum err block_state_parse(struct slice bytes, const char *path, struct blocklist **out,
                           struct errinfo *info)
{
    struct errinfo why;
    struct arena *arena = arena_create();
    *out = NULL;
    const enum err failed = arena == NULL ? errinfo_set(&why, ERR_MEMORY, "no memory")
                                          : text_read(bytes, arena, out, &why);
    arena_destroy(arena);
    if (failed == ERR_OK)
        return ERR_OK;
    if (failed == ERR_MEMORY)
        return errinfo_set(info, failed, "%.200s: %.120s", path, why.text);
    return errinfo_set(
        info, failed,
        "%.200s: %.120s; it is not known who is blocked, so the proxy does not start: repair the file, or remove it if nobody is to be blocked",
        path, why.text);
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

bool block_state_format(const struct blocklist *list, text_sink_fn sink, void *arg)
{
    char piece[PIECE_CAP];
    struct text text;
    text_init_sink(&text, piece, sizeof piece, sink, arg);
    json_begin_object(&text, NULL);
    json_add_number(&text, "v", STATE_VERSION);
    json_begin_array(&text, "blocks");
    for (size_t i = 0; i < blocklist_count(list); i++) {
        const struct block *block = blocklist_at(list, i);
        text_append_string(&text, i == 0 ? "\n" : ",\n");
        json_begin_object(&text, NULL);
        json_add_string(&text, "block", block->text);
        json_add_number(&text, "since", block->since_s);
        json_add_count(&text, "uid", block->uid);
        json_end_object(&text);
    }
    text_append_string(&text, "\n");
    json_end_array(&text);
    json_end_object(&text);
    text_append_string(&text, "\n");
    text_flush(&text);
    return !text.is_cut;
}

static void write_piece(void *arg, struct slice bytes)
{
    (void)fwrite(bytes.data, 1, bytes.len, arg);
}

static bool write_list(FILE *file, const void *list)
{
    return block_state_format(list, write_piece, file);
}

enum err block_state_save(const char *path, const struct blocklist *list, struct errinfo *info)
{
    return kept_file_write(path, write_list, list, info);
}
