// A pair that cannot be read counts as one that failed, so that a later reload may find it whole.
#include "proxy/config/server_files.h"

#include "proxy/config/named_files.h"

enum {
    CERTIFICATE_FILE_MAX = 1024 * 1024, // bytes
    CA_FILE_MAX = 16 * 1024 * 1024,     // bytes
};

bool server_files_read(struct reader *reader, const struct node *node,
                       const struct section *certificate, struct server_files *out)
{
    const struct node *pair = node_get(node, "certificate");
    size_t *pair_count = &reader->diagnostics->pair_count;
    const bool has_ca = reader_file(reader, node_get(node, "ca"), "`ca`", CA_FILE_MAX, FILE_PUBLIC,
                                    &out->ca_path, &out->ca);
    if (pair == NULL)
        return has_ca;
    if (!section_read(reader, pair, certificate, NULL))
        return false;
    const bool has_chain =
        reader_file(reader, node_get(pair, "chain"), "`chain`", CERTIFICATE_FILE_MAX, FILE_PUBLIC,
                    &out->chain_path, &out->chain);
    const bool has_key = reader_file(reader, node_get(pair, "key"), "`key`", CERTIFICATE_FILE_MAX,
                                     FILE_SECRET, &out->key_path, &out->key);
    *pair_count += (size_t)!has_chain + (size_t)!has_key;
    if (has_chain && out->chain.bytes.len == 0)
        return reader_error(reader, pair, "chain %s: the file is empty", out->chain_path);
    return has_ca && has_chain && has_key;
}

void server_files_deinit(struct server_files *files)
{
    file_content_deinit(&files->ca);
    file_content_deinit(&files->chain);
    file_content_deinit(&files->key);
}
