// From the files, or from the process that keeps them.
#include "proxy/config/pair_files.h"

#include <openssl/mem.h>

#include "proxy/config/named_files.h"

enum {
    CERTIFICATE_FILE_MAX = 1024 * 1024, // bytes
    SIGNER_FILE_MAX = 1024,
};

// take_outcome notes a file that was read elsewhere, or reports why it was not.
static bool take_outcome(struct reader *reader, const struct node *node, const char *what,
                         const char *path, enum err error, const uint8_t sha256[32], bool has_key,
                         const struct errinfo *info)
{
    if (error == ERR_OK)
        reader_note_apart(reader, path, sha256, has_key);
    else if (error == ERR_MEMORY)
        reader_no_memory(reader);
    else
        reader_error(reader, node, "%s: %s", what, info->text);
    return error == ERR_OK;
}

static bool chain_read(struct reader *reader, const struct node *node, struct pair_files *out)
{
    struct chain_content content = {.has_key = false};
    struct errinfo info = {0};
    if (reader->keys == NULL) {
        if (!reader_file(reader, node, "`chain`", CERTIFICATE_FILE_MAX, FILE_PUBLIC,
                         &out->chain_path, &out->chain))
            return false;
        out->is_chain_empty = out->chain.bytes.len == 0;
        out->has_key_in_chain = slice_contains(out->chain.bytes, SLICE_LITERAL("PRIVATE KEY-----"));
        reader_mark_apart(reader, out->has_key_in_chain);
        return true;
    }
    if (!reader_path(reader, node, "`chain`", &out->chain_path))
        return false;
    const enum err error =
        reader->keys->ops->read_chain(reader->keys, out->chain_path, &content, &info);
    out->chain = content.certificates;
    out->has_key_in_chain = content.has_key;
    out->is_chain_empty = content.is_empty;
    return take_outcome(reader, node, "`chain`", out->chain_path, error, content.sha256,
                        content.has_key, &info);
}

static bool tls_key_read(struct reader *reader, const struct node *node, struct pair_files *out)
{
    struct errinfo info = {0};
    if (reader->keys == NULL) {
        const bool is_read = reader_file(reader, node, "`key`", CERTIFICATE_FILE_MAX, FILE_SECRET,
                                         &out->key_path, &out->key_text);
        out->key.pem = out->key_text.bytes;
        if (is_read)
            reader_mark_apart(reader, true);
        return is_read;
    }
    if (!reader_path(reader, node, "`key`", &out->key_path))
        return false;
    const enum err error =
        reader->keys->ops->read_key(reader->keys, out->key_path, &out->apart, &info);
    out->key.apart = out->apart.tls;
    out->key.problem = out->apart.tls == NULL ? out->apart.problem.text : NULL;
    return take_outcome(reader, node, "`key`", out->key_path, error, out->apart.sha256, true,
                        &info);
}

// is_key_alone tells whether `chain` names a file with a key and without a certificate: the two files were swapped.
static bool is_key_alone(const struct pair_files *pair)
{
    return pair->has_key_in_chain &&
           !slice_contains(pair->chain.bytes, SLICE_LITERAL("BEGIN CERTIFICATE"));
}

bool pair_files_read(struct reader *reader, const struct node *node, struct pair_files *out)
{
    size_t *pair_count = &reader->diagnostics->pair_count;
    const bool has_chain = chain_read(reader, node_get(node, "chain"), out);
    if (has_chain && is_key_alone(out)) { // then the other one is no key, and its mode is no fault
        reader_error(reader, node_get(node, "chain"),
                     "%s holds a private key and no certificate\nare `chain` and `key` swapped?",
                     out->chain_path);
        (*pair_count)++;
        return false;
    }
    const bool has_key = tls_key_read(reader, node_get(node, "key"), out);
    *pair_count += (size_t)!has_chain + (size_t)!has_key;
    return has_chain && has_key;
}

void pair_files_deinit(struct pair_files *files)
{
    file_content_deinit(&files->chain);
    file_content_deinit(&files->key_text);
    private_key_unref(files->apart.tls);
    checkpoint_signer_unref(files->apart.signer);
    *files = (struct pair_files){0};
}

// read_here makes a signer of the key in a file that this process reads. NULL and no report: it is none.
static bool read_here(struct reader *reader, const struct node *node, const char **out_path,
                      struct checkpoint_signer **out)
{
    struct file_content content = {0};
    struct note_signer key;
    if (!reader_file(reader, node, "`key`", SIGNER_FILE_MAX, FILE_SECRET, out_path, &content))
        return false;
    reader_mark_apart(reader, true);
    if (note_signer_parse(content.bytes, &key)) {
        *out = checkpoint_signer_create(&key);
        if (*out == NULL)
            reader_no_memory(reader);
    }
    OPENSSL_cleanse(&key, sizeof key);
    file_content_deinit(&content);
    return true;
}

static bool read_apart(struct reader *reader, const struct node *node, const char **out_path,
                       struct checkpoint_signer **out)
{
    struct key_content content = {.tls = NULL};
    struct errinfo info = {0};
    if (!reader_path(reader, node, "`key`", out_path))
        return false;
    const enum err error = reader->keys->ops->read_signer(reader->keys, *out_path, &content, &info);
    *out = content.signer;
    return take_outcome(reader, node, "`key`", *out_path, error, content.sha256, true, &info);
}

struct checkpoint_signer *signer_file_read(struct reader *reader, const struct node *node)
{
    struct checkpoint_signer *signer = NULL;
    const char *path = NULL;
    const bool is_read = reader->keys == NULL ? read_here(reader, node, &path, &signer)
                                              : read_apart(reader, node, &path, &signer);
    if (is_read && signer == NULL && !reader->is_out_of_memory)
        reader_error(reader, node,
                     "%s is not a key that signs audit logs"
                     "\nmake one with: sallyport audit keygen %s",
                     path, path);
    return signer;
}
