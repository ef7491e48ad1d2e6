// sandbox: how much of a sandbox there is: rules of files (ruleset.h) and a list of system calls (calls.h).
#pragma once

#include <stdbool.h>

#include "auth/base/err.h"

// Zeroed: none, and nothing is said of it.
struct sandbox {
    int landlock;           // the kernel's version of it; 0: files are not restricted
    bool has_filter;        // system calls are restricted
    struct errinfo missing; // what there is not, and why; "": it is whole
};

// sandbox_find tells what can be had here. Nothing is put in force.
void sandbox_find(struct sandbox *out);
