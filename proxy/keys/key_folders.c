// A path is first freed of its links, then judged, and then opened in a way that follows no link: what is opened is what was
// judged.
#include "proxy/keys/key_folders.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "auth/base/hex.h"
#include "auth/base/text.h"
#include "proxy/cage/wide.h"

enum { NOTES_MAX = (KEY_FOLDERS_MAX + 2) * (PATH_MAX + 1) };

static bool is_below(const char *folder, const char *path)
{
    const size_t len = strlen(folder);
    return strncmp(path, folder, len) == 0 && path[len] == '/' && path[len + 1] != '\0';
}

void key_folders_init(struct key_folders *folders)
{
    *folders = (struct key_folders){.count = 0};
    (void)RAND_bytes(folders->secret,
                     sizeof folders->secret); // ends the process where there is nothing random
}

bool key_folders_hold(const struct key_folders *folders, const char *path)
{
    for (size_t i = 0; i < folders->count; i++) {
        if (is_below(folders->paths[i], path) || strcmp(folders->paths[i], path) == 0)
            return true;
    }
    return false;
}

// add adds a folder, or a file, given without links; "" is the root.
static enum err add(struct key_folders *folders, struct slice folder, struct errinfo *info)
{
    char path[PATH_MAX];
    if (!string_copy(path, sizeof path, folder))
        return errinfo_set(info, ERR_INPUT, "a path is too long");
    for (size_t i = 0; i < folders->count; i++) {
        if (strcmp(folders->paths[i], path) == 0)
            return ERR_OK;
    }
    if (folders->count == KEY_FOLDERS_MAX)
        return errinfo_set(info, ERR_LIMIT, "private keys are in more than %d folders",
                           KEY_FOLDERS_MAX);
    char *copy = strdup(path);
    if (copy == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory for a folder");
    folders->paths[folders->count++] = copy;
    return ERR_OK;
}

static struct slice folder_of_file(const char *path)
{
    return slice_of(path, (size_t)(strrchr(path, '/') - path));
}

// find_folder finds the folder in which a file is named, without links; "" is the root.
static bool find_folder(const char *path, char out[PATH_MAX])
{
    char named[PATH_MAX];
    if (!string_copy(named, sizeof named, folder_of_file(path)) ||
        realpath(*named == '\0' ? "/" : named, out) == NULL)
        return false;
    if (strcmp(out, "/") == 0)
        out[0] = '\0';
    return true;
}

// allow_file adds the folder in which a file is, or the file, and the folder in which it is named.
static enum err allow_file(struct key_folders *folders, const char *path, const char *real,
                           struct errinfo *info)
{
    char folder[PATH_MAX];
    if (!string_copy(folder, sizeof folder, folder_of_file(real)))
        return errinfo_set(info, ERR_INPUT, "a path is too long");
    TRY(add(folders, slice_of_string(wide_folder(folder) ? real : folder), info));
    if (!find_folder(path, folder) || wide_folder(folder))
        return ERR_OK;
    return add(folders, slice_of_string(folder), info);
}

enum err key_folders_allow(struct key_folders *folders, const char *path, struct errinfo *info)
{
    char real[PATH_MAX];
    struct stat status;
    if (realpath(path, real) == NULL || stat(real, &status) != 0)
        return errinfo_set(info, ERR_SYSTEM, "cannot open %s: %m", path);
    if (S_ISDIR(status.st_mode))
        return add(folders, slice_of_string(strcmp(real, "/") == 0 ? "" : real), info);
    return allow_file(folders, path, real, info);
}

// open_without_links opens a path that has no link in it any more, unless somebody has just put one there.
static int open_without_links(const char *path)
{
    const struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
                                 .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    const int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
    if (fd < 0 && (errno == ENOSYS ||
                   errno == EPERM)) // a kernel before 5.6, or a container that does not know it
        return open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
    return fd;
}

// holds_place tells whether a file would be allowed where nothing is that can be opened.
static bool holds_place(const struct key_folders *folders, const char *path)
{
    char folder[PATH_MAX];
    for (size_t i = 0; i < folders->count; i++) {
        if (strcmp(folders->paths[i], path) == 0)
            return true;
    }
    return find_folder(path, folder) && key_folders_hold(folders, folder);
}

enum err key_folders_open(struct key_folders *folders, const char *path, int *out_fd,
                          struct errinfo *info)
{
    char real[PATH_MAX] = "";
    const bool is_there = realpath(path, real) != NULL;
    const int error = errno;
    if (!is_there && (!folders->is_sealed || holds_place(folders, path))) {
        errno = error;
        return errinfo_set(info, ERR_SYSTEM, "cannot open %s: %m", path);
    }
    if (!folders->is_sealed)
        TRY(allow_file(folders, path, real, info));
    if (!is_there || !key_folders_hold(folders, real))
        return errinfo_set(info, ERR_DENIED,
                           "%s: private keys are apart (process.keys), and their process opens no "
                           "file in a folder that had no key when it started: move the file to one "
                           "that had, or add the folder to `process.key_paths`, and `sallyport "
                           "upgrade`, or restart the proxy",
                           path);
    *out_fd = open_without_links(real);
    if (*out_fd < 0)
        return errinfo_set(info, ERR_SYSTEM, "cannot open %s: %m", path);
    return ERR_OK;
}

// write_line writes a text and a line break at `*at`, which goes on.
static bool write_line(int fd, const char *line, off_t *at)
{
    const ssize_t len = (ssize_t)strlen(line);
    const bool is_good =
        pwrite(fd, line, (size_t)len, *at) == len && pwrite(fd, "\n", 1, *at + len) == 1;
    *at += len + 1;
    return is_good;
}

static bool write_hex(int fd, struct slice bytes, off_t *at)
{
    char hex[2 * KEY_GROUPS_LEN_MAX + 1];
    struct text text;
    text_init(&text, hex, sizeof hex);
    text_append_hex(&text, bytes);
    return write_line(fd, hex, at);
}

// A line with the groups in hex, one with the secret, then one for each folder. A folder whose name has a line break is left out: for
// the holders after this one it holds no key.
bool key_folders_save(const struct key_folders *folders, const struct key_groups *groups, int fd)
{
    off_t at = 0;
    uint8_t bytes[KEY_GROUPS_LEN_MAX];
    bool is_good = write_hex(fd, slice_of(bytes, key_groups_format(groups, bytes)), &at) &&
                   write_hex(fd, slice_of(folders->secret, sizeof folders->secret), &at);
    for (size_t i = 0; i < folders->count; i++) {
        if (strchr(folders->paths[i], '\n') == NULL)
            is_good = is_good && write_line(fd, folders->paths[i], &at);
    }
    return is_good &&
           fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0;
}

// take_line cuts off the first line. False: there is none.
static bool take_line(struct slice *text, struct slice *out)
{
    const size_t len = slice_find(*text, '\n');
    if (len == text->len)
        return false;
    *out = slice_first(*text, len);
    *text = slice_from(*text, len + 1);
    return true;
}

// take_hex reads a line of digits into at most `cap` bytes.
static bool take_hex(struct slice *text, uint8_t *out, size_t cap, size_t *out_len)
{
    struct slice line;
    size_t digits = 0;
    if (!take_line(text, &line) || line.len % 2 != 0 ||
        (line.len > 0 && (!hex_read(line, out, cap, &digits) || digits != line.len)))
        return false;
    *out_len = digits / 2;
    return true;
}

static bool take_notes(struct key_folders *folders, struct key_groups *out_groups,
                       struct slice text)
{
    struct errinfo info;
    struct slice line;
    uint8_t bytes[KEY_GROUPS_LEN_MAX];
    size_t len = 0;
    *out_groups = (struct key_groups){.count = 0};
    if (!take_hex(&text, bytes, sizeof bytes, &len) ||
        (len > 0 && !key_groups_parse(slice_of(bytes, len), out_groups)) ||
        !take_hex(&text, folders->secret, sizeof folders->secret, &len) ||
        len != sizeof folders->secret)
        return false;
    while (take_line(&text, &line)) {
        if (add(folders, line, &info) != ERR_OK)
            return false;
    }
    return text.len == 0;
}

bool key_folders_load(struct key_folders *folders, struct key_groups *out_groups, int fd)
{
    struct stat status;
    const int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & F_SEAL_WRITE) == 0 || fstat(fd, &status) != 0 ||
        status.st_size > NOTES_MAX)
        return false;
    char *data = malloc((size_t)status.st_size + 1);
    folders->is_sealed = data != NULL &&
                         pread(fd, data, (size_t)status.st_size, 0) == status.st_size &&
                         take_notes(folders, out_groups, slice_of(data, (size_t)status.st_size));
    free(data);
    return folders->is_sealed;
}

void key_folders_deinit(struct key_folders *folders)
{
    for (size_t i = 0; i < folders->count; i++)
        free(folders->paths[i]);
    *folders = (struct key_folders){0};
}
