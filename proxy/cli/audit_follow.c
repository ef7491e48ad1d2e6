// A look at the file five times a second. A line counts once it has ended. When another file is at the path, the old one
// is read to its end first.
#include "proxy/cli/audit_follow.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_NS = 200 * 1000 * 1000, PIECE_MAX = HISTORY_LINE_MAX + 1 };

struct follower {
    const char *verb;
    const char *path;
    log_line_fn on_line;
    void *arg;
    int fd;           // owned
    size_t number;    // lines so far
    size_t len;       // bytes of `piece`
    bool is_dropping; // a line that is longer than any record
    char *piece;      // owned
};

// take_lines hands on the whole lines of what has been read.
static void take_lines(struct follower *follower)
{
    struct slice rest = slice_of(follower->piece, follower->len);
    size_t end = 0;
    while ((end = slice_find(rest, '\n')) < rest.len) {
        follower->number++;
        if (!follower->is_dropping)
            log_line_read(follower->path, follower->number, slice_first(rest, end),
                          follower->on_line, follower->arg);
        follower->is_dropping = false;
        rest = slice_from(rest, end + 1);
    }
    if (rest.len == PIECE_MAX) { // the line is told once, as one that is too long
        if (!follower->is_dropping)
            log_line_read(follower->path, follower->number + 1, rest, follower->on_line,
                          follower->arg);
        follower->is_dropping = true;
        rest = (struct slice){0};
    }
    bytes_drop_front((uint8_t *)follower->piece, follower->len, follower->len - rest.len);
    follower->len = rest.len;
}

// read_on reads what is there; false when the file cannot be read.
static bool read_on(struct follower *follower)
{
    ssize_t count = 0;
    while ((count = read(follower->fd, follower->piece + follower->len,
                         PIECE_MAX - follower->len)) > 0) {
        follower->len += (size_t)count;
        take_lines(follower);
    }
    return count == 0 || errno == EINTR;
}

// has_moved tells whether another file is at the path.
static bool has_moved(const struct follower *follower)
{
    struct stat ours;
    struct stat now;
    return fstat(follower->fd, &ours) == 0 && stat(follower->path, &now) == 0 &&
           (ours.st_dev != now.st_dev || ours.st_ino != now.st_ino);
}

static bool open_file(struct follower *follower)
{
    if (follower->fd >= 0)
        (void)close(follower->fd);
    follower->fd = open(follower->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    follower->number = 0;
    follower->len = 0;
    follower->is_dropping = false;
    return follower->fd >= 0;
}

// step reads what is there; false when a file cannot be read.
static bool step(struct follower *follower)
{
    const bool is_over =
        has_moved(follower); // asked first: the old file is read to its end after it
    if (!read_on(follower))
        return false;
    return !is_over || (open_file(follower) && read_on(follower));
}

// follow looks until a signal comes.
static int follow(struct follower *follower)
{
    const struct timespec pause = {.tv_nsec = LOOK_NS};
    sigset_t ends;
    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGINT);
    (void)sigaddset(&ends, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &ends, NULL);
    bool is_good = open_file(follower) && step(follower);
    while (is_good && sigtimedwait(&ends, NULL, &pause) < 0) {
        (void)fflush(stdout);
        is_good = step(follower);
    }
    if (!is_good)
        cli_say(follower->verb, "%s: %s", follower->path, strerror(errno));
    return is_good ? CLI_OK : CLI_UNLOADABLE;
}

int audit_follow(const char *verb, const struct cli_line *line, log_line_fn on_line, void *arg)
{
    struct cli_line before = *line;
    struct follower follower = {.verb = verb,
                                .path = line->arguments[line->argument_count - 1],
                                .on_line = on_line,
                                .arg = arg,
                                .fd = -1,
                                .piece = malloc(PIECE_MAX)};
    before.argument_count--;
    int status = audit_read_logs(verb, &before, on_line, arg);
    if (follower.piece == NULL || strcmp(follower.path, "-") == 0)
        status = cli_fail_usage(verb, "--follow needs the name of a file");
    if (status == CLI_OK)
        status = follow(&follower);
    if (follower.fd >= 0)
        (void)close(follower.fd);
    free(follower.piece);
    return status;
}
