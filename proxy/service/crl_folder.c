// Names and sizes first; the lists themselves only where some have to go.
#include "proxy/service/crl_folder.h"

#include <dirent.h>
#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "auth/base/text.h"
#include "auth/crl_wishes.h"
#include "proxy/config/crl_sources.h"
#include "proxy/config/file.h"
#include "proxy/log/log.h"
#include "proxy/service/crl_mark_file.h"
#include "proxy/service/crl_room.h"

enum { LISTS_MAX = 4 * CRL_ROOM_LISTS }; // that are looked at; more were put there by somebody else

// folder is what one look has found.
struct folder {
    const struct trust *trust;
    const struct crl_source *source;
    int64_t now_s;
    size_t count;
    size_t bytes;
    char *paths[LISTS_MAX]; // owned
    struct crl_room_list lists[LISTS_MAX];
    struct http_url named[CRL_WISHES_MAX];
};

static const struct crl_source *find_source(const struct snapshot *snapshot, const char *trust)
{
    const struct crl_source_entry *entry = snapshot->crl_sources;
    while (entry != NULL &&
           !(entry->source->is_learned && strcmp(entry->source->trust, trust) == 0))
        entry = entry->next;
    return entry == NULL ? NULL : entry->source;
}

// add_list adds a file of the profile, but not the one whose place is taken.
static enum err add_list(struct folder *folder, const char *name,
                         const struct crl_newcomer *newcomer, struct errinfo *info)
{
    char path[CONFIG_PATH_MAX + 1];
    struct text text;
    struct stat found;
    text_init(&text, path, sizeof path);
    text_append_format(&text, "%s/%s", folder->source->path, name);
    if (text.is_cut || !crl_source_owns(folder->source, name) ||
        strcmp(path, newcomer->path) == 0 || stat(path, &found) != 0)
        return ERR_OK;
    if (folder->count == LISTS_MAX)
        return errinfo_set(info, ERR_LIMIT,
                           "there are more than %d lists of trust.%s in %.200s: remove those of "
                           "CAs that are gone",
                           LISTS_MAX, newcomer->trust, folder->source->path);
    char *copy = strdup(path);
    if (copy == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory to look at the lists that are kept");
    folder->lists[folder->count] =
        (struct crl_room_list){.bytes = (size_t)found.st_size, .kept_s = found.st_mtime};
    folder->paths[folder->count++] = copy;
    folder->bytes += (size_t)found.st_size;
    return ERR_OK;
}

static enum err add_lists(struct folder *folder, const struct crl_newcomer *newcomer,
                          struct errinfo *info)
{
    DIR *dir = opendir(folder->source->path);
    const struct dirent *entry = NULL;
    enum err error = ERR_OK;
    if (dir == NULL)
        return errinfo_set(info, ERR_SYSTEM, "cannot read the directory %.200s: %m",
                           folder->source->path);
    while (error == ERR_OK && (entry = readdir(dir)) != NULL)
        error = add_list(folder, entry->d_name, newcomer, info);
    (void)closedir(dir);
    return error;
}

// note_named notes which of the lists certificates have named lately.
static void note_named(struct folder *folder)
{
    char path[CONFIG_PATH_MAX + 1];
    size_t count = 0;
    while (!trust_read_wishes(folder->trust, folder->now_s, folder->named, &count))
        (void)sched_yield();
    for (size_t i = 0; i < count; i++) {
        if (!crl_source_learned_path(folder->source, &folder->named[i], path))
            continue;
        for (size_t at = 0; at < folder->count; at++)
            folder->lists[at].is_named |= strcmp(folder->paths[at], path) == 0;
    }
}

// note_list notes who has signed a list, and whether it is over.
static enum err note_list(const struct folder *folder, const char *path, struct crl_room_list *list,
                          struct errinfo *info)
{
    struct file_content content = {0};
    struct crl_offer found = {0};
    struct errinfo ignored;
    enum err error = file_read(path, CRL_FILE_MAX, FILE_PUBLIC, &content, &ignored);
    if (error == ERR_OK)
        error = crl_offer_look(folder->trust, content.bytes, &found, &ignored);
    list->is_expired = error != ERR_OK || found.next_update_s < folder->now_s;
    list->has_signer = error == ERR_OK && found.has_signer;
    if (list->has_signer)
        ASSERT(bytes_copy(list->signer, CERT_DIGEST_LEN, slice_of(found.signer, CERT_DIGEST_LEN)));
    else if (error == ERR_OK)
        list->has_signer = crl_mark_file_read(path, content.bytes, list->signer);
    file_content_deinit(&content);
    return error == ERR_MEMORY
               ? errinfo_set(info, error, "no memory to look at the lists that are kept")
               : ERR_OK;
}

static void remove_list(const struct folder *folder, size_t index)
{
    const struct crl_room_list *list = &folder->lists[index];
    const char *path = folder->paths[index];
    char mark[CONFIG_PATH_MAX + 1];
    log_warning(LOG_CRL_FETCHED, "trust.%s: the list %s makes room for another one: %s",
                folder->source->trust, path,
                !list->has_signer  ? "nobody knows who has signed it"
                : list->is_expired ? "it has expired"
                                   : "its CA has most of them");
    (void)unlink(path);
    if (crl_mark_file_path(path, mark))
        (void)unlink(mark);
}

static enum err make_room(struct folder *folder, const struct crl_newcomer *newcomer,
                          struct errinfo *info)
{
    struct crl_room_list more = {.bytes = newcomer->bytes,
                                 .has_signer = newcomer->offer->has_signer};
    ASSERT(bytes_copy(more.signer, CERT_DIGEST_LEN,
                      slice_of(newcomer->offer->signer, CERT_DIGEST_LEN)));
    TRY(add_lists(folder, newcomer, info));
    if (crl_room_fits(folder->count, folder->bytes, more.bytes))
        return ERR_OK;
    note_named(folder);
    for (size_t i = 0; i < folder->count; i++)
        TRY(note_list(folder, folder->paths[i], &folder->lists[i], info));
    if (!crl_room_make(folder->lists, folder->count, &more))
        return errinfo_set(info, ERR_LIMIT,
                           "no room: trust.%s keeps %zu lists that certificates have named, %zu "
                           "MiB, and may keep %d and %d MiB: name the lists of large CAs under "
                           "`crl`, or remove those of CAs that are gone from `crl_cache`",
                           newcomer->trust, folder->count, folder->bytes >> 20, CRL_ROOM_LISTS,
                           CRL_ROOM_BYTES >> 20);
    for (size_t i = 0; i < folder->count; i++) {
        if (folder->lists[i].goes)
            remove_list(folder, i);
    }
    return ERR_OK;
}

enum err crl_folder_make_room(const struct snapshot *snapshot, const struct crl_newcomer *newcomer,
                              struct errinfo *info)
{
    const struct crl_source *source = find_source(snapshot, newcomer->trust);
    if (source == NULL)
        return errinfo_set(info, ERR_INPUT,
                           "trust.%s goes by no lists any more that certificates name",
                           newcomer->trust);
    struct folder *folder = calloc(1, sizeof *folder);
    if (folder == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory to look at the lists that are kept");
    folder->trust = snapshot_find_trust(snapshot, newcomer->trust);
    folder->source = source;
    folder->now_s = (int64_t)time(NULL);
    const enum err error = folder->trust == NULL
                               ? errinfo_set(info, ERR_INPUT, "the trust profile is gone")
                               : make_room(folder, newcomer, info);
    for (size_t i = 0; i < folder->count; i++)
        free(folder->paths[i]);
    free(folder);
    return error;
}
