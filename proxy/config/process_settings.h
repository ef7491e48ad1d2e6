// process_settings: what the configuration says about the process itself: `process`.
#pragma once

#include "auth/base/err.h"

struct process_settings {
    const char *user; // whom it becomes; snapshot's arena; NULL: it stays who it is
};

// process_hook is what is done about the process as soon as these settings are known: before any key is read, whose readers
// are judged by the groups of the process.
struct process_hook {
    // begin may fail; then the sentence in `info` is an error of the configuration.
    enum err (*begin)(void *arg, const struct process_settings *settings, struct errinfo *info);
    void *arg; // borrowed
};
