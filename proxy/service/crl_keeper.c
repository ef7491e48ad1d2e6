// One thread, one list, one file.
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

// keep judges the list beside the one that is kept, and takes its place.
static enum err keep(struct crl_keeper *keeper)
{
    const struct crl_keeping *keeping = &keeper->keeping;
    const struct trust *trust = snapshot_find_trust(keeper->snapshot, keeping->trust);
    struct file_content kept = {0};
    struct errinfo ignored;
    if (trust == NULL)
        return errinfo_set(&keeper->info, ERR_INPUT, "the trust profile is gone");
    const enum err read_error =
        file_read(keeping->path, CRL_FILE_MAX, FILE_PUBLIC, &kept, &ignored);
    enum err error = read_error == ERR_MEMORY
                         ? errinfo_set(&keeper->info, ERR_MEMORY, "no memory for the list")
                         : crl_offer_judge(trust, keeping->bytes, kept.bytes, (int64_t)time(NULL),
                                           &keeper->offer, &keeper->info);
    file_content_deinit(&kept);
    if (error == ERR_OK && !keeper->offer.is_same)
        error = store(keeping->path, keeping->bytes, &keeper->info);
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
