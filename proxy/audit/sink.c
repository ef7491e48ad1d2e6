// Stdout is opened again where that is possible, so that O_NONBLOCK is ours alone: the flag belongs to everybody who
// shares a descriptor. Elsewhere no more is written than what poll(2) promises room for: PIPE_BUF bytes.
#include "proxy/audit/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LOCK_TRIES = 1000, LOCK_WAIT_NS = 1000 * 1000 };

bool sink_is_stdout(const char *path)
{
    return strcmp(path, "-") == 0;
}

const char *sink_label(const char *path)
{
    return sink_is_stdout(path) ? "stdout" : path;
}

// is_torn tells whether a crash in the middle of a write has left out the last line break.
static bool is_torn(int fd)
{
    struct stat status;
    char last = '\n';
    return fstat(fd, &status) == 0 && status.st_size > 0 &&
           pread(fd, &last, 1, status.st_size - 1) == 1 && last != '\n';
}

// ends_with_ours tells whether nobody has written to the file since this descriptor has: it stands where its last write ended,
// also where that was an append.
static bool ends_with_ours(int fd)
{
    struct stat status;
    const off_t ours = lseek(fd, 0, SEEK_CUR);
    return ours > 0 && fstat(fd, &status) == 0 && ours == status.st_size;
}

// end_torn_line adds the line break. False with errno set: the disk is full, and the next write is to try again.
static bool end_torn_line(struct sink *sink)
{
    if (sink->has_torn_line && write(sink->fd, "\n", 1) != 1)
        return false;
    sink->has_torn_line = false;
    return true;
}

static bool share_stdout(struct sink *out, enum sink_kind kind)
{
    *out = (struct sink){.fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0), .kind = kind};
    return out->fd >= 0;
}

static bool open_stdout(struct sink *out)
{
    struct stat status;
    const int flags = fcntl(STDOUT_FILENO, F_GETFL);
    if (flags < 0 || fstat(STDOUT_FILENO, &status) != 0)
        return false;
    if ((flags & O_ACCMODE) == O_RDONLY) { // it was closed when the process began
        errno = EBADF;
        return false;
    }
    if (S_ISREG(status.st_mode))
        return share_stdout(out, SINK_FILE);
    if (S_ISSOCK(status.st_mode))
        return share_stdout(out, SINK_SOCKET);
    *out =
        (struct sink){.fd = open("/proc/self/fd/1", O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK),
                      .kind = SINK_STREAM};
    return out->fd >= 0 || share_stdout(out, SINK_BLOCKING);
}

bool sink_is_file(const char *path)
{
    struct stat status;
    const bool is_there =
        sink_is_stdout(path) ? fstat(STDOUT_FILENO, &status) == 0 : stat(path, &status) == 0;
    return is_there && S_ISREG(status.st_mode);
}

bool sink_open(struct sink *out, const char *path, bool ends_torn_line)
{
    struct stat status;
    if (sink_is_stdout(path))
        return open_stdout(out);
    // O_NONBLOCK means nothing to a file. A named pipe, or /dev/stdout, is a stream, and this descriptor is ours.
    *out = (struct sink){
        .fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640)};
    if (out->fd < 0)
        return false;
    if (fstat(out->fd, &status) != 0 || !S_ISREG(status.st_mode))
        out->kind = SINK_STREAM;
    else if (ends_torn_line)
        out->has_torn_line = is_torn(out->fd);
    (void)end_torn_line(out);
    return true;
}

bool sink_is_removed(const struct sink *sink)
{
    struct stat status;
    return fstat(sink->fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_nlink == 0;
}

bool sink_is_at(const struct sink *sink, const char *path)
{
    struct stat ours;
    struct stat there;
    return fstat(sink->fd, &ours) == 0 && S_ISREG(ours.st_mode) && stat(path, &there) == 0 &&
           ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

bool sink_is_same_stream(const struct sink *a, const struct sink *b)
{
    struct stat of_a;
    struct stat of_b;
    return fstat(a->fd, &of_a) == 0 && fstat(b->fd, &of_b) == 0 && !S_ISREG(of_a.st_mode) &&
           of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
}

struct slice sink_read_end(const struct sink *sink, char *data, size_t cap, bool *out_is_all)
{
    struct stat status;
    *out_is_all = false;
    if (fstat(sink->fd, &status) != 0 || !S_ISREG(status.st_mode))
        return (struct slice){0};
    const off_t begin = status.st_size > (off_t)cap ? status.st_size - (off_t)cap : 0;
    const ssize_t count = pread(sink->fd, data, cap, begin);
    *out_is_all = begin == 0;
    return slice_of(data, count < 0 ? 0 : (size_t)count);
}

void sink_close(struct sink *sink)
{
    if (sink->fd >= 0)
        (void)close(sink->fd);
    sink->fd = -1;
}

// has_room waits until something can be written, or the writing fails at once.
static bool has_room(int fd, int patience_ms)
{
    struct pollfd room = {.fd = fd, .events = POLLOUT};
    return poll(&room, 1, patience_ms) > 0;
}

// shorten leaves so many parts, and of the last one so much, that there are no more than `max` bytes.
static int shorten(struct iovec *parts, int count, size_t max)
{
    for (int i = 0; i < count; i++) {
        if (parts[i].iov_len >= max) {
            parts[i].iov_len = max;
            return i + 1;
        }
        max -= parts[i].iov_len;
    }
    return count;
}

// lock_file waits, not for ever, until no other process writes to the file. Where somebody has not let go in that time, such
// as a process that was stopped, or a reader who locks it, it only looks from then on.
static bool lock_file(struct sink *sink)
{
    const struct timespec wait = {.tv_nsec = LOCK_WAIT_NS};
    const int max = sink->is_lock_stuck ? 1 : LOCK_TRIES;
    for (int tries = 0; tries < max; tries++) {
        if (flock(sink->fd, LOCK_EX | LOCK_NB) == 0) {
            sink->is_lock_stuck = false;
            return true;
        }
        if (errno != EWOULDBLOCK)
            return false;
        (void)nanosleep(&wait, NULL);
    }
    sink->is_lock_stuck = true;
    return false;
}

bool sink_begin_beside(struct sink *sink)
{
    sink->is_locked =
        lock_file(sink); // if not, who has it stands still, or locks mean nothing there
    const bool goes_on = ends_with_ours(sink->fd);
    sink->has_torn_line = !goes_on && is_torn(sink->fd);
    return goes_on;
}

ssize_t sink_write_beside(struct sink *sink, const struct iovec *parts, int count)
{
    const ssize_t written = end_torn_line(sink) ? writev(sink->fd, parts, count) : -1;
    const int error = errno;
    if (sink->is_locked)
        (void)flock(sink->fd, LOCK_UN);
    sink->is_locked = false;
    errno = error;
    return written;
}

ssize_t sink_write(struct sink *sink, struct iovec *parts, int count, int patience_ms)
{
    if (!end_torn_line(sink))
        return -1;
    if (sink->kind == SINK_FILE)
        return writev(sink->fd, parts, count);
    if (!has_room(sink->fd, patience_ms)) {
        errno = EAGAIN;
        return -1;
    }
    if (sink->kind == SINK_STREAM)
        return writev(sink->fd, parts, count);
    if (sink->kind == SINK_BLOCKING)
        return writev(sink->fd, parts, shorten(parts, count, PIPE_BUF));
    const struct msghdr message = {.msg_iov = parts, .msg_iovlen = (size_t)count};
    return sendmsg(sink->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}
