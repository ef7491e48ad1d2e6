// A look at the file twenty times a second, for one who has asked for it; whole lines are passed on.
#include "proxy/service/audit_tail.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/audit/sink.h"

enum {
    PIECE_MAX = 128 * 1024,  // bytes of a turn; a record is much shorter
    UNSENT_MAX = 256 * 1024, // bytes: who has so many to take gets no more for now
    TURNS_MAX = 4,           // of a look
};

static const ev_tstamp look_every_s = 0.05;

struct audit_tail {
    struct ev_loop *loop; // borrowed
    ev_timer look;
    struct control_call *call; // borrowed
    void (*on_gone)(void *arg, struct control_call *call);
    void *arg;  // borrowed
    char *path; // owned
    int fd;     // owned
    off_t at;   // bytes of the file that have been passed on
    char piece[PIECE_MAX];
};

// pass_on sends the whole lines of what has been read; those alone are left behind. One that is longer than
// any record goes in parts.
static void pass_on(struct audit_tail *tail, size_t len)
{
    const char *last = memrchr(tail->piece, '\n', len);
    const size_t whole = last != NULL       ? (size_t)(last - tail->piece) + 1
                         : len == PIECE_MAX ? len
                                            : 0;
    tail->at += (off_t)whole;
    control_call_append(tail->call, slice_of(tail->piece, whole));
}

// read_some passes the next piece on; false when there is nothing new.
static bool read_some(struct audit_tail *tail)
{
    const off_t before = tail->at;
    const ssize_t count = pread(tail->fd, tail->piece, sizeof tail->piece, tail->at);
    if (count > 0)
        pass_on(tail, (size_t)count);
    return tail->at > before;
}

// move_on opens what is at the path now, where that is another file, and tells whether it is.
static bool move_on(struct audit_tail *tail)
{
    struct stat now;
    struct stat ours;
    if (sink_is_stdout(tail->path) || fstat(tail->fd, &ours) != 0 || stat(tail->path, &now) != 0)
        return false; // between two files: it will be there at the next look
    if (now.st_dev == ours.st_dev && now.st_ino == ours.st_ino) {
        if (ours.st_size < tail->at)
            tail->at = 0; // cut by somebody
        return false;
    }
    const int fd = open(tail->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return false;
    (void)close(tail->fd);
    tail->fd = fd;
    tail->at = 0;
    return true;
}

static void look(struct audit_tail *tail)
{
    for (int turn = 0; turn < TURNS_MAX; turn++) {
        if (control_call_unsent(tail->call) > UNSENT_MAX)
            return;
        if (!read_some(tail) && !move_on(tail))
            return;
    }
}

static void on_look(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct audit_tail *tail = timer->data;
    if (control_call_is_gone(tail->call)) {
        tail->on_gone(tail->arg, tail->call);
        return;
    }
    look(tail);
    if (control_call_unsent(tail->call) > 0)
        control_call_send(tail->call);
}

// open_end opens the file and stands after its last record.
static enum err open_end(struct audit_tail *tail, struct errinfo *info)
{
    struct stat status;
    if (sink_is_stdout(tail->path))
        return errinfo_set(info, ERR_INPUT,
                           "the audit goes to the proxy's stdout (audit.file is \"-\"): the "
                           "records are there");
    tail->fd = open(tail->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (tail->fd < 0 || fstat(tail->fd, &status) != 0)
        return errinfo_set(info, ERR_SYSTEM, "cannot read %.300s: %m", tail->path);
    if (!S_ISREG(status.st_mode))
        return errinfo_set(info, ERR_INPUT,
                           "%.300s is not a regular file: it cannot be followed through the proxy",
                           tail->path);
    tail->at = status.st_size;
    return ERR_OK;
}

enum err audit_tail_start(struct ev_loop *loop, const char *path, struct control_call *call,
                          void (*on_gone)(void *arg, struct control_call *call), void *arg,
                          struct audit_tail **out, struct errinfo *info)
{
    *out = NULL;
    struct audit_tail *tail = calloc(1, sizeof *tail);
    if (tail == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory");
    *tail = (struct audit_tail){
        .loop = loop, .call = call, .on_gone = on_gone, .arg = arg, .fd = -1, .path = strdup(path)};
    ev_timer_init(&tail->look, on_look, look_every_s, look_every_s);
    tail->look.data = tail;
    const enum err error =
        tail->path == NULL ? errinfo_set(info, ERR_MEMORY, "no memory") : open_end(tail, info);
    if (error != ERR_OK) {
        if (tail->fd >= 0)
            (void)close(tail->fd);
        free(tail->path);
        free(tail);
        return error;
    }
    ev_timer_start(loop, &tail->look);
    *out = tail;
    return ERR_OK;
}

void audit_tail_follow(struct audit_tail *tail, const char *path)
{
    char *copy = strcmp(tail->path, path) == 0 ? NULL : strdup(path);
    if (copy == NULL)
        return; // without memory it stays with the old one
    free(tail->path);
    tail->path = copy;
}

void audit_tail_destroy(struct audit_tail *tail)
{
    if (tail == NULL)
        return;
    look(tail);
    ev_timer_stop(tail->loop, &tail->look);
    (void)close(tail->fd);
    free(tail->path);
    free(tail);
}
