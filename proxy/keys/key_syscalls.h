// key_syscalls: the system calls that the key holder may still make.
#pragma once

#include <stdbool.h>

// key_syscalls_restrict has the kernel refuse all others (EPERM), for this thread and those that it starts: no socket, no
// program, no process, no memory that is executed, no file that is written. False with errno set. True without doing anything
// under a sanitizer, whose runtime needs more.
bool key_syscalls_restrict(void);
