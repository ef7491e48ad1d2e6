// key_syscalls: the system calls that the key holder may make, for its thread and those that it starts: at no time a socket, a
// program, a process, memory that is executed, or a file that is opened to be written. What only an attacker does is its end.
#pragma once

#include "auth/base/err.h"

// key_syscalls_begin leaves also what a holder does before its folders are settled. ERR_SYSTEM with a sentence in `info`.
enum err key_syscalls_begin(struct errinfo *info) MUST_USE;

// key_syscalls_finish leaves what it takes to read files and to sign. After key_syscalls_begin. Errors likewise.
enum err key_syscalls_finish(struct errinfo *info) MUST_USE;
