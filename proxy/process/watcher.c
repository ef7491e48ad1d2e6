// Looks at each path link by link and asks inotify about the names that matter in each folder.
//
//   1. watcher_add looks at each part of the path. Where it is a link, or the whole path, (folder, name) goes onto the
//      list, and a link's target is looked at in the same way. Of a folder that was added every name counts.
//   2. An event counts only when its folder and name are on the list: the audit log may be written
//      next to a certificate.
//   3. A change starts a short timer, so that a certificate and its key come as a pair.
//   4. Every 30 s the files' size, time, and place are compared with what they were.
#include "proxy/process/watcher.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/base/text.h"

enum {
    MAX_LINKS = 40, // as the kernel's own limit
    EVENTS_CAP = 16 * 1024,
    WATCH_MASK = IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_CLOSE_WRITE | IN_DELETE | IN_ATTRIB,
};

static const ev_tstamp settle_s = 0.25;
static const ev_tstamp look_every_s = 30.;

// watched_name is a name in a folder whose events count.
struct watched_name {
    struct watched_name *next; // owned
    int watch;                 // inotify's number for the folder
    char name[];               // of the link or file; "": every name that does not begin with a dot
};

// file_state is what a file looked like.
struct file_state {
    struct file_state *next; // owned
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified;
    char path[];
};

struct watcher {
    struct ev_loop *loop; // borrowed
    void (*on_change)(void *arg);
    void *arg; // borrowed
    ev_io io;  // its descriptor, inotify's, is owned; -1: none
    ev_timer settle;
    ev_timer look;
    struct watched_name *names;        // owned
    struct file_state *states;         // owned
    int former_fd;                     // owned; between begin and commit, like the next
    struct watched_name *former_names; // owned
};

static void free_names(struct watched_name *names)
{
    while (names != NULL) {
        struct watched_name *next = names->next;
        free(names);
        names = next;
    }
}

static void forget_states(struct watcher *watcher)
{
    while (watcher->states != NULL) {
        struct file_state *next = watcher->states->next;
        free(watcher->states);
        watcher->states = next;
    }
}

// look_at fills in what the file looks like now; zeros when it is not there.
static void look_at(struct file_state *state)
{
    struct stat status;
    if (stat(state->path, &status) != 0)
        status = (struct stat){0};
    state->device = status.st_dev;
    state->inode = status.st_ino;
    state->size = status.st_size;
    state->modified = status.st_mtim;
}

static bool is_same_state(const struct file_state *a, const struct file_state *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->modified.tv_sec == b->modified.tv_sec && a->modified.tv_nsec == b->modified.tv_nsec;
}

static void note_change(struct watcher *watcher)
{
    if (ev_is_active(&watcher->settle))
        return;
    ev_timer_set(&watcher->settle, settle_s, 0.);
    ev_timer_start(watcher->loop, &watcher->settle);
}

// add_name watches `folder` for `name`.
static void add_name(struct watcher *watcher, const char *folder, struct slice name)
{
    const int watch =
        watcher->io.fd < 0 ? -1 : inotify_add_watch(watcher->io.fd, folder, WATCH_MASK);
    if (watch < 0)
        return; // no such folder, or no watches left: then it is looked at now and then
    struct watched_name *watched = malloc(sizeof *watched + name.len + 1);
    if (watched == NULL)
        return;
    watched->watch = watch;
    (void)string_copy(watched->name, name.len + 1, name);
    watched->next = watcher->names;
    watcher->names = watched;
}

// add_place watches for the name that a path ends with, in its folder.
static void add_place(struct watcher *watcher, struct slice path)
{
    char folder[PATH_MAX];
    const uint8_t *slash = memrchr(path.data, '/', path.len);
    const size_t at = slash == NULL ? 0 : (size_t)(slash - path.data) + 1;
    if (string_copy(folder, sizeof folder, at == 0 ? SLICE_LITERAL(".") : slice_first(path, at)))
        add_name(watcher, folder, slice_from(path, at));
}

// read_link gives the path that the link at `path` leads to. False: it is no link.
static bool read_link(struct slice path, char out[PATH_MAX])
{
    char target[PATH_MAX];
    char link[PATH_MAX];
    const uint8_t *slash = memrchr(path.data, '/', path.len);
    const size_t folder_len = slash == NULL ? 0 : (size_t)(slash - path.data) + 1;
    const ssize_t len =
        string_copy(link, sizeof link, path) ? readlink(link, target, sizeof target) : -1;
    if (len <= 0)
        return false;
    struct text text;
    text_init(&text, out, PATH_MAX);
    if (target[0] != '/')
        text_append(&text, slice_first(path, folder_len));
    text_append(&text, slice_of(target, (size_t)len));
    return !text.is_cut;
}

// watch_path watches for each link on a path, for those on the way to its target, and for the path's last name. The kernel
// goes along the links of the folders itself. `*links_left` bounds how many are followed.
static void watch_path(struct watcher *watcher, struct slice path, int *links_left)
{
    char target[PATH_MAX];
    for (size_t end = 1; end <= path.len; end++) {
        const struct slice part = slice_first(path, end);
        if (part.data[end - 1] == '/' || (end < path.len && path.data[end] != '/'))
            continue;
        const bool is_link = read_link(part, target);
        if (is_link || end == path.len)
            add_place(watcher, part);
        if (is_link && (*links_left)-- > 0)
            watch_path(watcher, slice_of_string(target), links_left);
    }
}

// concerns tells whether an event is about a name on the list.
static bool concerns(const struct watched_name *names, const struct inotify_event *event)
{
    if ((event->mask & (IN_Q_OVERFLOW | IN_IGNORED)) != 0)
        return true;
    for (const struct watched_name *watched = names; watched != NULL; watched = watched->next) {
        if (watched->watch != event->wd || event->len == 0)
            continue;
        if (watched->name[0] == '\0' ? event->name[0] != '.'
                                     : strcmp(watched->name, event->name) == 0)
            return true;
    }
    return false;
}

// take_events reads what inotify has to tell about the names.
static void take_events(struct watcher *watcher, int fd, const struct watched_name *names)
{
    _Alignas(struct inotify_event) char data[EVENTS_CAP];
    const ssize_t len = fd < 0 ? 0 : read(fd, data, sizeof data);
    for (ssize_t at = 0; at < len;) {
        const struct inotify_event *event = (const struct inotify_event *)(const void *)(data + at);
        if (concerns(names, event))
            note_change(watcher);
        at += (ssize_t)(sizeof *event + event->len);
    }
}

static void on_inotify(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    (void)events;
    struct watcher *watcher = io->data;
    take_events(watcher, io->fd, watcher->names);
}

static void on_settled(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct watcher *watcher = timer->data;
    watcher->on_change(watcher->arg);
}

static void on_look(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct watcher *watcher = timer->data;
    for (struct file_state *state = watcher->states; state != NULL; state = state->next) {
        const struct file_state before = *state;
        look_at(state);
        if (!is_same_state(state, &before))
            note_change(watcher);
    }
}

struct watcher *watcher_create(struct ev_loop *loop, void (*on_change)(void *arg), void *arg)
{
    struct watcher *watcher = calloc(1, sizeof *watcher);
    if (watcher == NULL)
        return NULL;
    watcher->loop = loop;
    watcher->on_change = on_change;
    watcher->arg = arg;
    watcher->former_fd = -1;
    ev_io_init(&watcher->io, on_inotify, -1, EV_READ);
    ev_timer_init(&watcher->settle, on_settled, settle_s, 0.);
    ev_timer_init(&watcher->look, on_look, look_every_s, look_every_s);
    watcher->io.data = watcher;
    watcher->settle.data = watcher;
    watcher->look.data = watcher;
    ev_timer_start(loop, &watcher->look);
    return watcher;
}

void watcher_destroy(struct watcher *watcher)
{
    if (watcher == NULL)
        return;
    watcher_begin(watcher);
    watcher_commit(watcher);
    ev_io_stop(watcher->loop, &watcher->io);
    if (watcher->io.fd >= 0)
        (void)close(watcher->io.fd);
    ev_timer_stop(watcher->loop, &watcher->settle);
    ev_timer_stop(watcher->loop, &watcher->look);
    free(watcher);
}

void watcher_begin(struct watcher *watcher)
{
    ev_io_stop(watcher->loop, &watcher->io);
    watcher->former_fd = watcher->io.fd;
    watcher->former_names = watcher->names;
    watcher->names = NULL;
    forget_states(watcher);
    ev_io_set(&watcher->io, inotify_init1(IN_CLOEXEC | IN_NONBLOCK), EV_READ);
}

void watcher_add(struct watcher *watcher, const char *path)
{
    const struct slice text = slice_of_string(path);
    struct file_state *state = malloc(sizeof *state + text.len + 1);
    int links_left = MAX_LINKS;
    watch_path(watcher, text, &links_left);
    struct stat status;
    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        add_name(watcher, path, SLICE_LITERAL("")); // for every name in it
    if (state == NULL)
        return;
    (void)string_copy(state->path, text.len + 1, text);
    look_at(state);
    state->next = watcher->states;
    watcher->states = state;
}

void watcher_commit(struct watcher *watcher)
{
    // The new ones watch already, so that nothing is lost between them; closing takes many milliseconds.
    take_events(watcher, watcher->former_fd, watcher->former_names);
    if (watcher->former_fd >= 0)
        (void)close(watcher->former_fd);
    free_names(watcher->former_names);
    watcher->former_fd = -1;
    watcher->former_names = NULL;
    if (watcher->io.fd >= 0)
        ev_io_start(watcher->loop, &watcher->io);
}
