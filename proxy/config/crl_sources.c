// A URL, or where URLs may lead, an interval, and names in the folder that say nothing but which profile and URL they belong to.
#include "proxy/config/crl_sources.h"

#include <openssl/sha.h>

#include "auth/base/text.h"
#include "auth/crl_wishes.h"
#include "proxy/config/file.h"

enum { HEX_LEN = 2 * SHA256_DIGEST_LENGTH };

static const char LEARNED[] = ".cdp.";
static const char ENDING[] = ".crl";

// http_read reads a URL of a server of lists. False: it was reported.
static bool http_read(struct reader *reader, const struct node *node, const char *what,
                      struct http_url *out)
{
    struct slice text = {0};
    struct errinfo info;
    if (!reader_text(reader, node, what, CONFIG_TEXT_MAX, &text))
        return false;
    if (http_url_parse(text, out, &info) != ERR_OK)
        return reader_refuse(reader, node, what, info.text, "");
    return true;
}

static void url_read(struct reader *reader, const struct node *node, const char *what, void *field)
{
    struct http_url url;
    if (http_read(reader, node, what, &url))
        *(struct http_url *)field = url;
}

// prefix_read reads one of `under`: an item_read.
static bool prefix_read(struct reader *reader, const struct node *node, void *out, void *arg)
{
    const struct http_url *prefix = out;
    (void)arg;
    if (!http_read(reader, node, "`under`", out))
        return false;
    return http_url_is_prefix(prefix) ||
           reader_refuse(reader, node, "`under`", "a prefix ends in `/`",
                         "what is under http://pki.example.org/crl/ is nothing of "
                         "http://pki.example.org/crl-of-others/");
}

static const char *const from_words[] = {"cdp", NULL};

static const struct key source_keys[] = {
    KEY_OF("url", url_read, struct crl_source, url),
    KEY_KNOWN("from", KEY_OPTIONAL),
    KEY_KNOWN("under", KEY_OPTIONAL),
    KEY_KNOWN("ca", KEY_OPTIONAL),
    KEY_ROW("every", KEY_DURATION, struct crl_source, every_ms, .min = SECOND_MS, .max = 7 * DAY_MS,
            .fallback = HOUR_MS),
    KEY_ROW("max_size", KEY_SIZE, struct crl_source, max_size, .min = 4 * 1024, .max = CRL_FILE_MAX,
            .fallback = 64 * 1024 * 1024),
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
            "`crl` has a server, but the profile has no `crl_cache`"
            "\nwrite `crl_cache: crl-cache`, a folder that the proxy may write to: what was "
            "fetched survives a restart there");
        return NULL;
    }
    if (!reader_path(reader, node, "`crl_cache`", &folder))
        return NULL;
    if (file_is_folder(folder))
        return folder;
    if (file_is_there(folder))
        reader_error(reader, node,
                     "`crl_cache`: %s is a file, not a folder"
                     "\nname a folder that the proxy may write to, or move the file away",
                     folder);
    else
        reader_error(reader, node,
                     "`crl_cache`: there is no folder %s"
                     "\nrun: mkdir -m 755 %s, as the user that the proxy runs as",
                     folder, folder);
    return NULL;
}

// learned_read reads `from` and `under`.
static bool learned_read(struct reader *reader, const struct node *entry, struct crl_source *source)
{
    const struct items items = {.what = "`under`",
                                .min = 1,
                                .max = CRL_WISHES_MAX_PREFIXES,
                                .size = sizeof *source->prefixes,
                                .read = prefix_read};
    const struct node *from = node_get(entry, "from");
    const struct node *under = node_get(entry, "under");
    size_t word = 0;
    source->is_learned = from != NULL;
    if ((node_get(entry, "url") != NULL) == (from != NULL) || (under != NULL) != (from != NULL)) {
        reader_error(reader, entry,
                     "an entry of `crl` is a path, or has a `url`, or has `from` and `under`"
                     "\nwrite {url: \"http://pki.example.org/ca.crl\"}, or {from: cdp, under: "
                     "[\"http://pki.example.org/\"]}");
        return false;
    }
    if (from == NULL)
        return source->url.len > 0;
    if (!reader_choice(reader, from, "`from`", from_words, 1, &word))
        return false;
    source->prefixes = reader_items(reader, under, &items, &source->prefix_count);
    return source->prefix_count > 0 && source->prefix_count == under->child_count;
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
    text_append_string(&text, ENDING);
    return reader_copy(reader, text_slice(&text));
}

bool crl_source_learned_path(const struct crl_source *source, const struct http_url *url,
                             char out[CONFIG_PATH_MAX + 1])
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    struct text text;
    (void)SHA256((const uint8_t *)url->text, url->len, digest);
    text_init(&text, out, CONFIG_PATH_MAX + 1);
    text_append_format(&text, "%s/%s%s", source->path, source->trust, LEARNED);
    text_append_hex(&text, slice_of(digest, sizeof digest));
    text_append_string(&text, ENDING);
    return !text.is_cut;
}

bool crl_source_owns(const struct crl_source *source, const char *name)
{
    const struct slice trust = slice_of_string(source->trust);
    struct slice rest = slice_of_string(name);
    if (!slice_starts_with(rest, trust))
        return false;
    rest = slice_from(rest, trust.len);
    if (!slice_starts_with(rest, slice_of_string(LEARNED)))
        return false;
    rest = slice_from(rest, strlen(LEARNED));
    for (size_t i = 0; i < HEX_LEN && i < rest.len; i++) {
        if (strchr("0123456789abcdef", rest.data[i]) == NULL)
            return false;
    }
    return rest.len == HEX_LEN + strlen(ENDING) && slice_ends_with(rest, slice_of_string(ENDING));
}

const struct crl_source *crl_source_read(struct reader *reader, const struct node *profile,
                                         const struct node *entry)
{
    struct crl_source *source = reader_alloc(reader, 1, sizeof *source);
    if (source == NULL || !section_read(reader, entry, &crl_source_section, source))
        return NULL;
    const char *folder = folder_read(reader, profile, entry);
    source->trust = reader_copy(reader, profile->key->text);
    if (!learned_read(reader, entry, source) || folder == NULL || source->trust == NULL)
        return NULL;
    source->path = source->is_learned ? folder : keep_path(reader, folder, source);
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
        reader_warning(reader, node, "`crl_cache` does nothing: `crl` has no server");
}
