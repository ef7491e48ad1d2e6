// calls: a list of system calls that a process can make from some moment on, as a program for the kernel's filter (seccomp).
//
// A list is begun, added to, and put in force. What stands first counts: a call that is in it twice does what the first place says.
// Lists of one process add up: what any of them refuses is refused. One who is on its stack makes it; nothing is kept.
#pragma once

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/base/err.h"

enum { CALLS_CODE_MAX = 1024 };

// What becomes of a call: an errno, or one of these.
enum { CALLS_PASS = -1, CALLS_END = -2 };

// Private to calls.c.
struct calls {
    struct sock_filter code[CALLS_CODE_MAX];
    unsigned short len;
};

// calls_begin begins an empty one.
void calls_begin(struct calls *calls);

// calls_add has all these calls do `outcome`, whatever their arguments are.
void calls_add(struct calls *calls, const int *numbers, size_t count, int outcome);

// calls_add_hostile has what no process of ours does (a look into others, namespaces, mounts, the kernel's modules, files by handles)
// do `outcome`.
void calls_add_hostile(struct calls *calls, int outcome);

// calls_add_becoming has what makes a process another one do `outcome`: users, groups, capabilities, and programs. New processes are
// calls_add_threads's.
void calls_add_becoming(struct calls *calls, int outcome);

// calls_add_values passes a call where an argument (the lower half of it) has one of these values; else it does `otherwise`.
void calls_add_values(struct calls *calls, int number, unsigned argument, const uint32_t *values,
                      size_t count, int otherwise);

// calls_add_memory passes memory that is not to be executed, and refuses other memory.
void calls_add_memory(struct calls *calls);

// calls_add_threads passes new threads. A new process does `otherwise`.
void calls_add_threads(struct calls *calls, int otherwise);

// calls_add_processes passes new threads and processes; in namespaces of their own they do `otherwise`.
void calls_add_processes(struct calls *calls, int otherwise);

// calls_add_opening passes the opening of files, but refuses to cut one that is opened to read.
void calls_add_opening(struct calls *calls);

// calls_add_reading passes the opening of files to read, and refuses all other opening.
void calls_add_reading(struct calls *calls);

// calls_are_possible tells whether calls_enter can work here. ERR_SYSTEM with a sentence: this kernel has no such filters, this
// machine is of a kind that there are no lists for, or it is not allowed here.
enum err calls_are_possible(struct errinfo *info) MUST_USE;

// calls_enter has all other calls do `otherwise`, and puts it in force for this thread and those that it starts, for good. No new
// privileges must have been asked for. ERR_SYSTEM likewise.
enum err calls_enter(struct calls *calls, int otherwise, struct errinfo *info) MUST_USE;
