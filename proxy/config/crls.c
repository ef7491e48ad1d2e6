// The `crl` of a trust profile: files and directories of revocation lists, given to auth/trust.
#include "proxy/config/loader.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>

enum {
    CRL_FILE_MAX = 256 * 1024 * 1024, // bytes; a million entries are some 40 MiB
    CRL_PATHS_MAX = 64,               // in one `crl`
    CRL_WARNING_DAYS = 7,             // a list with so few left is a warning
};

// file_add gives one file to the profile; `path` is in the arena.
static void file_add(struct loader *loader, const struct node *node, const char *path,
                     struct trust *trust)
{
    struct file_content content = {0};
    struct errinfo info = {0};
    if (file_read(path, CRL_FILE_MAX, FILE_PUBLIC, &content, &info) != ERR_OK) {
        (void)reader_error(loader->reader, node, "`crl`: %s", info.text);
        return;
    }
    loader_note_file(loader, path, content.bytes);
    if (trust_add_crl(trust, content.bytes, &info) != ERR_OK)
        (void)reader_error(loader->reader, node, "`crl`: %s: %s", path, info.text);
    file_content_deinit(&content);
}

static bool is_directory(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

// entry_add gives a directory's entry to the profile and tells whether it was a file. Names with a
// dot in front are not: hidden files, and the folders of versions that mounted secrets come with.
static bool entry_add(struct loader *loader, const struct node *node, const char *folder,
                      const char *name, struct trust *trust)
{
    char path[CONFIG_PATH_MAX + 1];
    struct text text;
    text_init(&text, path, sizeof path);
    text_append_format(&text, "%s/%s", folder, name);
    if (text.is_cut || name[0] == '.' || is_directory(path))
        return false;
    const char *copy = reader_copy(loader->reader, text_slice(&text));
    if (copy != NULL)
        file_add(loader, node, copy, trust);
    return true;
}

static void directory_add(struct loader *loader, const struct node *node, const char *path,
                          struct trust *trust)
{
    struct dirent **entries = NULL;
    bool has_file = false;
    loader_note_file(loader, path, (struct slice){0});
    const int count = scandir(path, &entries, NULL, alphasort);
    if (count < 0) {
        (void)reader_error(loader->reader, node, "`crl`: cannot read the directory %s: %m", path);
        return;
    }
    for (int i = 0; i < count; i++) {
        has_file |= entry_add(loader, node, path, entries[i]->d_name, trust);
        free(entries[i]);
    }
    free(entries);
    if (!has_file)
        diagnostic_set_hint(
            reader_error(loader->reader, node, "`crl`: there is no file in %s", path),
            "put the CRL of each CA there, or leave `crl` out");
}

void crls_read(struct loader *loader, const struct node *node, struct trust *trust)
{
    struct reader *reader = loader->reader;
    if (node == NULL || !reader_list(reader, node, "`crl`", 1, CRL_PATHS_MAX))
        return;
    for (const struct node *entry = node->child; entry != NULL; entry = entry->next) {
        const char *path = NULL;
        if (!loader_path(loader, entry, "`crl`", &path))
            continue;
        if (is_directory(path))
            directory_add(loader, entry, path, trust);
        else
            file_add(loader, entry, path, trust);
    }
}

static void crl_describe(struct loader *loader, const struct node *node, const struct trust *trust,
                         const struct trust_crl *crl)
{
    struct reader *reader = loader->reader;
    char date[DATE_TEXT_CAP];
    const int64_t days = days_left(loader->now_s, crl->next_update_s);
    (void)date_format(crl->next_update_s, date);
    if (crl->warning != NULL) {
        (void)reader_warning(reader, node, "trust.%s: the CRL of %s: %s", trust_name(trust),
                             crl->issuer, crl->warning);
    } else if (days < 0) {
        const bool is_kept = trust_keeps_expired_crls(trust);
        diagnostic_set_hint(reader_warning(reader, node,
                                           "trust.%s: the CRL of %s (number %s) has expired on "
                                           "%s%s",
                                           trust_name(trust), crl->issuer, crl->number, date,
                                           is_kept ? "" : ": everybody under this CA is refused"),
                            is_kept ? "fetch the CA's new one"
                                    : "fetch the CA's new one; `crl_expired: keep` goes by the old "
                                      "one until then");
    } else if (days < CRL_WARNING_DAYS) {
        diagnostic_set_hint(reader_warning(reader, node,
                                           "trust.%s: the CRL of %s (number %s) has %" PRId64
                                           " days left, until %s",
                                           trust_name(trust), crl->issuer, crl->number, days, date),
                            "fetch the CA's new one in time");
    } else {
        (void)reader_note(
            reader, node,
            "trust.%s: CRL of %s, number %s, %zu entries, %" PRId64 " days left, until %s",
            trust_name(trust), crl->issuer, crl->number, crl->entry_count, days, date);
    }
}

void crls_describe(struct loader *loader, const struct node *node, const struct trust *trust)
{
    for (size_t i = 0; i < trust_crl_count(trust); i++) {
        const struct trust_crl crl = trust_crl_at(trust, i);
        crl_describe(loader, node, trust, &crl);
    }
    if (trust_crl_count(trust) == 0)
        (void)reader_note(
            loader->reader, node,
            "no revocation by CRL: trust.%s has no `crl`, so a revoked certificate is "
            "taken until it expires",
            trust_name(trust));
}
