// filter: which system calls a process with loops, sockets and threads can make, by seccomp. One list for the whole process: its
// threads share memory.
//
// What it needs is allowed. What only an attacker does (starting programs, reading other processes, namespaces, mounts, kernel
// modules) ends the process: it is not ours any more. Anything else fails with ENOSYS, as on an older kernel, for which libraries
// have another way.
#pragma once

#include "auth/base/err.h"

enum filter_role {
    FILTER_SERVES,   // a proxy: it writes files, and listens anew
    FILTER_CONNECTS, // a sidecar: it writes none, and has its listeners
};

// filter_enter puts it in force for all threads that there will be, for good. No new privileges must have been asked for. ERR_SYSTEM
// with a sentence, as of calls_enter.
enum err filter_enter(enum filter_role role, struct errinfo *info) MUST_USE;
