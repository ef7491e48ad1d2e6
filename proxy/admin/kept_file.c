// Writing: PATH.new, fsync, rename, fsync of the folder.
#include "proxy/admin/kept_file.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "auth/base/text.h"

// sync_folder makes the new name survive a power cut.
static bool sync_folder(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    const struct slice name = slash == NULL   ? SLICE_LITERAL(".")
                              : slash == path ? SLICE_LITERAL("/")
                                              : slice_of(path, (size_t)(slash - path));
    if (!string_copy(folder, sizeof folder, name))
        return false;
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool is_synced = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        (void)close(fd);
    return is_synced;
}

enum err kept_file_write(const char *path, bool (*write)(FILE *file, const void *arg),
                         const void *arg, struct errinfo *info)
{
    char staged[PATH_MAX];
    struct text text;
    text_init(&text, staged, sizeof staged);
    text_append_format(&text, "%s.new", path);
    if (text.is_cut)
        return errinfo_set(info, ERR_SYSTEM, "the path of the state is too long");
    (void)unlink(staged); // of a run that was interrupted
    const int fd = open(staged, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (file == NULL) {
        if (fd >= 0)
            (void)close(fd);
        return errinfo_set(info, ERR_SYSTEM, "cannot write %s: %m", staged);
    }
    bool is_good = write(file, arg) && fflush(file) == 0 && ferror(file) == 0 && fsync(fd) == 0;
    is_good = fclose(file) == 0 && is_good;
    if (!is_good || rename(staged, path) != 0) {
        const enum err error = errinfo_set(info, ERR_SYSTEM, "cannot write %s: %m", path);
        (void)unlink(staged);
        return error;
    }
    if (!sync_folder(path))
        return errinfo_set(info, ERR_SYSTEM, "cannot make sure that %s stays: %m", path);
    return ERR_OK;
}
