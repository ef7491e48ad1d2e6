// Files on disk, with the checks that keys need: exclusive creation, exact modes, no links followed.
#include "proxy/pki/new_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/pki/names.h"

static enum err write_all(int fd, struct slice bytes)
{
    while (bytes.len > 0) {
        const ssize_t written = write(fd, bytes.data, bytes.len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return ERR_SYSTEM;
        bytes = slice_from(bytes, (size_t)written);
    }
    return ERR_OK;
}

// mode_like gives the file `fd` the owner and group of the one that it will replace, if this process may, and returns the
// mode: with the old one's right of its group to read, if the group is the same. Nobody else gets a right.
static mode_t mode_like(int fd, mode_t mode, const struct stat *old)
{
    if (old == NULL || fchown(fd, old->st_uid, old->st_gid) != 0)
        return mode;
    return mode | (old->st_mode & S_IRGRP);
}

// write_new makes the file as new_file_write does; `old` is the one that it will replace, or NULL.
static enum err write_new(const char *path, struct slice bytes, mode_t mode, const struct stat *old,
                          struct errinfo *info)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode & 0600);
    if (fd < 0 && errno == EEXIST)
        return errinfo_set(info, ERR_DENIED,
                           "%s is there already and is never overwritten: move it away, or choose "
                           "another name or directory",
                           path);
    if (fd < 0)
        return errinfo_set(info, ERR_SYSTEM, "%s cannot be made: %s", path, strerror(errno));
    // fchmod, for the umask may have taken more away than was meant.
    bool is_good = fchmod(fd, mode_like(fd, mode, old)) == 0 && write_all(fd, bytes) == ERR_OK &&
                   fsync(fd) == 0;
    int cause = errno;
    if (close(fd) != 0 && is_good) {
        is_good = false;
        cause = errno;
    }
    if (is_good)
        return ERR_OK;
    (void)unlink(path);
    return errinfo_set(info, ERR_SYSTEM, "%s cannot be written: %s", path, strerror(cause));
}

enum err new_file_write(const char *path, struct slice bytes, mode_t mode, struct errinfo *info)
{
    return write_new(path, bytes, mode, NULL, info);
}

enum err new_file_write_all(const struct new_file *files, size_t count, struct errinfo *info)
{
    for (size_t i = 0; i < count; i++) {
        const enum err error = new_file_write(files[i].path, files[i].bytes, files[i].mode, info);
        if (error == ERR_OK)
            continue;
        new_file_remove_all(files, i);
        return error;
    }
    return ERR_OK;
}

void new_file_remove_all(const struct new_file *files, size_t count)
{
    for (size_t i = 0; i < count; i++)
        (void)unlink(files[i].path);
}

// stage writes PATH.new, in place of one that an interrupted run left.
static enum err stage(const struct new_file *file, struct errinfo *info)
{
    char staged[PATH_CAP];
    struct stat old;
    const bool is_there = lstat(file->path, &old) == 0 && S_ISREG(old.st_mode);
    (void)snprintf(staged, sizeof staged, "%s.new", file->path);
    (void)unlink(staged);
    return write_new(staged, file->bytes, file->mode, is_there ? &old : NULL, info);
}

// sync_parent makes the names in the directory of `path` last.
static void sync_parent(const char *path)
{
    char copy[PATH_CAP];
    (void)string_copy(copy, sizeof copy, slice_of_string(path));
    const int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd); // some filesystems cannot; the name is there all the same
        (void)close(fd);
    }
}

static enum err publish(const char *path, struct errinfo *info)
{
    char staged[PATH_CAP];
    (void)snprintf(staged, sizeof staged, "%s.new", path);
    if (rename(staged, path) != 0)
        return errinfo_set(info, ERR_SYSTEM, "%s cannot be replaced: %m; the new one is in %s",
                           path, staged);
    sync_parent(path);
    return ERR_OK;
}

enum err new_file_replace_all(const struct new_file *files, size_t count, struct errinfo *info)
{
    for (size_t i = 0; i < count; i++)
        TRY(stage(&files[i], info));
    for (size_t i = 0; i < count; i++)
        TRY(publish(files[i].path, info));
    return ERR_OK;
}

bool new_file_exists(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0 || errno != ENOENT;
}

enum err new_file_make_directory(const char *path, struct errinfo *info)
{
    if (mkdir(path, 0700) == 0)
        return ERR_OK;
    const int cause = errno;
    struct stat status;
    if (cause == EEXIST && stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        return ERR_OK;
    return errinfo_set(info, ERR_SYSTEM, "the directory %s cannot be made: %s", path,
                       strerror(cause));
}
