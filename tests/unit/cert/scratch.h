// scratch: a directory for one test, gone afterwards with everything in it.
#pragma once

#include <sys/types.h>

#include "auth/base/slice.h"

// scratch_create and scratch_destroy fit cmocka's setup and teardown; the state is the directory's
// path.
int scratch_create(void **state);
int scratch_destroy(void **state);

enum { SCRATCH_PATH_CAP = 512 };

// scratch_path writes DIRECTORY/NAME to `out` and returns it.
const char *scratch_path(const char *directory, const char *name, char out[SCRATCH_PATH_CAP]);

// scratch_mode gives the permission bits of a file, or -1 when there is none.
int scratch_mode(const char *directory, const char *name);

// scratch_write makes or replaces a file.
void scratch_write(const char *directory, const char *name, struct slice bytes);

// scratch_read reads a file of less than `cap` bytes into `out`, with a NUL after it.
void scratch_read(const char *directory, const char *name, char *out, size_t cap);

// scratch_remove takes one file away; the test fails when it is not there.
void scratch_remove(const char *directory, const char *name);
