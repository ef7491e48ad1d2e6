// ruleset: which files this process can open, by Landlock: what no rule names, nobody opens, and no program is executed.
//
// A rule names a folder, with all that is or will be below it, or a file. What is open stays open. Rules cannot be added later.
// See landlock(7).
#pragma once

#include <stdbool.h>

#include "auth/base/err.h"

struct ruleset {
    int fd;  // owned; -1: none
    int abi; // of the kernel; 0: it has no Landlock, or does not let us use it
};

// What may be done with a file, or with everything below a folder.
enum ruleset_use {
    RULESET_OPEN,  // files are read; the path itself must not be a link
    RULESET_READ,  // folders too
    RULESET_WRITE, // and all is changed, made and removed
};

// ruleset_open begins one with all that this kernel and this program know; ports are without rules where `has_network`, else nobody
// connects to any or listens (Linux 6.7; seccomp does that before). `abi` is 0, and `info` has a sentence about what is
// missing, where there is nothing to be had: then nothing else is to be called but ruleset_close.
void ruleset_open(struct ruleset *ruleset, bool has_network, struct errinfo *info);

// ruleset_allow adds a rule. False with errno set: there is no such path, or no memory.
bool ruleset_allow(const struct ruleset *ruleset, const char *path, enum ruleset_use use) MUST_USE;

// ruleset_enter puts it in force for this thread and those that it starts later, for good. It also takes away signals to
// processes outside, and sockets without a path of others (abstract ones), where the kernel can. No new privileges must have been
// asked for. ERR_SYSTEM.
enum err ruleset_enter(const struct ruleset *ruleset, struct errinfo *info) MUST_USE;

// ruleset_close frees it; what is in force stays so.
void ruleset_close(struct ruleset *ruleset);
