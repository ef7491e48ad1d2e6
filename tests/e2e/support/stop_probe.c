// stop_probe: stops its process (SIGSTOP) before it sends a datagram that a test has named, so that one of two who speak to each
// other can be as late as the test wants. Loaded with LD_PRELOAD.
//
// Owns: the numbers in the file that SALLYPORT_STOP names, which the test maps too. Knows nothing of the program.
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

// stopping has the same fields in stops.py.
struct stopping {
    _Atomic uint32_t len; // of the datagram; 0: none, or the process has come to it
    uint32_t at;          // a byte of it
    uint32_t value;       // what stands there
    _Atomic uint32_t pid; // who has come to it
};

static struct stopping *stopping;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("SALLYPORT_STOP");
    const int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    void *memory = fd < 0 ? MAP_FAILED
                          : mmap(NULL, sizeof *stopping, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        abort();
    (void)close(fd);
    stopping = memory;
}

static int is_wanted(const struct msghdr *message)
{
    const uint32_t len = atomic_load(&stopping->len);
    const struct iovec *part = message->msg_iov;
    return len != 0 && message->msg_iovlen == 1 && part->iov_len == len &&
           ((const uint8_t *)part->iov_base)[stopping->at] == stopping->value;
}

// sendmsg stands in front of libc's.
ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    if (is_wanted(message)) {
        atomic_store(&stopping->len, 0);
        atomic_store(&stopping->pid, (uint32_t)getpid());
        (void)kill(getpid(), SIGSTOP);
    }
    return syscall(SYS_sendmsg, fd, message, flags);
}
