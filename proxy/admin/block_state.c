// Strict JSON.
#include "proxy/admin/block_state.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "auth/base/hex.h"
#include "auth/base/json.h"
#include "auth/json_members.h"
#include "proxy/admin/kept_file.h"
#include "proxy/config/file.h"
#include "proxy/fleet/fleet_word.h"

enum {
    STATE_VERSION = 1, // of a proxy that shares nothing
    STATE_SHARED = 2,
    PIECE_CAP = 4096, // bytes that are written at once
    STATE_MAX_BYTES = 64 * 1024 * 1024,
};

enum { ROOT_VERSION, ROOT_BLOCKS, ROOT_COUNT };
static const struct json_member root_members[ROOT_COUNT] = {
    [ROOT_VERSION] = {"v", JSON_INTEGER, "a whole number"},
    [ROOT_BLOCKS] = {"blocks", JSON_ARRAY, "a list"},
};

enum { SHARED_VERSION, SHARED_STORE, SHARED_TICKETS, SHARED_NEWEST, SHARED_BLOCKS, SHARED_COUNT };
static const struct json_member shared_members[SHARED_COUNT] = {
    [SHARED_VERSION] = {"v", JSON_INTEGER, "a whole number"},
    [SHARED_STORE] = {"store", JSON_STRING, "a string"},
    [SHARED_TICKETS] = {"tickets", JSON_INTEGER, "a whole number"},
    [SHARED_NEWEST] = {"newest", JSON_INTEGER, "a whole number"},
    [SHARED_BLOCKS] = {"blocks", JSON_ARRAY, "a list"},
};

enum { ENTRY_BLOCK, ENTRY_SINCE, ENTRY_UID, ENTRY_COUNT };
static const struct json_member entry_members[ENTRY_COUNT] = {
    [ENTRY_BLOCK] = {"block", JSON_STRING, "a string"},
    [ENTRY_SINCE] = {"since", JSON_INTEGER, "a whole number"},
    [ENTRY_UID] = {"uid", JSON_INTEGER, "a whole number"},
};

enum {
    WORD_OP = ENTRY_COUNT,
    WORD_VERSION,
    WORD_BY,
    WORD_SHARED,
    WORD_AFTER,
    WORD_AFTER_BY,
    WORD_COUNT
};
static const struct json_member word_members[WORD_COUNT] = {
    [ENTRY_BLOCK] = {"block", JSON_STRING, "a string"},
    [ENTRY_SINCE] = {"since", JSON_INTEGER, "a whole number"},
    [ENTRY_UID] = {"uid", JSON_INTEGER, "a whole number"},
    [WORD_OP] = {"op", JSON_STRING, "a string"},
    [WORD_VERSION] = {"version", JSON_INTEGER, "a whole number"},
    [WORD_BY] = {"by", JSON_STRING, "a string"},
    [WORD_SHARED] = {"shared", JSON_INTEGER, "a whole number"},
    [WORD_AFTER] = {"after", JSON_INTEGER, "a whole number"},
    [WORD_AFTER_BY] = {"after_by", JSON_STRING, "a string"},
};

// block_read reads what both versions say of a block; its text goes to `text`.
static enum err block_read(json_t *const *members, char text[BLOCK_TEXT_CAP], struct block *out,
                           struct errinfo *info)
{
    const json_int_t since_s = json_integer_value(members[ENTRY_SINCE]);
    const json_int_t uid = json_integer_value(members[ENTRY_UID]);
    if (since_s < 0 || since_s > INT64_MAX / 1000 || uid < 0 || uid > UINT32_MAX)
        return errinfo_set(info, ERR_INPUT, "`since` or `uid` is out of range");
    TRY(block_parse(json_members_slice(members[ENTRY_BLOCK]), text, out, info));
    out->since_s = since_s;
    out->uid = (uint32_t)uid;
    return ERR_OK;
}

// word_read reads what version 2 says beside it.
static enum err word_read(json_t *const *members, struct fleet_word *out, struct errinfo *info)
{
    const json_int_t version = json_integer_value(members[WORD_VERSION]);
    const json_int_t shared = json_integer_value(members[WORD_SHARED]);
    const json_int_t after = json_integer_value(members[WORD_AFTER]);
    const struct slice by = json_members_slice(members[WORD_BY]);
    const struct slice after_by = json_members_slice(members[WORD_AFTER_BY]);
    if (version < 0 || (uint64_t)version > FLEET_VERSION_MAX || shared < 0 || shared > 1)
        return errinfo_set(info, ERR_INPUT, "`version` or `shared` is out of range");
    if (after < 0 || (after > 0 && after >= version))
        return errinfo_set(info, ERR_INPUT, "`after` is not below `version`");
    if ((by.len != 0 && !fleet_instance_is(by)) ||
        (after_by.len != 0 && !fleet_instance_is(after_by)))
        return errinfo_set(info, ERR_INPUT, "`by` or `after_by` is no instance");
    if (!fleet_op_parse(json_members_slice(members[WORD_OP]), &out->op))
        return errinfo_set(info, ERR_INPUT, "`op` is neither block nor unblock");
    out->version = (uint64_t)version;
    out->is_shared = shared == 1;
    out->after = (uint64_t)after;
    (void)string_copy(out->by, sizeof out->by, by);
    (void)string_copy(out->after_by, sizeof out->after_by, after_by);
    return ERR_OK;
}

// entry_read reads one word and puts it into the set.
static enum err entry_read(json_t *entry, bool is_shared, struct fleet_blocks *words,
                           struct errinfo *info)
{
    json_t *members[WORD_COUNT];
    char text[BLOCK_TEXT_CAP];
    struct fleet_word word = {.op = FLEET_BLOCK};
    TRY(json_members_read(entry, is_shared ? word_members : entry_members,
                          is_shared ? (size_t)WORD_COUNT : (size_t)ENTRY_COUNT, members, info));
    TRY(block_read(members, text, &word.block, info));
    if (is_shared)
        TRY(word_read(members, &word, info));
    if (fleet_blocks_find(words, text) != NULL)
        return errinfo_set(info, ERR_INPUT, "it stands there twice");
    const enum err error = fleet_blocks_put(words, &word);
    return error == ERR_OK ? ERR_OK
           : error == ERR_LIMIT
               ? errinfo_set(info, ERR_INPUT, "there are more than %d blocks", (int)BLOCKS_MAX)
               : errinfo_set(info, error, "no memory");
}

static enum err list_read(const json_t *list, bool is_shared, struct fleet_blocks *words,
                          struct errinfo *info)
{
    const size_t count = json_array_size(list);
    const size_t most = is_shared ? (size_t)BLOCKS_MAX + FLEET_ENDS_MAX : (size_t)BLOCKS_MAX;
    if (count > most)
        return errinfo_set(info, ERR_INPUT, "`blocks` has more than %zu blocks", most);
    for (size_t i = 0; i < count; i++) {
        struct errinfo why;
        const enum err failed = entry_read(json_array_get(list, i), is_shared, words, &why);
        if (failed != ERR_OK)
            return errinfo_set(info, failed, "block %zu: %s", i + 1, why.text);
    }
    return ERR_OK;
}

// store_read reads the mark of the store, which is that of none, or a digest.
static enum err store_read(json_t *const *members, struct block_state *out, struct errinfo *info)
{
    const struct slice store = json_members_slice(members[SHARED_STORE]);
    const json_int_t tickets = json_integer_value(members[SHARED_TICKETS]);
    const json_int_t newest = json_integer_value(members[SHARED_NEWEST]);
    uint8_t digest[(BLOCK_STATE_STORE_CAP - 1) / 2];
    size_t digits = 0;
    const bool is_digest = store.len == BLOCK_STATE_STORE_CAP - 1 &&
                           hex_read(store, digest, sizeof digest, &digits) && digits == store.len;
    if (!is_digest && store.len != 0)
        return errinfo_set(info, ERR_INPUT, "`store` is not 32 hexadecimal digits");
    if (tickets < 0 || (uint64_t)tickets > FLEET_VERSION_MAX)
        return errinfo_set(info, ERR_INPUT, "`tickets` is out of range");
    if (newest < 0 || (uint64_t)newest > FLEET_VERSION_MAX)
        return errinfo_set(info, ERR_INPUT, "`newest` is out of range");
    fleet_blocks_note_newest(out->words, (uint64_t)newest);
    (void)string_copy(out->store, sizeof out->store, store);
    out->tickets = (uint64_t)tickets;
    return ERR_OK;
}

static enum err root_read(json_t *root, struct block_state *out, struct errinfo *info)
{
    const json_t *version = json_object_get(root, "v");
    if (json_is_integer(version) && json_integer_value(version) == STATE_SHARED) {
        json_t *members[SHARED_COUNT];
        TRY(json_members_read(root, shared_members, SHARED_COUNT, members, info));
        TRY(store_read(members, out, info));
        return list_read(members[SHARED_BLOCKS], true, out->words, info);
    }
    json_t *members[ROOT_COUNT];
    TRY(json_members_read(root, root_members, ROOT_COUNT, members, info));
    if (json_integer_value(members[ROOT_VERSION]) != STATE_VERSION)
        return errinfo_set(info, ERR_INPUT,
                           "`v` is neither %d nor %d: a newer version of the program has written "
                           "it, perhaps",
                           (int)STATE_VERSION, (int)STATE_SHARED);
    return list_read(members[ROOT_BLOCKS], false, out->words, info);
}

static enum err text_read(struct slice bytes, struct block_state *out, struct errinfo *info)
{
    json_t *root = NULL;
    TRY(json_text_read(bytes, &root, info));
    const enum err failed = root_read(root, out, info);
    json_decref(root);
    return failed;
}

enum err block_state_init(struct block_state *state)
{
    *state = (struct block_state){.words = fleet_blocks_create()};
    return state->words == NULL ? ERR_MEMORY : ERR_OK;
}

void block_state_deinit(struct block_state *state)
{
    fleet_blocks_destroy(state->words);
    *state = (struct block_state){0};
}

enum err block_state_parse(struct slice bytes, const char *path, struct block_state *out,
                           struct errinfo *info)
{
    struct errinfo why;
    enum err failed = block_state_init(out);
    if (failed == ERR_OK)
        failed = text_read(bytes, out, &why);
    else
        (void)errinfo_set(&why, failed, "no memory");
    if (failed == ERR_OK)
        return ERR_OK;
    block_state_deinit(out);
    if (failed == ERR_MEMORY)
        return errinfo_set(info, failed, "%.200s: %.120s", path, why.text);
    return errinfo_set(
        info, failed,
        "%.200s: %.120s; it is not known who is blocked, so the proxy does not start: repair the file, or remove it if nobody is to be blocked",
        path, why.text);
}

// make writes an empty file where there is none.
static enum err make(const char *path, struct block_state *out, struct errinfo *info)
{
    if (block_state_init(out) != ERR_OK)
        return errinfo_set(info, ERR_INPUT, "%.200s: no memory", path);
    if (block_state_save(path, out, info) == ERR_OK)
        return ERR_OK;
    block_state_deinit(out);
    return ERR_INPUT;
}

enum err block_state_load(const char *path, struct block_state *out, struct errinfo *info)
{
    struct file_content content = {0};
    struct stat status;
    *out = (struct block_state){0};
    if (lstat(path, &status) != 0)
        return make(path, out, info);
    enum err error = file_read(path, STATE_MAX_BYTES, FILE_PUBLIC, &content, info);
    if (error == ERR_OK)
        error = block_state_parse(content.bytes, path, out, info);
    file_content_deinit(&content);
    return error == ERR_OK ? ERR_OK : ERR_INPUT;
}

static void begin(struct text *text, char piece[PIECE_CAP], text_sink_fn sink, void *arg)
{
    text_init_sink(text, piece, PIECE_CAP, sink, arg);
    json_begin_object(text, NULL);
}

static bool end(struct text *text)
{
    text_append_string(text, "\n");
    json_end_array(text);
    json_end_object(text);
    text_append_string(text, "\n");
    text_flush(text);
    return !text->is_cut;
}

static void add_block(struct text *text, const struct block *block)
{
    json_add_string(text, "block", block->text);
    json_add_number(text, "since", block->since_s);
    json_add_count(text, "uid", block->uid);
}

bool block_state_format_list(const struct blocklist *list, text_sink_fn sink, void *arg)
{
    char piece[PIECE_CAP];
    struct text text;
    begin(&text, piece, sink, arg);
    json_add_number(&text, "v", STATE_VERSION);
    json_begin_array(&text, "blocks");
    for (size_t i = 0; i < blocklist_count(list); i++) {
        text_append_string(&text, i == 0 ? "\n" : ",\n");
        json_begin_object(&text, NULL);
        add_block(&text, blocklist_at(list, i));
        json_end_object(&text);
    }
    return end(&text);
}

// is_shared tells whether there is something that version 1 cannot say.
static bool is_shared(const struct block_state *state)
{
    bool is_found = state->store[0] != '\0' || state->tickets != 0;
    for (size_t i = 0; i < fleet_blocks_count(state->words) && !is_found; i++) {
        const struct fleet_word *word = fleet_blocks_at(state->words, i);
        is_found = word->version != 0 || word->op != FLEET_BLOCK;
    }
    return is_found;
}

static void add_word(struct text *text, const struct fleet_word *word, bool has_version)
{
    json_begin_object(text, NULL);
    add_block(text, &word->block);
    if (has_version) {
        json_add_string(text, "op", fleet_op_name(word->op));
        json_add_count(text, "version", word->version);
        json_add_string(text, "by", word->by);
        json_add_count(text, "shared", word->is_shared);
        json_add_count(text, "after", word->after);
        json_add_string(text, "after_by", word->after_by);
    }
    json_end_object(text);
}

bool block_state_format(const struct block_state *state, text_sink_fn sink, void *arg)
{
    char piece[PIECE_CAP];
    struct text text;
    const bool has_versions = is_shared(state);
    begin(&text, piece, sink, arg);
    json_add_number(&text, "v", has_versions ? STATE_SHARED : STATE_VERSION);
    if (has_versions) {
        json_add_string(&text, "store", state->store);
        json_add_count(&text, "tickets", state->tickets);
        json_add_count(&text, "newest", fleet_blocks_newest(state->words));
    }
    json_begin_array(&text, "blocks");
    for (size_t i = 0; i < fleet_blocks_count(state->words); i++) {
        text_append_string(&text, i == 0 ? "\n" : ",\n");
        add_word(&text, fleet_blocks_at(state->words, i), has_versions);
    }
    return end(&text);
}

static void write_piece(void *arg, struct slice bytes)
{
    (void)fwrite(bytes.data, 1, bytes.len, arg);
}

static bool write_state(FILE *file, const void *state)
{
    return block_state_format(state, write_piece, file);
}

enum err block_state_save(const char *path, const struct block_state *state, struct errinfo *info)
{
    return kept_file_write(path, write_state, state, info);
}
