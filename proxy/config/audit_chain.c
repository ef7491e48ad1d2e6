// A table, and a file with one line.
#include "proxy/config/audit_chain.h"

#include <openssl/mem.h>

#include "proxy/chain/chain_settings.h"
#include "proxy/config/named_files.h"

enum { KEY_FILE_MAX = 1024 };

static const struct key keys[] = {
    KEY_KNOWN("key", KEY_REQUIRED),
    KEY_ROW("every", KEY_DURATION, struct chain_settings, every_ms, .min = SECOND_MS,
            .max = HOUR_MS, .fallback = 10 * SECOND_MS),
};

const struct section audit_chain_section = SECTION("`chain`", keys);

// signer_read reads the key's file.
static bool signer_read(struct reader *reader, const struct node *node, struct note_signer *out)
{
    struct file_content content = {0};
    const char *path = NULL;
    if (!reader_file(reader, node, "`key`", KEY_FILE_MAX, FILE_SECRET, &path, &content))
        return false;
    const bool is_good = note_signer_parse(content.bytes, out);
    file_content_deinit(&content);
    if (!is_good)
        reader_error(reader, node,
                     "%s is not a key that signs audit logs"
                     "\nmake one with: sallyport audit keygen %s",
                     path, path);
    return is_good;
}

void audit_chain_read(struct reader *reader, const struct node *node, const char *what, void *field)
{
    struct chain_settings **out = field;
    struct chain_settings settings = {0};
    (void)what;
    if (section_read(reader, node, &audit_chain_section, &settings) &&
        signer_read(reader, node_get(node, "key"), &settings.signer)) {
        *out = OPENSSL_memdup(&settings, sizeof settings);
        if (*out == NULL)
            reader_no_memory(reader);
    }
    OPENSSL_cleanse(&settings, sizeof settings);
}
