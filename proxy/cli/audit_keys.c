// Small files.
#include "proxy/cli/audit_keys.h"

#include "proxy/config/file.h"

enum { KEY_FILE_MAX = 1024, NOTE_FILE_MAX = 64 * 1024 };

enum err audit_key_take(void *arg, const char *path, struct errinfo *info)
{
    struct audit_keys *keys = arg;
    struct file_content content;
    if (keys->count == AUDIT_KEYS_MAX)
        return errinfo_set(info, ERR_LIMIT, "more than %d keys", AUDIT_KEYS_MAX);
    TRY(file_read(path, KEY_FILE_MAX, FILE_PUBLIC, &content, info));
    const bool is_good = note_verifier_parse(content.bytes, &keys->keys[keys->count]);
    file_content_deinit(&content);
    if (!is_good)
        return errinfo_set(info, ERR_INPUT,
                           "%s is no public key of an audit log: name the file that ends in .pub, "
                           "as `sallyport audit keygen` has made it",
                           path);
    keys->count++;
    return ERR_OK;
}

enum err audit_kept_take(void *arg, const char *path, struct errinfo *info)
{
    struct audit_keys *keys = arg;
    if (keys->kept_count == AUDIT_KEPT_MAX)
        return errinfo_set(info, ERR_LIMIT, "more than %d checkpoints", AUDIT_KEPT_MAX);
    keys->kept[keys->kept_count++] = path;
    return ERR_OK;
}

enum err audit_kept_read(const struct audit_keys *keys, const char *path, struct checkpoint *out,
                         struct errinfo *info)
{
    struct file_content content;
    enum note_result result = NOTE_UNSIGNED;
    TRY(file_read(path, NOTE_FILE_MAX, FILE_PUBLIC, &content, info));
    for (size_t i = 0; i < keys->count && result != NOTE_GOOD; i++)
        result = checkpoint_open(content.bytes, &keys->keys[i], out);
    file_content_deinit(&content);
    if (result == NOTE_GOOD)
        return ERR_OK;
    return errinfo_set(info, ERR_INPUT, "%s is no checkpoint that a key given by --key has signed",
                       path);
}
