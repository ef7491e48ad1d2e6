// watcher: notices that files have changed, however that is done: written in place, renamed over, or a
// symbolic link anywhere on the way swapped (as Kubernetes and cert-manager do).
//
// It watches folders, never files: every folder on the way to a file in which a symbolic link, or the
// file itself, stands. inotify may miss what happens on network and overlay file systems, so that it also
// looks by itself now and then. It does not say what has changed: the callback loads and compares.
#pragma once

#include <ev.h>

#include "auth/base/err.h"

struct watcher;

// watcher_create makes a watcher of nothing on `loop`. `on_change` is called from the loop, some moments
// after the first change, with `arg` (borrowed). NULL when there is no memory.
struct watcher *watcher_create(struct ev_loop *loop, void (*on_change)(void *arg),
                               void *arg) MUST_USE;

// watcher_destroy frees it. NULL is allowed.
void watcher_destroy(struct watcher *watcher);

// Of a folder that is added, everything counts that comes into it, changes or goes, but hidden files.
//
// watcher_begin, watcher_add and watcher_commit set the files to watch, by path, in the place of the former
// ones. What cannot be watched is still looked at now and then.
void watcher_begin(struct watcher *watcher);
void watcher_add(struct watcher *watcher, const char *path);
void watcher_commit(struct watcher *watcher);
