// Feeds files to a fuzz target once each, so that seeds and past crashes are tested by every
// compiler and sanitizer, without libFuzzer.
//
// Owns: main() of the NAME_seeds_test targets that sallyport_fuzz makes (tools/bazel/cc.bzl).
// Must never know: which target it is linked with.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return 1;
    }
    int failed = 1;
    uint8_t *data = NULL;
    long size = 0;
    if (fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0) {
        perror(path);
        goto out;
    }
    rewind(file);
    // Exactly as large as the input, on the heap: reading one byte too far is then visible to ASan.
    data = malloc(size > 0 ? (size_t)size : 1);
    if (data == NULL || fread(data, 1, (size_t)size, file) != (size_t)size) {
        fprintf(stderr, "%s: cannot be read\n", path);
        goto out;
    }
    LLVMFuzzerTestOneInput(data, (size_t)size);
    failed = 0;
out:
    free(data);
    fclose(file);
    return failed;
}

int main(int argc, char **argv)
{
    int failed = 0;
    // The empty input, always.
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++) {
        fprintf(stderr, "%s\n", argv[i]);
        failed |= run_file(argv[i]);
    }
    return failed;
}
