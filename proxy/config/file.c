// Open, check the open descriptor, read to the end, wipe afterwards. Memory that nothing was read into stays untouched:
// a reader of stdin can ask for room for the largest text.
#include "proxy/config/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "auth/base/text.h"
#include "proxy/config/secrecy.h"

enum { REMEDY_CAP = 320 };

// %m is glibc's strerror without a shared buffer.
enum err file_explain(struct errinfo *info, const char *verb, const char *path)
{
    const int error = errno;
    // Permissions allow it, and yet it is refused.
    if (errno == EACCES && faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) == 0)
        return errinfo_set(info, ERR_SYSTEM,
                           "cannot %s %s: the sandbox of this process has not opened it, or the "
                           "folder of it; add that to `process.paths`, and `sallyport upgrade`, or "
                           "restart (of `connect`: put the file where the one before it was, or "
                           "restart)",
                           verb, path);
    errno = error;
    if (errno == EACCES)
        return errinfo_set(info, ERR_SYSTEM,
                           "cannot %s %s: %m; this is user %u: let it, or a group of it, read it, "
                           "and enter its folders",
                           verb, path, (unsigned)geteuid());
    return errinfo_set(info, ERR_SYSTEM, "cannot %s %s: %m", verb, path);
}

// has_acl tells whether a list stands after the mode. What cannot be found out counts as one.
static bool has_acl(int fd)
{
    return fgetxattr(fd, "system.posix_acl_access", NULL, 0) >= 0 ||
           (errno != ENODATA && errno != ENOTSUP);
}

// check_secrecy refuses a key that somebody else than this process may read.
static enum err check_secrecy(int fd, const char *path, const struct stat *status,
                              struct errinfo *info)
{
    const int count = getgroups(0, NULL);
    gid_t *groups = count < 0 ? NULL : calloc((size_t)count + 1, sizeof *groups);
    if (groups == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory to examine %s", path);
    const int taken = getgroups(count, groups + 1);
    groups[0] = getegid();
    const struct process_owner process = {
        .uid = geteuid(), .groups = groups, .group_count = taken < 0 ? 1 : (size_t)taken + 1};
    const struct file_owner file = {
        .uid = status->st_uid,
        .gid = status->st_gid,
        .mode = status->st_mode,
        .has_acl = has_acl(fd),
    };
    const enum secrecy secrecy = secrecy_judge(&file, &process);
    char remedy[REMEDY_CAP];
    struct text text;
    text_init(&text, remedy, sizeof remedy);
    secrecy_remedy_append(&text, &file, &process, path);
    free(groups);
    if (secrecy == SECRECY_KEPT)
        return ERR_OK;
    return errinfo_set(
        info, ERR_INPUT,
        "%s is named as a private key, and %s (mode %04o, owner %u, group %u): it is for "
        "its owner, and at most readable for a group of this process (user %u); %s",
        path, secrecy_fault(secrecy), (unsigned)(status->st_mode & 07777), (unsigned)status->st_uid,
        (unsigned)status->st_gid, (unsigned)geteuid(), remedy);
}

static enum err check_status(int fd, const char *path, size_t max_len, enum file_access access,
                             struct stat *status, struct errinfo *info)
{
    if (fstat(fd, status) != 0)
        return file_explain(info, "examine", path);
    if (S_ISDIR(status->st_mode))
        return errinfo_set(info, ERR_INPUT, "%s is a directory: expected a file", path);
    if (!S_ISREG(status->st_mode))
        return errinfo_set(info, ERR_INPUT, "%s is not a regular file", path);
    if (status->st_size < 0 || (uint64_t)status->st_size > max_len)
        return errinfo_set(info, ERR_LIMIT, "%s is larger than %zu bytes", path, max_len);
    if (access == FILE_PRIVATE && (status->st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return errinfo_set(info, ERR_INPUT,
                           "%s is a private key that others may read (mode %04o): chmod 600 it; if "
                           "others did read it, replace it",
                           path, status->st_mode & 07777);
    return access == FILE_SECRET ? check_secrecy(fd, path, status, info) : ERR_OK;
}

enum err file_read_open(int fd, const char *name, size_t max_len, struct file_content *out,
                        struct errinfo *info)
{
    enum err error = ERR_OK;
    ssize_t count = 1;
    size_t len = 0;
    *out = (struct file_content){.memory = calloc(1, max_len + 1)};
    if (out->memory == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory to read %s", name);
    while (error == ERR_OK && count != 0) {
        count = read(fd, out->memory + len, max_len + 1 - len);
        if (count < 0 && errno != EINTR)
            error = file_explain(info, "read", name);
        len += count > 0 ? (size_t)count : 0;
        if (len > max_len)
            error = ERR_LIMIT;
    }
    out->bytes = slice_of(out->memory, len);
    if (error != ERR_OK)
        file_content_deinit(out);
    return error;
}

enum err file_read_at(int fd, const char *path, size_t max_len, enum file_access access,
                      struct file_content *out, struct errinfo *info)
{
    struct stat status;
    *out = (struct file_content){0};
    TRY(check_status(fd, path, max_len, access, &status, info));
    const enum err error = file_read_open(fd, path, (size_t)status.st_size, out, info);
    return error == ERR_LIMIT
               ? errinfo_set(info, ERR_INPUT, "%s grew while it was read: try again", path)
               : error;
}

int file_open(const char *path)
{
    struct stat status;
    const bool is_there = stat(path, &status) == 0;
    // O_NONBLOCK: a FIFO in the place of a file must not hold the start up.
    if (!is_there || S_ISREG(status.st_mode))
        return open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    errno = S_ISDIR(status.st_mode) ? EISDIR : ENOTSUP;
    return -1;
}

enum err file_read(const char *path, size_t max_len, enum file_access access,
                   struct file_content *out, struct errinfo *info)
{
    *out = (struct file_content){0};
    const int fd = file_open(path);
    if (fd < 0 && errno == EISDIR)
        return errinfo_set(info, ERR_INPUT, "%s is a directory: expected a file", path);
    if (fd < 0 && errno == ENOTSUP)
        return errinfo_set(info, ERR_INPUT, "%s is not a regular file", path);
    if (fd < 0)
        return file_explain(info, "open", path);
    const enum err error = file_read_at(fd, path, max_len, access, out, info);
    (void)close(fd);
    return error;
}

bool file_is_folder(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

bool file_is_there(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0;
}

void file_content_deinit(struct file_content *content)
{
    if (content->memory != NULL)
        explicit_bzero(content->memory, content->bytes.len);
    free(content->memory);
    *content = (struct file_content){0};
}
