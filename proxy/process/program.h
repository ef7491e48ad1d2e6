// program: the file that this process was started from, and starting it once more beside this process.
//
// The path is noted at the start: the file there may be another one by the time that it is needed, which is the point.
#pragma once

#include <limits.h>
#include <sys/types.h>

#include "auth/base/err.h"

enum { PROGRAM_FD = 3 }; // the number of the one descriptor that a started program gets

struct program {
    char path[PATH_MAX]; // absolute; "": unknown
};

// program_note notes the path as the process was called (argv[0], so that a symbolic link stays one), or where the kernel
// found it if that has no slash. Called by main, before the working directory could change.
void program_note(struct program *program);

// program_start starts the file with `argv` (ended by NULL). It gets stdin, stdout and stderr,
// `fd` as PROGRAM_FD, and the environment, in which `variable` (NAME=VALUE) is added, and what was meant for this process alone
// (WATCHDOG_PID, LISTEN_*) is missing. No signal is blocked. ERR_SYSTEM or ERR_MEMORY with a sentence in `info`.
enum err program_start(const struct program *program, char *const *argv, const char *variable,
                       int fd, pid_t *out_pid, struct errinfo *info) MUST_USE;
