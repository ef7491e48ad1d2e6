// The signature of a list protects it; TLS hides who asks, and keeps old lists and none from being passed for new ones.
#include "proxy/config/crl_servers.h"

#include "proxy/config/named_files.h"
#include "proxy/config/system_cas.h"

enum { CA_FILE_MAX = 16 * 1024 * 1024 }; // bytes

static bool needs_tls(const struct crl_source *source)
{
    size_t i = 0;
    while (i < source->prefix_count && !source->prefixes[i].is_https)
        i++;
    return source->url.is_https || i < source->prefix_count;
}

// take makes it of the CAs in a file.
static void take(struct reader *reader, const struct node *node, const char *path, bool is_system,
                 struct slice pem, struct server_trust **out)
{
    const struct server_trust_options options = {
        .ca_pem = pem, .is_system = is_system, .now_s = reader->now_s};
    struct errinfo info = {0};
    const enum err error = server_trust_create(&options, out, NULL, &info);
    if (error == ERR_MEMORY)
        (void)reader_no_memory(reader);
    else if (error != ERR_OK)
        reader_error(reader, node, "`crl`: ca %s: %s", path, info.text);
}

static void take_system(struct reader *reader, const struct node *entry, struct server_trust **out)
{
    struct file_content content = {0};
    if (system_cas_read(reader, entry, "`crl`", &content))
        take(reader, entry, SYSTEM_CAS_PATH, true, content.bytes, out);
    file_content_deinit(&content);
}

void crl_server_read(struct reader *reader, const struct node *entry,
                     const struct crl_source *source, struct server_trust **out)
{
    const struct node *node = node_get(entry, "ca");
    struct file_content content = {0};
    const char *path = NULL;
    *out = NULL;
    if (!needs_tls(source)) {
        if (node != NULL)
            reader_error(reader, node,
                         "`ca` has no meaning with http://: nobody shows a certificate there"
                         "\nwrite https://, or remove it");
        return;
    }
    if (node == NULL)
        take_system(reader, entry, out);
    else if (reader_file(reader, node, "`ca`", CA_FILE_MAX, FILE_PUBLIC, &path, &content))
        take(reader, node, path, false, content.bytes, out);
    file_content_deinit(&content);
}
