// A walk over files and folders, and findings about the lists of a finished profile.
#include "proxy/config/crls.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "auth/base/date.h"
#include "auth/base/text.h"
#include "proxy/config/named_files.h"
#include "proxy/config/validity.h"

enum {
    CRL_PATHS_MAX = 64, // in one `crl`
    LACKS_MAX = 8,      // CAs without a list that are named
};

// crl_walk is where a walk is.
struct crl_walk {
    struct reader *reader;             // borrowed
    const struct node *node;           // the entry that a file comes from
    const struct crl_visitor *visitor; // borrowed
};

enum err crl_add(struct trust *trust, const struct node *node, struct slice bytes,
                 struct errinfo *info)
{
    const bool is_learned = node->kind == NODE_MAP && node_get(node, "from") != NULL;
    return is_learned ? trust_add_learned_crl(trust, bytes, info)
                      : trust_add_crl(trust, bytes, info);
}

// walk_file takes one file; `path` is in the arena.
static void walk_file(const struct crl_walk *walk, const char *path)
{
    struct file_content content = {0};
    if (!reader_file_at(walk->reader, walk->node, "`crl`", path, CRL_FILE_MAX, FILE_PUBLIC,
                        &content))
        return;
    walk->visitor->take(walk->reader, walk->node, path, content.bytes, walk->visitor->arg);
    file_content_deinit(&content);
}

// walk_kept takes a list that was fetched. What is wrong with it spoils nothing else: it is fetched again, and until then
// nobody is let in for it.
static void walk_kept(const struct crl_walk *walk, const char *path)
{
    struct reader *reader = walk->reader;
    struct file_content content = {0};
    struct errinfo info;
    const enum err error = file_read(path, CRL_FILE_MAX, FILE_PUBLIC, &content, &info);
    reader_note_file(reader, path, content.bytes);
    if (error == ERR_OK)
        walk->visitor->take(reader, walk->node, path, content.bytes, walk->visitor->arg);
    else if (error == ERR_MEMORY)
        reader_no_memory(reader);
    else
        reader_warning(reader, walk->node, "`crl`: a list that was fetched is left out: %s",
                       info.text);
    file_content_deinit(&content);
}

// walk_learned takes the lists that were fetched because certificates named them.
static void walk_learned(const struct crl_walk *walk, const struct crl_source *source)
{
    struct reader *reader = walk->reader;
    struct dirent **entries = NULL;
    char path[CONFIG_PATH_MAX + 1];
    reader_note_file(reader, source->path, (struct slice){0});
    const int count = scandir(source->path, &entries, NULL, alphasort);
    if (count < 0)
        reader_error(reader, walk->node, "`crl_cache`: cannot read the directory %s: %m",
                     source->path);
    for (int i = 0; i < count; i++) {
        struct text text;
        text_init(&text, path, sizeof path);
        text_append_format(&text, "%s/%s", source->path, entries[i]->d_name);
        if (!text.is_cut && crl_source_owns(source, entries[i]->d_name))
            walk_kept(walk, path);
        free(entries[i]);
    }
    free(entries);
}

// walk_source takes what was fetched from a server, as far as it is there.
static void walk_source(const struct crl_walk *walk, const struct node *profile)
{
    struct reader *reader = walk->reader;
    const struct crl_source *source = crl_source_read(reader, profile, walk->node);
    if (source == NULL)
        return;
    if (walk->visitor->note != NULL)
        walk->visitor->note(reader, walk->node, source, walk->visitor->arg);
    if (source->is_learned) {
        walk_learned(walk, source);
    } else if (access(source->path, F_OK) == 0 || errno != ENOENT) {
        walk_kept(walk, source->path);
    } else {
        reader_note_file(reader, source->path, (struct slice){0});
        reader_note(
            reader, walk->node,
            "`crl`: the list of %s has not been fetched yet; `serve` does that, and refuses "
            "everybody under its CA until it is there",
            source->url.text);
    }
}

// walk_entry takes a directory's entry and tells whether it was a file. Names with a dot in front are not:
// hidden files, and the folders of versions that mounted secrets come with.
static bool walk_entry(const struct crl_walk *walk, const char *folder, const char *name)
{
    char path[CONFIG_PATH_MAX + 1];
    struct text text;
    text_init(&text, path, sizeof path);
    text_append_format(&text, "%s/%s", folder, name);
    if (text.is_cut || name[0] == '.' || file_is_folder(path))
        return false;
    const char *copy = reader_copy(walk->reader, text_slice(&text));
    if (copy != NULL)
        walk_file(walk, copy);
    return true;
}

static void walk_directory(const struct crl_walk *walk, const char *path)
{
    struct reader *reader = walk->reader;
    struct dirent **entries = NULL;
    bool has_file = false;
    reader_note_file(walk->reader, path, (struct slice){0});
    const int count = scandir(path, &entries, NULL, alphasort);
    if (count < 0) {
        reader_error(reader, walk->node, "`crl`: cannot read the directory %s: %m", path);
        return;
    }
    for (int i = 0; i < count; i++) {
        has_file |= walk_entry(walk, path, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    if (!has_file)
        reader_error(reader, walk->node,
                     "`crl`: there is no file in %s"
                     "\nput the CRL of each CA there, or leave `crl` out",
                     path);
}

void crls_walk(struct reader *reader, const struct node *profile, const struct crl_visitor *visitor)
{
    struct crl_walk walk = {.reader = reader, .visitor = visitor};
    const struct node *list = node_get(profile, "crl");
    if (!reader_list(reader, list, "`crl`", 1, CRL_PATHS_MAX))
        return;
    for (walk.node = list->child; walk.node != NULL; walk.node = walk.node->next) {
        const char *path = NULL;
        if (walk.node->kind == NODE_MAP) {
            walk_source(&walk, profile);
            continue;
        }
        if (!reader_path(reader, walk.node, "`crl`", &path))
            continue;
        if (file_is_folder(path))
            walk_directory(&walk, path);
        else
            walk_file(&walk, path);
    }
}

static void crl_describe(struct reader *reader, const struct node *node, const struct trust *trust,
                         const struct trust_crl *crl)
{
    char date[DATE_TEXT_CAP];
    const int64_t days = date_days_left(reader->now_s, crl->next_update_s);
    (void)date_format(crl->next_update_s, DATE_DAY, date);
    if (crl->warning != NULL)
        reader_warning(reader, node, "trust.%s: the CRL of %s (number %s): %s", trust_name(trust),
                       crl->issuer, crl->number, crl->warning);
    if (crl->state == TRUST_CRL_IDLE)
        return;
    if (days < 0) {
        const bool is_kept = trust_keeps_expired_crls(trust);
        reader_warning(
            reader, node, "trust.%s: the CRL of %s (number %s) has expired on %s%s\n%s",
            trust_name(trust), crl->issuer, crl->number, date,
            is_kept ? "" : ": everybody under this CA is refused",
            is_kept ? "fetch the CA's new one"
                    : "fetch the CA's new one; `crl_expired: keep` uses the old one until then");
    } else if (reader->now_s >= crl->soon_s) {
        reader_warning(reader, node,
                       "trust.%s: the CRL of %s (number %s) has %" PRId64 " days left, until %s"
                       "\nfetch the CA's new one in time",
                       trust_name(trust), crl->issuer, crl->number, days, date);
    } else {
        reader_note(
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
static void lacks_describe(struct reader *reader, const struct node *node,
                           const struct trust *trust)
{
    size_t count = 0;
    for (size_t i = 0; i < trust_certificate_count(trust); i++) {
        if (!trust_lacks_crl(trust, i) || ++count > LACKS_MAX)
            continue;
        reader_warning(reader, node,
                       "trust.%s: the CA %s has no CRL, so every certificate that it issued is "
                       "refused (`crl_missing`)"
                       "\nput its CRL under `crl` (one that is fetched comes by itself), or the CA "
                       "into a profile without `crl`",
                       trust_name(trust), trust_certificate_at(trust, i).subject);
    }
    if (count > LACKS_MAX)
        reader_warning(reader, node, "trust.%s: %zu more CAs have no CRL", trust_name(trust),
                       count - LACKS_MAX);
}

void crls_describe(struct reader *reader, const struct node *node, const struct trust *trust)
{
    for (size_t i = 0; i < trust_crl_count(trust); i++) {
        const struct trust_crl crl = trust_crl_at(trust, i);
        crl_describe(reader, node, trust, &crl);
    }
    lacks_describe(reader, node, trust);
    if (!trust_goes_by_crls(trust))
        reader_note(
            reader, node,
            "no revocation by CRL: trust.%s has no `crl`, so a revoked certificate is accepted until it expires",
            trust_name(trust));
}
