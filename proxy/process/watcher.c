// Walks each path link by link and asks inotify about the names that matter in each folder.
//
//   1. watcher_add resolves the path one component at a time. Where a component is a link, or the last
//      one, (folder, name) goes onto the list, and a link's target is walked on.
//      Of a folder that was added every name counts.
//   2. An event counts only when its folder and name are on the list: the audit log may be written
//      next to a certificate.
//   3. A change starts a short timer, so that a certificate and its key come as a pair.
//   4. Every 30 s the files' size, time, and place are compared with what they were.
#include "proxy/process/watcher.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/base/slice.h"

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

// path_walk is a path that is being walked.
struct path_walk {
    char walked[PATH_MAX]; // resolved so far, without a link in it; "" stands for the root
    char rest[PATH_MAX];   // still to walk
};

static bool begin_walk(struct path_walk *walk, const char *path)
{
    walk->walked[0] = '\0';
    if (path[0] == '/')
        return string_copy(walk->rest, sizeof walk->rest, slice_of_string(path));
    return getcwd(walk->walked, sizeof walk->walked) != NULL &&
           string_copy(walk->rest, sizeof walk->rest, slice_of_string(path));
}

// take_component takes the next name off the rest; an empty one at the end.
static struct slice take_component(struct path_walk *walk, char out[NAME_MAX + 1])
{
    struct slice rest = slice_of_string(walk->rest);
    while (rest.len > 0 && rest.data[0] == '/')
        rest = slice_from(rest, 1);
    const struct slice name = slice_first(rest, slice_find(rest, '/'));
    char left[PATH_MAX];
    (void)string_copy(left, sizeof left, slice_from(rest, name.len));
    if (!string_copy(out, NAME_MAX + 1, name))
        out[0] = '\0';
    (void)string_copy(walk->rest, sizeof walk->rest, slice_of_string(left));
    return slice_of_string(out);
}

static bool append(char *path, size_t cap, const char *name)
{
    const size_t len = strlen(path);
    return len + 1 < cap && string_copy(path + len, cap - len, SLICE_LITERAL("/")) &&
           string_copy(path + len + 1, cap - len - 1, slice_of_string(name));
}

static void step_back(struct path_walk *walk)
{
    char *slash = strrchr(walk->walked, '/');
    if (slash != NULL)
        *slash = '\0';
}

// follow_link goes on at the target of the link that stands at `link`.
static bool follow_link(struct path_walk *walk, const char *link)
{
    char target[PATH_MAX];
    const ssize_t len = readlink(link, target, sizeof target - 1);
    if (len <= 0)
        return false;
    target[len] = '\0';
    if (walk->rest[0] != '\0' && !append(target, sizeof target, walk->rest))
        return false;
    if (target[0] == '/')
        walk->walked[0] = '\0';
    return string_copy(walk->rest, sizeof walk->rest, slice_of_string(target));
}

// watch_folder watches for every name in what a path has led to, where that is a folder.
static void watch_folder(struct watcher *watcher, const char *path)
{
    struct stat status;
    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        add_name(watcher, path, SLICE_LITERAL(""));
}

static void watch_path(struct watcher *watcher, const char *path)
{
    struct path_walk walk;
    bool goes_on = begin_walk(&walk, path);
    for (int links = 0; goes_on && links <= MAX_LINKS;) {
        char name[NAME_MAX + 1];
        const struct slice component = take_component(&walk, name);
        if (component.len == 0) {
            watch_folder(watcher, walk.walked);
            return;
        }
        if (slice_equal(component, SLICE_LITERAL(".")))
            continue;
        if (slice_equal(component, SLICE_LITERAL(".."))) {
            step_back(&walk);
            continue;
        }
        char here[PATH_MAX];
        struct stat status = {0};
        (void)string_copy(here, sizeof here, slice_of_string(walk.walked));
        goes_on = append(here, sizeof here, name);
        const bool is_link = goes_on && lstat(here, &status) == 0 && S_ISLNK(status.st_mode);
        if (is_link || walk.rest[0] == '\0')
            add_name(watcher, walk.walked[0] == '\0' ? "/" : walk.walked, component);
        links += is_link ? 1 : 0;
        if (goes_on)
            goes_on = is_link ? follow_link(&walk, here)
                              : string_copy(walk.walked, sizeof walk.walked, slice_of_string(here));
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
    watch_path(watcher, path);
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
