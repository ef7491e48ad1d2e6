// watcher: notices changed files: written in place, renamed over, or reached by a symbolic link that was swapped (as
// Kubernetes and cert-manager do).
//
// It watches folders, never files: each folder on the path that holds a symbolic link or the file itself. inotify may
// miss changes on network and overlay file systems, so the watcher also compares the files every 30 s. It does not
// tell what has changed: the callback loads and compares.
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

// watcher_begin starts a new list of files to watch. The former list counts until watcher_commit.
void watcher_begin(struct watcher *watcher);

// watcher_add adds a file or a folder to the new list. In a folder every name counts but hidden ones. A path that
// cannot be watched is compared every 30 s.
void watcher_add(struct watcher *watcher, const char *path);

// watcher_commit puts the new list in the place of the former one.
void watcher_commit(struct watcher *watcher);
