// loop_probe: how long each thread is busy between two waits, for tests and benchmarks. Loaded with
// LD_PRELOAD into a program that waits with epoll_wait, it writes into the file that
// SALLYPORT_LOOP_PROBE names, which the reader maps too and resets by writing zeros.
//
// Owns: one row a thread that ever waited. Processor time is the thread's own, so that it is the same
// however busy the machine is; time on the clock is not. Knows nothing of the program.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { ROW_COUNT = 64 };

// row has the same fields in loops.py.
struct row {
    _Atomic uint64_t passes;
    _Atomic uint64_t longest_cpu_ns;
    _Atomic uint64_t longest_clock_ns;
    _Atomic uint64_t total_cpu_ns;
};

typedef int wait_function(int fd, struct epoll_event *events, int max, int timeout_ms);

static uint64_t now_ns(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static struct row *rows;

// map_rows runs before the program does: later a sandbox may keep it from the file.
__attribute__((constructor)) static void map_rows(void)
{
    const char *path = getenv("SALLYPORT_LOOP_PROBE");
    const int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 || ftruncate(fd, ROW_COUNT * sizeof(struct row)) != 0)
        abort();
    void *mapped =
        mmap(NULL, ROW_COUNT * sizeof(struct row), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED)
        abort();
    (void)close(fd);
    rows = mapped;
}

static void note_longest(_Atomic uint64_t *longest, uint64_t value)
{
    if (value > *longest)
        *longest = value;
}

static struct row *take_row(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static size_t taken;
    (void)pthread_mutex_lock(&lock);
    struct row *row = taken < ROW_COUNT ? &rows[taken++] : NULL;
    (void)pthread_mutex_unlock(&lock);
    if (row == NULL)
        abort();
    return row;
}

// epoll_wait stands in front of libc's.
int epoll_wait(int fd, struct epoll_event *events, int max, int timeout_ms)
{
    static _Thread_local struct row *row;
    static _Thread_local uint64_t cpu_ns;
    static _Thread_local uint64_t clock_ns;
    static _Thread_local wait_function *wait;
    if (row == NULL) {
        wait = (wait_function *)dlsym(RTLD_NEXT, "epoll_wait");
        row = take_row();
    } else {
        const uint64_t busy_ns = now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_ns;
        note_longest(&row->longest_cpu_ns, busy_ns);
        note_longest(&row->longest_clock_ns, now_ns(CLOCK_MONOTONIC) - clock_ns);
        row->total_cpu_ns += busy_ns;
        row->passes++;
    }
    const int count = wait(fd, events, max, timeout_ms);
    cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID);
    clock_ns = now_ns(CLOCK_MONOTONIC);
    return count;
}
