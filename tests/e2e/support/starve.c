// starve: an allocator that fails when a test says so. Linked into the program in front of libc's, by the linker's
// --wrap, so that what the program and the libraries in it ask for passes here; libc's own does not.
//
// Owns: three numbers in the file that SALLYPORT_STARVE names, which the test maps too. Without that variable nothing
// fails. Knows nothing of the program.
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

// starving has the same fields in starvation.py.
struct starving {
    _Atomic uint64_t count; // calls since the test has put 0 here
    _Atomic uint64_t first; // the first one that fails; 0: none
    _Atomic uint64_t span;  // so many of them fail
};

static struct starving *starving;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *piece, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *piece, size_t size);

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("SALLYPORT_STARVE");
    if (path == NULL)
        return;
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    void *memory = fd < 0 ? MAP_FAILED
                          : mmap(NULL, sizeof *starving, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        abort();
    (void)close(fd);
    starving = memory;
}

static int fails(void)
{
    if (starving == NULL)
        return 0;
    const uint64_t first = starving->first;
    const uint64_t number = ++starving->count;
    const int is_one = first != 0 && number >= first && number - first < starving->span;
    if (is_one)
        errno = ENOMEM;
    return is_one;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *piece, size_t size)
{
    // What gives memory back does not fail.
    return size != 0 && fails() ? NULL : __real_realloc(piece, size);
}
