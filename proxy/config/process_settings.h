// process_settings: what the configuration says about the process itself: `process`.
#pragma once

#include <stddef.h>

#include "auth/base/err.h"

// Whether the kernel holds it in a sandbox.
enum process_sandbox {
    SANDBOX_AUTO, // as far as the kernel can
    SANDBOX_ON,   // or it does not start
    SANDBOX_OFF,
};

enum { PROCESS_PATHS_MAX = 64 };

// Where the private keys are.
enum keys_place {
    KEYS_HERE,  // in the process that serves
    KEYS_APART, // in one of their own, which signs for it
};

struct process_settings {
    const char *user; // whom it becomes; snapshot's arena; NULL: it stays who it is
    enum process_sandbox sandbox;
    const char *
        *paths; // snapshot's arena; what later configurations may read, beside what this one does
    size_t path_count;
    enum keys_place keys;
    const char **
        key_paths; // snapshot's arena; what later keys that are apart may be in or below, beside where those of now are
    size_t key_path_count;
};

// process_hook is what is done about the process as soon as these settings are known: before any key is read, whose readers
// are judged by the groups of the process.
struct process_hook {
    // begin may fail; then the sentence in `info` is an error of the configuration.
    enum err (*begin)(void *arg, const struct process_settings *settings, struct errinfo *info);
    void *arg; // borrowed
};
