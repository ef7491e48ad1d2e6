// Looking whether a socket is served, removing it and binding ours are three steps; a lock on the folder
// makes them one for everybody who does the same, so that two starts at once cannot take each other's place.
#include "proxy/admin/control_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "auth/base/slice.h"

enum { BACKLOG = 32, LOCK_TRIES = 100, LOCK_WAIT_NS = 20 * 1000 * 1000, CONNECT_PATIENCE_S = 10 };

static void fill_address(const char *path, struct sockaddr_un *out)
{
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    (void)string_copy(out->sun_path, sizeof out->sun_path, slice_of_string(path));
}

// lock_folder opens and locks the folder of a path; -1 with errno.
static int lock_folder(const char *path)
{
    char folder[CONTROL_PATH_MAX + 1];
    const char *slash = strrchr(path, '/');
    const struct slice name = slash == NULL   ? SLICE_LITERAL(".")
                              : slash == path ? SLICE_LITERAL("/")
                                              : slice_of(path, (size_t)(slash - path));
    (void)string_copy(folder, sizeof folder, name);
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    const struct timespec wait = {.tv_nsec = LOCK_WAIT_NS};
    for (int tries = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; tries++) {
        if (errno != EWOULDBLOCK || tries == LOCK_TRIES) {
            const int error = errno;
            (void)close(fd);
            errno = error;
            return -1;
        }
        (void)nanosleep(&wait, NULL);
    }
    return fd;
}

// is_served tells whether somebody accepts connections at a socket; `*out_error` says why it is not
// known.
static bool is_served(const char *path, int *out_error)
{
    struct sockaddr_un address;
    fill_address(path, &address);
    *out_error = 0;
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        *out_error = errno;
        return false;
    }
    const bool is_connected = connect(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    const int error = is_connected ? 0 : errno;
    (void)close(fd);
    if (is_connected || error == EAGAIN || error == EINPROGRESS)
        return true;
    if (error != ECONNREFUSED && error != ENOENT)
        *out_error = error;
    return false;
}

// remove_stale makes the path free, if nobody lives there.
static enum err remove_stale(const char *path, const char *key, struct errinfo *info)
{
    struct stat status;
    int error = 0;
    if (lstat(path, &status) != 0) {
        if (errno == ENOENT)
            return ERR_OK;
        return errinfo_set(info, ERR_SYSTEM, "socket %s: %m", path);
    }
    if (!S_ISSOCK(status.st_mode))
        return errinfo_set(
            info, ERR_DENIED,
            "socket %s: this path is not a socket and is left untouched: move it away, or choose another `%s`",
            path, key);
    if (is_served(path, &error))
        return errinfo_set(
            info, ERR_DENIED,
            "socket %s: another sallyport is served there; stop it, or choose another `%s`", path,
            key);
    if (error != 0)
        return errinfo_set(info, ERR_SYSTEM, "socket %s: cannot tell whether it is in use: %s",
                           path, strerror(error));
    if (unlink(path) != 0 && errno != ENOENT)
        return errinfo_set(info, ERR_SYSTEM, "socket %s: cannot remove the old one: %m", path);
    return ERR_OK;
}

// bind_private binds and listens; the mode is there before the name is.
static enum err bind_private(struct control_socket *out, struct errinfo *info)
{
    struct sockaddr_un address;
    struct stat status;
    fill_address(out->path, &address);
    out->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (out->fd < 0 || fchmod(out->fd, S_IRUSR | S_IWUSR) != 0)
        return errinfo_set(info, ERR_SYSTEM, "socket %s: %m", out->path);
    if (bind(out->fd, (const struct sockaddr *)&address, sizeof address) != 0)
        return errinfo_set(info, ERR_SYSTEM, "socket %s: cannot bind: %m", out->path);
    if (listen(out->fd, BACKLOG) != 0 || lstat(out->path, &status) != 0) {
        (void)unlink(out->path);
        return errinfo_set(info, ERR_SYSTEM, "socket %s: %m", out->path);
    }
    out->device = status.st_dev;
    out->inode = status.st_ino;
    return ERR_OK;
}

enum err control_socket_open(const char *path, const char *key, struct control_socket *out,
                             struct errinfo *info)
{
    *out = (struct control_socket){.fd = -1};
    if (!string_copy(out->path, sizeof out->path, slice_of_string(path)))
        return errinfo_set(info, ERR_LIMIT, "socket: a path has at most %d bytes: %s",
                           (int)CONTROL_PATH_MAX, path);
    const int lock = lock_folder(path);
    if (lock < 0 && errno == ENOENT)
        return errinfo_set(info, ERR_SYSTEM,
                           "socket %s: its folder does not exist; run: mkdir -m 700 -p FOLDER; "
                           "with systemd: RuntimeDirectory=",
                           path);
    if (lock < 0)
        return errinfo_set(info, ERR_SYSTEM, "socket %s: cannot lock its folder: %m", path);
    enum err error = remove_stale(path, key, info);
    if (error == ERR_OK)
        error = bind_private(out, info);
    (void)close(lock);
    if (error != ERR_OK && out->fd >= 0) {
        (void)close(out->fd);
        out->fd = -1;
    }
    return error;
}

// is_bound_to tells whether the socket has this name.
static bool is_bound_to(int fd, const char *path)
{
    struct sockaddr_un name = {0};
    socklen_t len = sizeof name;
    return getsockname(fd, (struct sockaddr *)&name, &len) == 0 && name.sun_family == AF_UNIX &&
           strncmp(name.sun_path, path, sizeof name.sun_path) == 0;
}

enum err control_socket_adopt(const char *path, int fd, struct control_socket *out,
                              struct errinfo *info)
{
    struct stat status;
    *out = (struct control_socket){.fd = fd};
    if (!string_copy(out->path, sizeof out->path, slice_of_string(path)) ||
        !is_bound_to(fd, path) || lstat(path, &status) != 0 || !S_ISSOCK(status.st_mode)) {
        control_socket_leave(out);
        return errinfo_set(info, ERR_DENIED,
                           "control socket %.200s: the one that was handed over is another one",
                           path);
    }
    out->device = status.st_dev;
    out->inode = status.st_ino;
    return ERR_OK;
}

bool control_socket_is_nameless(const struct control_socket *socket)
{
    struct stat status;
    return socket->fd >= 0 && lstat(socket->path, &status) != 0 && errno == ENOENT;
}

void control_socket_leave(struct control_socket *socket)
{
    if (socket->fd >= 0)
        (void)close(socket->fd);
    socket->fd = -1;
}

void control_socket_close(struct control_socket *socket)
{
    struct stat status;
    if (socket->fd < 0)
        return;
    const int lock = lock_folder(socket->path);
    if (lstat(socket->path, &status) == 0 && status.st_dev == socket->device &&
        status.st_ino == socket->inode)
        (void)unlink(socket->path);
    (void)close(socket->fd);
    socket->fd = -1;
    if (lock >= 0)
        (void)close(lock);
}

enum err control_socket_connect(const char *path, int *out_fd, struct errinfo *info)
{
    struct sockaddr_un address;
    *out_fd = -1;
    if (strlen(path) > CONTROL_PATH_MAX)
        return errinfo_set(info, ERR_SYSTEM, "%s: a control socket's path has at most %d bytes",
                           path, (int)CONTROL_PATH_MAX);
    fill_address(path, &address);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errinfo_set(info, ERR_SYSTEM, "no socket: %m");
    const struct timeval patience = {.tv_sec = CONNECT_PATIENCE_S};
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0) {
        *out_fd = fd;
        return ERR_OK;
    }
    const int error = errno;
    (void)close(fd);
    if (error == EACCES || error == EPERM)
        return errinfo_set(info, ERR_SYSTEM,
                           "%s: permission denied: only the user that sallyport runs as, and root, "
                           "may use it",
                           path);
    if (error == ENOENT || error == ECONNREFUSED)
        return errinfo_set(info, ERR_SYSTEM,
                           "%s: nothing listens there (%s): is sallyport running?", path,
                           strerror(error));
    if (error == EAGAIN)
        return errinfo_set(info, ERR_SYSTEM,
                           "%s: who listens there takes no connection within %d s", path,
                           (int)CONNECT_PATIENCE_S);
    return errinfo_set(info, ERR_SYSTEM, "%s: %s", path, strerror(error));
}
