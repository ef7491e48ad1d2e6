// A URL, an interval, and a name in the folder that says nothing but which profile and URL it belongs to.
#include "proxy/config/crl_sources.h"

#include <openssl/sha.h>

#include "auth/base/text.h"
#include "proxy/config/file.h"

static void url_read(struct reader *reader, const struct node *node, const char *what, void *field)
{
    struct http_url *url = field;
    struct slice text = {0};
    struct errinfo info;
    if (!reader_text(reader, node, what, CONFIG_TEXT_MAX, &text))
        return;
    if (http_url_parse(text, url, &info) != ERR_OK)
        (void)reader_refuse(reader, node, what, info.text, "");
    else if (url->is_https)
        (void)reader_refuse(reader, node, what, "a CRL is fetched over http:// only",
                            "the CA's signature protects it; CAs publish it over http, so that "
                            "nobody needs a CRL to fetch a CRL (RFC 5280, 8)");
}

static const struct key source_keys[] = {
    KEY_ROW("url", KEY_READ, struct crl_source, url, .support = KEY_REQUIRED, .read = url_read),
    KEY_ROW("every", KEY_DURATION, struct crl_source, every_ms, .min = SECOND_MS, .max = 7 * DAY_MS,
            .fallback = HOUR_MS),
};

const struct section crl_source_section = SECTION("an entry of `crl`", source_keys);

// folder_read gives `crl_cache`; NULL, and an error, without.
static const char *folder_read(struct reader *reader, const struct node *profile,
                               const struct node *entry)
{
    const struct node *node = node_get(profile, "crl_cache");
    const char *folder = NULL;
    if (node == NULL) {
        reader_error(
            reader, entry,
            "`crl` has a `url`, but the profile has no `crl_cache`"
            "\nwrite `crl_cache: crl-cache`, a folder that the proxy may write to: what was "
            "fetched survives a restart there");
        return NULL;
    }
    if (!reader_path(reader, node, "`crl_cache`", &folder))
        return NULL;
    if (file_is_folder(folder))
        return folder;
    reader_error(reader, node,
                 "`crl_cache`: there is no folder %s"
                 "\nrun: mkdir -m 755 %s, as the user that the proxy runs as",
                 folder, folder);
    return NULL;
}

// keep_path makes the name of the file: the SHA-256 of profile and URL.
static const char *keep_path(struct reader *reader, const char *folder,
                             const struct crl_source *source)
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    char path[CONFIG_PATH_MAX + 1];
    struct text text;
    SHA256_CTX ctx;
    (void)SHA256_Init(&ctx);
    (void)SHA256_Update(&ctx, source->trust, strlen(source->trust) + 1);
    (void)SHA256_Update(&ctx, source->url.text, source->url.len);
    (void)SHA256_Final(digest, &ctx);
    text_init(&text, path, sizeof path);
    text_append_format(&text, "%s/", folder);
    text_append_hex(&text, slice_of(digest, sizeof digest));
    text_append_string(&text, ".crl");
    return reader_copy(reader, text_slice(&text));
}

const struct crl_source *crl_source_read(struct reader *reader, const struct node *profile,
                                         const struct node *entry)
{
    struct crl_source *source = reader_alloc(reader, 1, sizeof *source);
    if (source == NULL || !section_read(reader, entry, &crl_source_section, source))
        return NULL;
    const char *folder = folder_read(reader, profile, entry);
    source->trust = reader_copy(reader, profile->key->text);
    if (folder == NULL || source->trust == NULL || source->url.len == 0)
        return NULL;
    source->path = keep_path(reader, folder, source);
    return source->path == NULL ? NULL : source;
}

bool crl_sources_has(const struct node *profile)
{
    const struct node *list = node_get(profile, "crl");
    const struct node *entry = list == NULL || list->kind != NODE_LIST ? NULL : list->child;
    while (entry != NULL && entry->kind != NODE_MAP)
        entry = entry->next;
    return entry != NULL;
}

void crl_sources_check(struct reader *reader, const struct node *profile)
{
    const struct node *node = node_get(profile, "crl_cache");
    if (node != NULL && !crl_sources_has(profile))
        reader_warning(reader, node, "`crl_cache` does nothing: `crl` has no `url`");
}
