// loader: builds a new snapshot on a thread of its own, so that main goes on answering signals.
#pragma once

#include "proxy/config/taking.h"
#include "proxy/loop/wakeup.h"

struct loader;

enum loader_scope {
    LOADER_ALL,        // the configuration file and what it names
    LOADER_FILES,      // only what it names; the configuration stays as it is in force
    LOADER_TAKING,     // of that, only what takes trust away
    LOADER_TAKING_ALL, // likewise, and what the configuration file denies
};

// loader_start begins to load what comes after `current`, of which it takes a reference of its own. When it
// is done, `done` is rung, which is borrowed. NULL when there is no memory or no thread.
struct loader *loader_start(struct snapshot *current, enum loader_scope scope,
                            const struct wakeup *done) MUST_USE;

// loader_scope_of tells what was asked for.
enum loader_scope loader_scope_of(const struct loader *loader);

// loader_is_taking tells whether it is one of the last two scopes.
bool loader_is_taking(const struct loader *loader);

// loader_finish waits for the end and frees the loader. ERR_OK with the snapshot, whose one reference is the
// caller's; otherwise `diagnostics` says why not. `diagnostics` is initialised here and the caller's.
enum err loader_finish(struct loader *loader, struct diagnostics *diagnostics,
                       struct snapshot **out) MUST_USE;

// loader_finish_taking does likewise for a loader_is_taking. ERR_OK with the caller's reference, or NULL where
// nothing is to be taken away that has not been; ERR_MEMORY.
enum err loader_finish_taking(struct loader *loader, struct taking **out) MUST_USE;
