// Each file is noted with its digest.
#include "proxy/config/named_files.h"

#include <openssl/sha.h>

#include "proxy/config/snapshot.h"

enum { LIST_FILE_MAX = 256 * 1024 * 1024 }; // bytes

bool reader_file_at(struct reader *reader, const struct node *node, const char *what,
                    const char *path, size_t max_len, enum file_access access,
                    struct file_content *out)
{
    struct errinfo info = {0};
    const enum err error = file_read(path, max_len, access, out, &info);
    if (error == ERR_OK)
        reader_note_file(reader, path, out->bytes);
    else if (error == ERR_MEMORY)
        reader_no_memory(reader);
    else
        reader_error(reader, node, "%s: %s", what, info.text);
    return error == ERR_OK;
}

bool reader_file(struct reader *reader, const struct node *node, const char *what, size_t max_len,
                 enum file_access access, const char **out_path, struct file_content *out)
{
    return reader_path(reader, node, what, out_path) &&
           reader_file_at(reader, node, what, *out_path, max_len, access, out);
}

bool reader_list_file(struct reader *reader, const struct node *node, const char *path,
                      struct file_content *out)
{
    return reader_file_at(reader, node, "`file`", path, LIST_FILE_MAX, FILE_PUBLIC, out);
}

static void note_digest(struct reader *reader, const char *path, const uint8_t sha256[32],
                        bool is_apart, bool has_key)
{
    struct snapshot_file *file = arena_alloc(reader->files_arena, 1, sizeof *file);
    const char *copy = arena_copy_string(reader->files_arena, slice_of_string(path));
    if (file == NULL || copy == NULL) {
        reader_no_memory(reader);
        return;
    }
    file->path = copy;
    file->is_apart = is_apart;
    file->has_key = has_key;
    (void)bytes_copy(file->sha256, sizeof file->sha256, slice_of(sha256, sizeof file->sha256));
    file->next = reader->files;
    reader->files = file;
}

void reader_note_file(struct reader *reader, const char *path, struct slice bytes)
{
    uint8_t sha256[SHA256_DIGEST_LENGTH] = {0};
    if (bytes.data != NULL)
        (void)SHA256(bytes.data, bytes.len, sha256);
    note_digest(reader, path, sha256, false, false);
}

void reader_note_apart(struct reader *reader, const char *path, const uint8_t sha256[32],
                       bool has_key)
{
    note_digest(reader, path, sha256, true, has_key);
}

void reader_mark_apart(struct reader *reader, bool has_key)
{
    if (!reader->has_keys_apart || reader->files == NULL)
        return;
    reader->files->is_apart = true;
    reader->files->has_key = has_key;
}

const char *folder_of(struct arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/');
    struct slice folder = slice_of(path, slash == NULL ? 0 : (size_t)(slash - path));
    if (slash == path)
        folder = SLICE_LITERAL("/");
    if (slash == NULL)
        folder = SLICE_LITERAL(".");
    return arena_copy_string(arena, folder);
}
