// One thread, one list, one file and its mark.
#include "proxy/service/crl_keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "auth/base/text.h"
#include "proxy/config/crl_sources.h"
#include "proxy/config/file.h"
#include "proxy/service/crl_folder.h"
#include "proxy/service/crl_mark_file.h"

static const mode_t list_mode = 0644; // it is public

// split gives the folder of a path, with its slash.
static struct slice folder_of_path(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slice_of(path, slash == NULL ? 0 : (size_t)(slash - path) + 1);
}

// stage_path makes the name of the file beside it: hidden, so that nobody who reads the folder takes it for a list.
static bool stage_path(const char *path, char out[PATH_MAX])
{
    struct text text;
    const struct slice folder = folder_of_path(path);
    text_init(&text, out, PATH_MAX);
    text_append(&text, folder);
    text_append_format(&text, ".%s.%d", path + folder.len, (int)getpid());
    return !text.is_cut;
}

static bool write_all(int fd, struct slice bytes)
{
    while (bytes.len > 0) {
        const ssize_t count = write(fd, bytes.data, bytes.len);
        if (count < 0 && errno != EINTR)
            return false;
        if (count > 0)
            bytes = slice_from(bytes, (size_t)count);
    }
    return true;
}

// sync_folder lets the new name survive a loss of power; some filesystems cannot.
static void sync_folder(const char *path)
{
    char folder[PATH_MAX];
    const struct slice name = folder_of_path(path);
    if (!string_copy(folder, sizeof folder, name.len == 0 ? SLICE_LITERAL(".") : name))
        return;
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)fsync(fd);
    (void)close(fd);
}

static enum err store(const char *path, struct slice bytes, struct errinfo *info)
{
    char staged[PATH_MAX];
    if (!stage_path(path, staged))
        return errinfo_set(info, ERR_INPUT, "%.300s: the path is too long", path);
    (void)unlink(staged); // left by a process that had this number
    const int fd = open(staged, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, list_mode);
    bool is_good = fd >= 0 && write_all(fd, bytes) && fsync(fd) == 0;
    if (fd >= 0)
        is_good = close(fd) == 0 && is_good;
    is_good = is_good && rename(staged, path) == 0;
    if (!is_good) {
        const enum err error =
            errinfo_set(info, ERR_SYSTEM, "cannot keep the list in %.300s: %m", path);
        (void)unlink(staged);
        return error;
    }
    sync_folder(path);
    return ERR_OK;
}

// mark remembers who has signed the list that is kept now.
static enum err mark(const struct crl_keeping *keeping, const struct crl_offer *offer,
                     struct errinfo *info)
{
    char path[CONFIG_PATH_MAX + 1];
    uint8_t bytes[CRL_MARK_LEN];
    if (!crl_mark_file_path(keeping->path, path))
        return errinfo_set(info, ERR_INPUT, "%.300s: the path is too long", keeping->path);
    crl_mark_make(keeping->bytes, offer->signer, bytes);
    return store(path, slice_of(bytes, sizeof bytes), info);
}

// keep_beside judges the list beside the one that is kept, and takes its place.
static enum err keep_beside(struct crl_keeper *keeper, const struct trust *trust, struct slice kept)
{
    const struct crl_keeping *keeping = &keeper->keeping;
    struct crl_offer *offer = &keeper->offer;
    struct errinfo *info = &keeper->info;
    uint8_t signer[CERT_DIGEST_LEN];
    const bool is_marked = crl_mark_file_read(keeping->path, kept, signer);
    const struct crl_kept before = {.bytes = kept,
                                    .signer = is_marked ? signer : NULL,
                                    .url = slice_of(keeping->url->text, keeping->url->len),
                                    .is_open = !keeping->is_learned && !keeping->url->is_https};
    TRY(crl_offer_judge(trust, keeping->bytes, &before, (int64_t)time(NULL), offer, info));
    if (!offer->is_same && keeping->is_learned)
        TRY(crl_folder_make_room(keeper->snapshot,
                                 &(struct crl_newcomer){.trust = keeping->trust,
                                                        .path = keeping->path,
                                                        .bytes = keeping->bytes.len,
                                                        .offer = offer},
                                 info));
    if (!offer->is_same)
        TRY(store(keeping->path, keeping->bytes, info));
    return offer->has_signer && !(offer->is_same && is_marked) ? mark(keeping, offer, info)
                                                               : ERR_OK;
}

static enum err keep(struct crl_keeper *keeper)
{
    const struct trust *trust = snapshot_find_trust(keeper->snapshot, keeper->keeping.trust);
    struct file_content kept = {0};
    struct errinfo ignored;
    if (trust == NULL)
        return errinfo_set(&keeper->info, ERR_INPUT, "the trust profile is gone");
    const enum err read_error =
        file_read(keeper->keeping.path, CRL_FILE_MAX, FILE_PUBLIC, &kept, &ignored);
    const enum err error = read_error == ERR_MEMORY
                               ? errinfo_set(&keeper->info, ERR_MEMORY, "no memory for the list")
                               : keep_beside(keeper, trust, kept.bytes);
    file_content_deinit(&kept);
    return error;
}

static void *run(void *arg)
{
    struct crl_keeper *keeper = arg;
    keeper->error = keep(keeper);
    wakeup_send(&keeper->done);
    return NULL;
}

bool crl_keeper_start(struct crl_keeper *keeper, struct snapshot *snapshot,
                      const struct crl_keeping *keeping)
{
    keeper->keeping = *keeping;
    keeper->snapshot = snapshot_ref(snapshot);
    if (pthread_create(&keeper->thread, NULL, run, keeper) == 0)
        return true;
    snapshot_unref(snapshot);
    return false;
}

void crl_keeper_join(struct crl_keeper *keeper)
{
    (void)pthread_join(keeper->thread, NULL);
    snapshot_unref(keeper->snapshot);
}
