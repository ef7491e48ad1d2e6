// kept_file: a file that outlives a restart, written whole in the place of what was there. Blocking.
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "auth/base/err.h"

// kept_file_write writes the file at `path` in one step: after a crash it is the old one or the new one. `write` writes it, and
// gives false where it cannot. Only its owner may read it. ERR_SYSTEM with a sentence; then the file is as it was.
enum err kept_file_write(const char *path, bool (*write)(FILE *file, const void *arg),
                         const void *arg, struct errinfo *info) MUST_USE;
