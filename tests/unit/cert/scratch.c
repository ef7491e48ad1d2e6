// A test's own directory below TEST_TMPDIR.
#include "tests/unit/cert/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
// cmocka wants the first four
#include <cmocka.h>

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

int scratch_create(void **state)
{
    const char *parent = getenv("TEST_TMPDIR");
    char *path = NULL;
    if (asprintf(&path, "%s/scratch-XXXXXX", parent == NULL ? "/tmp" : parent) < 0)
        return 1;
    *state = mkdtemp(path);
    return *state == NULL;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

int scratch_destroy(void **state)
{
    const int result = nftw(*state, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(*state);
    return result;
}

const char *scratch_path(const char *directory, const char *name, char out[SCRATCH_PATH_CAP])
{
    assert_true(snprintf(out, SCRATCH_PATH_CAP, "%s/%s", directory, name) < SCRATCH_PATH_CAP);
    return out;
}

int scratch_mode(const char *directory, const char *name)
{
    char path[SCRATCH_PATH_CAP];
    struct stat status;
    return stat(scratch_path(directory, name, path), &status) == 0 ? (int)(status.st_mode & 07777)
                                                                   : -1;
}

void scratch_write(const char *directory, const char *name, struct slice bytes)
{
    char path[SCRATCH_PATH_CAP];
    FILE *file = fopen(scratch_path(directory, name, path), "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes.data, 1, bytes.len, file), bytes.len);
    assert_int_equal(fclose(file), 0);
}

void scratch_read(const char *directory, const char *name, char *out, size_t cap)
{
    char path[SCRATCH_PATH_CAP];
    FILE *file = fopen(scratch_path(directory, name, path), "r");
    assert_non_null(file);
    const size_t len = fread(out, 1, cap, file);
    assert_true(len < cap);
    out[len] = '\0';
    assert_int_equal(fclose(file), 0);
}

void scratch_remove(const char *directory, const char *name)
{
    char path[SCRATCH_PATH_CAP];
    assert_int_equal(unlink(scratch_path(directory, name, path)), 0);
}
