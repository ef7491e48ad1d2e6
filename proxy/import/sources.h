// sources: how an import reads the files that a configuration names. The command does it; tests and fuzzers have no files.
#pragma once

#include "auth/base/err.h"
#include "auth/base/slice.h"

struct import_sources {
    // import_read gives the bytes of the file at `path`, which stay until the import has ended. ERR_INPUT and the like, with a
    // sentence in `info` that names the file.
    enum err (*read)(void *arg, const char *path, struct slice *out, struct errinfo *info);
    // import_match gives the path of the file number `index` of those that a pattern of the shell fits; ERR_EOF after the last,
    // and where there is none.
    enum err (*match)(void *arg, const char *pattern, size_t index, const char **out,
                      struct errinfo *info);
    void *arg; // borrowed
};
