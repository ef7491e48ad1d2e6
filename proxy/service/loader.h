// loader: reads files on a thread of its own, so that main goes on answering signals.
#pragma once

#include <pthread.h>

#include "proxy/config/taking.h"
#include "proxy/loop/wakeup.h"

// What is read. The values are bits of a set (proxy/service/rollout.h).
enum loader_scope {
    LOADER_TAKING_ALL = 1 << 0, // what takes trust away, also what the configuration file denies
    LOADER_TAKING = 1 << 1,     // what takes trust away
    LOADER_ALL = 1 << 2,        // the configuration file and what it names
    LOADER_FILES = 1 << 3,      // only what it names; the configuration stays as it is in force
};

// The result is the owner's to read and to take after loader_join. Everything else is private to loader.c.
struct loader {
    struct wakeup done;      // owned by the owner; rung when the thread is done
    struct key_source *keys; // borrowed; set by the owner; NULL: this process reads keys itself
    bool is_patient; // set by the owner: a load waits for the process that holds the private keys
    bool is_afresh;  // set by the owner: what included files said is known as it is at a start
    bool is_put_off; // it did not, and that process does not answer: nothing was loaded
    enum err error;
    // says why a snapshot could not be made; initialised by loader_start
    struct diagnostics diagnostics;
    struct snapshot *snapshot; // ref; of LOADER_ALL and LOADER_FILES
    struct taking *taking;     // ref; of the others; NULL: nothing has changed
    bool is_running;
    pthread_t thread;
    struct snapshot *current; // ref
    enum loader_scope scope;
};

// loader_start begins to load what comes after `current`, of which it takes a reference of its own. False when there is
// no thread: nothing was loaded, and the error is ERR_MEMORY.
bool loader_start(struct loader *loader, struct snapshot *current,
                  enum loader_scope scope) MUST_USE;

// loader_join waits for the end, if it runs. The references and the diagnostics are the caller's then.
void loader_join(struct loader *loader);

// loader_clear joins it, and gives back whatever it has loaded that nobody has taken.
void loader_clear(struct loader *loader);
