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
    LACKS_MAX = 8,                    // CAs without a list that are named
};

// crl_walk goes through the files of a `crl`. `take` has the bytes of each; what cannot be read is reported.
struct crl_walk {
    struct loader *loader;   // borrowed
    const struct node *node; // the entry that a file comes from
    void (*take)(struct crl_walk *walk, const char *path, struct slice bytes);
    struct trust **trust; // borrowed
};

// walk_file takes one file; `path` is in the arena.
static void walk_file(struct crl_walk *walk, const char *path)
{
    struct file_content content = {0};
    struct errinfo info = {0};
    if (file_read(path, CRL_FILE_MAX, FILE_PUBLIC, &content, &info) != ERR_OK) {
        (void)reader_error(walk->loader->reader, walk->node, "`crl`: %s", info.text);
        return;
    }
    loader_note_file(walk->loader, path, content.bytes);
    walk->take(walk, path, content.bytes);
    file_content_deinit(&content);
}

static bool is_directory(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

// walk_entry takes a directory's entry and tells whether it was a file. Names with a dot in front are not:
// hidden files, and the folders of versions that mounted secrets come with.
static bool walk_entry(struct crl_walk *walk, const char *folder, const char *name)
{
    char path[CONFIG_PATH_MAX + 1];
    struct text text;
    text_init(&text, path, sizeof path);
    text_append_format(&text, "%s/%s", folder, name);
    if (text.is_cut || name[0] == '.' || is_directory(path))
        return false;
    const char *copy = reader_copy(walk->loader->reader, text_slice(&text));
    if (copy != NULL)
        walk_file(walk, copy);
    return true;
}

static void walk_directory(struct crl_walk *walk, const char *path)
{
    struct reader *reader = walk->loader->reader;
    struct dirent **entries = NULL;
    bool has_file = false;
    loader_note_file(walk->loader, path, (struct slice){0});
    const int count = scandir(path, &entries, NULL, alphasort);
    if (count < 0) {
        (void)reader_error(reader, walk->node, "`crl`: cannot read the directory %s: %m", path);
        return;
    }
    for (int i = 0; i < count; i++) {
        has_file |= walk_entry(walk, path, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    if (!has_file)
        diagnostic_set_hint(reader_error(reader, walk->node, "`crl`: there is no file in %s", path),
                            "put the CRL of each CA there, or leave `crl` out");
}

static void walk_list(struct crl_walk *walk, const struct node *list)
{
    if (list == NULL || !reader_list(walk->loader->reader, list, "`crl`", 1, CRL_PATHS_MAX))
        return;
    for (walk->node = list->child; walk->node != NULL; walk->node = walk->node->next) {
        const char *path = NULL;
        if (!loader_path(walk->loader, walk->node, "`crl`", &path))
            continue;
        if (is_directory(path))
            walk_directory(walk, path);
        else
            walk_file(walk, path);
    }
}

static void add_file(struct crl_walk *walk, const char *path, struct slice bytes)
{
    struct errinfo info = {0};
    if (trust_add_crl(*walk->trust, bytes, &info) != ERR_OK)
        (void)reader_error(walk->loader->reader, walk->node, "`crl`: %s: %s", path, info.text);
}

void crls_read(struct loader *loader, const struct node *node, struct trust *trust)
{
    struct crl_walk walk = {.loader = loader, .take = add_file, .trust = &trust};
    walk_list(&walk, node);
}

// take_file makes a revision of its own for each file, so that one that is no good spoils no other.
static void take_file(struct crl_walk *walk, const char *path, struct slice bytes)
{
    (void)path;
    struct errinfo info;
    struct trust *revision = NULL;
    if (trust_revise(*walk->trust, &revision) != ERR_OK)
        (void)reader_no_memory(walk->loader->reader);
    else if (trust_add_crl(revision, bytes, &info) == ERR_OK)
        trust_replace(walk->loader, revision, walk->trust);
    else
        trust_destroy(revision);
}

void crls_take(struct loader *loader, const struct node *node, struct trust **trust)
{
    struct crl_walk walk = {.loader = loader, .take = take_file, .trust = trust};
    walk_list(&walk, node);
}

static void crl_describe(struct loader *loader, const struct node *node, const struct trust *trust,
                         const struct trust_crl *crl)
{
    struct reader *reader = loader->reader;
    char date[DATE_TEXT_CAP];
    const int64_t days = days_left(loader->now_s, crl->next_update_s);
    (void)date_format(crl->next_update_s, date);
    if (crl->warning != NULL)
        (void)reader_warning(reader, node, "trust.%s: the CRL of %s (number %s): %s",
                             trust_name(trust), crl->issuer, crl->number, crl->warning);
    if (crl->state == TRUST_CRL_IDLE)
        return;
    if (days < 0) {
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
            "trust.%s: CRL of %s, number %s, %zu entries, %" PRId64 " days left, until %s%s",
            trust_name(trust), crl->issuer, crl->number, crl->entry_count, days, date,
            crl->state == TRUST_CRL_WAITS
                ? "; it waits for its issuer: no CA of the profile has this name, so it counts "
                  "once a client sends the CA that signed it along"
                : "");
    }
}

// lacks_describe warns of CAs without a list, of the first few by name.
static void lacks_describe(struct loader *loader, const struct node *node,
                           const struct trust *trust)
{
    size_t count = 0;
    for (size_t i = 0; i < trust_certificate_count(trust); i++) {
        if (!trust_lacks_crl(trust, i) || ++count > LACKS_MAX)
            continue;
        diagnostic_set_hint(
            reader_warning(loader->reader, node,
                           "trust.%s: the CA %s has no CRL, so every certificate that it issued is "
                           "refused (`crl_missing`)",
                           trust_name(trust), trust_certificate_at(trust, i).subject),
            "put its CRL under `crl`, or the CA into a profile without `crl`");
    }
    if (count > LACKS_MAX)
        (void)reader_warning(loader->reader, node, "trust.%s: %zu more CAs have no CRL",
                             trust_name(trust), count - LACKS_MAX);
}

void crls_describe(struct loader *loader, const struct node *node, const struct trust *trust)
{
    for (size_t i = 0; i < trust_crl_count(trust); i++) {
        const struct trust_crl crl = trust_crl_at(trust, i);
        crl_describe(loader, node, trust, &crl);
    }
    lacks_describe(loader, node, trust);
    if (trust_crl_count(trust) == 0)
        (void)reader_note(
            loader->reader, node,
            "no revocation by CRL: trust.%s has no `crl`, so a revoked certificate is "
            "taken until it expires",
            trust_name(trust));
}
