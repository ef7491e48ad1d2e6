// filter: which system calls this process can make, by seccomp. One list for the whole process: its threads share memory.
//
// What serving needs is allowed. What only an attacker does (starting programs, reading other processes, namespaces, mounts, kernel
// modules) ends the process: it is not ours any more. Anything else fails with ENOSYS, as on an older kernel, for which libraries
// have another way.
#pragma once

#include "auth/base/err.h"

// filter_enter puts it in force for all threads that there will be, for good. No new privileges must have been asked for. ERR_SYSTEM
// with a sentence, as of calls_enter.
enum err filter_enter(struct errinfo *info) MUST_USE;
