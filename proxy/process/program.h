// program: the file that this process was started from, and starting it once more beside this process.
//
// The path is noted at the start: the file there may be another one by the time that it is needed, which is the point.
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "auth/base/err.h"

struct program {
    char path[PATH_MAX]; // absolute; "": unknown
};

// program_start_options are what a started program gets. All is borrowed for the call.
struct program_start_options {
    char *const *argv; // ended by NULL
    const char *const
        *added; // NAME=VALUE, ended by NULL; instead of what the environment has of that name
    const char *const *removed; // names, ended by NULL, that it does not get
    const int *fds; // that it gets under the same numbers, beside stdin, stdout and stderr
    size_t fd_count;
    bool is_self; // the very file that this process runs, whatever is at its path by now
};

// program_note notes the path as the process was called (argv[0], so that a symbolic link stays one), or where the kernel
// found it if that has no slash. Called by main, before the working directory could change.
void program_note(struct program *program);

// program_start starts the file. No signal is blocked in it or ignored by it. ERR_SYSTEM or ERR_MEMORY with a sentence in `info`.
enum err program_start(const struct program *program, const struct program_start_options *options,
                       pid_t *out_pid, struct errinfo *info) MUST_USE;
