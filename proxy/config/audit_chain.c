// A table, and a file with a key.
#include "proxy/config/audit_chain.h"

#include "proxy/chain/chain_settings.h"
#include "proxy/config/pair_files.h"

static const struct key keys[] = {
    KEY_KNOWN("key", KEY_REQUIRED),
    KEY_ROW("every", KEY_DURATION, struct chain_settings, every_ms, .min = SECOND_MS,
            .max = HOUR_MS, .fallback = 10 * SECOND_MS),
};

const struct section audit_chain_section = SECTION("`chain`", keys);

void audit_chain_read(struct reader *reader, const struct node *node, const char *what, void *field)
{
    struct chain_settings **out = field;
    struct chain_settings settings = {0};
    (void)what;
    if (!section_read(reader, node, &audit_chain_section, &settings))
        return;
    struct checkpoint_signer *signer = signer_file_read(reader, node_get(node, "key"));
    if (signer == NULL)
        return;
    *out = chain_settings_create(signer, settings.every_ms);
    if (*out == NULL)
        reader_no_memory(reader);
}
