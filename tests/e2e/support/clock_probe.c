// clock_probe: another wall clock for one program, for tests on machines whose clock is not theirs to set.
// Loaded with LD_PRELOAD, it adds the seconds that stand in the file SALLYPORT_CLOCK_PROBE, which the test
// changes, and puts a FIFO, SALLYPORT_CLOCK_JUMPS, in the place of the kernel's timer that is cancelled when
// the clock is set: a byte in it is such a jump.
//
// Owns: nothing of the program. A timer that asks for anything but to be cancelled is refused.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static atomic_int jumps = -1;

static int64_t offset_s(void)
{
    static _Atomic(_Atomic int64_t *) mapped;
    _Atomic int64_t *offset = atomic_load(&mapped);
    if (offset == NULL) {
        const char *path = getenv("SALLYPORT_CLOCK_PROBE");
        const int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
        void *page = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, fd, 0);
        if (page == MAP_FAILED)
            abort();
        (void)close(fd);
        offset = page;
        atomic_store(&mapped, offset);
    }
    return atomic_load(offset);
}

// clock_gettime and time stand in front of libc's.
int clock_gettime(clockid_t clock, struct timespec *out)
{
    const long result = syscall(SYS_clock_gettime, clock, out);
    if (result == 0 && clock == CLOCK_REALTIME)
        out->tv_sec += offset_s();
    return (int)result;
}

time_t time(time_t *out)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (out != NULL)
        *out = now.tv_sec;
    return now.tv_sec;
}

int timerfd_create(clockid_t clock, int flags)
{
    if (clock != CLOCK_REALTIME)
        return (int)syscall(SYS_timerfd_create, clock, flags);
    const int fd = open(getenv("SALLYPORT_CLOCK_JUMPS"), O_RDWR | O_NONBLOCK | O_CLOEXEC);
    atomic_store(&jumps, fd);
    return fd;
}

int timerfd_settime(int fd, int flags, const struct itimerspec *next, struct itimerspec *last)
{
    if (fd != atomic_load(&jumps))
        return (int)syscall(SYS_timerfd_settime, fd, flags, next, last);
    if (flags == (TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET))
        return 0;
    errno = EINVAL;
    return -1;
}
