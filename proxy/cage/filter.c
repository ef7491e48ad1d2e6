// What both need, and what only one does. Calls whose arguments count are below.
#include "proxy/cage/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "proxy/cage/calls.h"

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

#define COUNT_OF(list) (sizeof(list) / sizeof *(list))

// Whatever the arguments are. Some are missing on some machines.
static const int allowed[] = {
    // bytes
    SYS_read,
    SYS_write,
    SYS_readv,
    SYS_writev,
    SYS_pread64,
    SYS_sendto,
    SYS_recvfrom,
    SYS_sendmsg,
    SYS_recvmsg,
    SYS_sendmmsg,
    SYS_recvmmsg,
    // waiting
    SYS_epoll_create1,
    SYS_epoll_ctl,
    SYS_epoll_pwait,
    SYS_ppoll,
    SYS_pselect6,
    SYS_eventfd2,
    SYS_timerfd_create,
    SYS_timerfd_settime,
    SYS_timerfd_gettime,
    SYS_signalfd4,
    SYS_inotify_init1,
    SYS_inotify_add_watch,
    SYS_inotify_rm_watch,
    SYS_futex,
    SYS_nanosleep,
    SYS_clock_nanosleep,
    SYS_restart_syscall,
    SYS_sched_yield,
    // sockets
    SYS_connect,
    SYS_accept,
    SYS_accept4,
    SYS_shutdown,
    SYS_getsockname,
    SYS_getpeername,
    SYS_getsockopt,
    SYS_setsockopt,
    // files
    SYS_close,
    SYS_close_range,
    SYS_fstat,
    SYS_newfstatat,
    SYS_statx,
    SYS_faccessat,
    SYS_faccessat2,
    SYS_readlinkat,
    SYS_getcwd,
    SYS_lseek,
    SYS_fgetxattr,
    // memory; mmap and mprotect are looked at
    SYS_munmap,
    SYS_mremap,
    SYS_madvise,
    SYS_brk,
    SYS_membarrier,
    // threads and signals
    SYS_exit,
    SYS_exit_group,
    SYS_gettid,
    SYS_set_robust_list,
    SYS_get_robust_list,
    SYS_set_tid_address,
    SYS_rseq,
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_rt_sigpending,
    SYS_rt_sigtimedwait,
    SYS_rt_sigsuspend,
    SYS_sigaltstack,
    SYS_sched_getaffinity,
    SYS_getcpu,
    // what it is, and what there is
    SYS_getpid,
    SYS_getppid,
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
    SYS_getresuid,
    SYS_getresgid,
    SYS_getgroups,
    SYS_getrusage,
    SYS_times,
    SYS_sysinfo,
    SYS_uname,
    SYS_getrandom,
    SYS_clock_gettime,
    SYS_clock_getres,
    SYS_gettimeofday,
#ifdef SYS_poll
    SYS_poll,
    SYS_select,
    SYS_epoll_create,
    SYS_epoll_wait,
    SYS_stat,
    SYS_lstat,
    SYS_access,
    SYS_readlink,
    SYS_time,
    SYS_eventfd,
    SYS_inotify_init,
    SYS_arch_prctl,
#endif
#ifdef SYS_epoll_pwait2
    SYS_epoll_pwait2,
#endif
#ifdef SYS_futex_waitv
    SYS_futex_waitv,
#endif
};

// What it takes to listen anew, to write files, and to walk folders.
static const int allowed_to_serve[] = {
    SYS_pwrite64,
    SYS_preadv,
    SYS_pwritev,
    SYS_bind,
    SYS_listen,
    SYS_dup,
    SYS_dup3,
    SYS_flock,
    SYS_pipe2,
    SYS_statfs,
    SYS_fstatfs,
    SYS_getdents64,
    SYS_ftruncate,
    SYS_fallocate,
    SYS_fsync,
    SYS_fdatasync,
    SYS_fadvise64,
    SYS_renameat2,
    SYS_unlinkat,
    SYS_umask,
    SYS_mlock,
    SYS_munlock,
    SYS_sched_setaffinity,
#ifdef SYS_poll
    SYS_dup2,
    SYS_pipe,
    SYS_rename,
    SYS_unlink,
    SYS_getrlimit,
#endif
#ifdef SYS_renameat
    SYS_renameat,
#endif
};

static void add_judged(struct calls *calls)
{
    static const uint32_t families[] = {AF_UNIX, AF_INET, AF_INET6};
    static const uint32_t pairs[] = {AF_UNIX};
    // None that has the kernel give a signal to whom it is told (F_SETOWN, F_SETSIG, F_NOTIFY, F_SETLEASE).
    static const uint32_t commands[] = {F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD,
                                        F_SETFD, F_GETFL,         F_SETFL};
    static const uint32_t controls[] = {PR_SET_NAME, PR_GET_NAME, PR_SET_VMA, PR_GET_DUMPABLE};
    static const uint32_t requests[] = {FIONBIO, FIONREAD, TCGETS, TIOCGWINSZ, TIOCOUTQ};
    static const uint32_t self[] = {0};
    const uint32_t own[] = {(uint32_t)getpid()};
    calls_add_values(calls, SYS_socket, 0, families, COUNT_OF(families), EAFNOSUPPORT);
    calls_add_values(calls, SYS_socketpair, 0, pairs, COUNT_OF(pairs), EAFNOSUPPORT);
    calls_add_values(calls, SYS_fcntl, 1, commands, COUNT_OF(commands), EPERM);
    calls_add_values(calls, SYS_prctl, 0, controls, COUNT_OF(controls), EPERM);
    calls_add_values(calls, SYS_ioctl, 1, requests, COUNT_OF(requests), ENOTTY);
    calls_add_values(calls, SYS_prlimit64, 0, self, COUNT_OF(self), EPERM);
    calls_add_values(calls, SYS_kill, 0, own, COUNT_OF(own), EPERM);
    calls_add_values(calls, SYS_tgkill, 0, own, COUNT_OF(own), EPERM);
}

static void add_to_serve(struct calls *calls)
{
    // Modes are no business of Landlock's: the one of a control socket, for the owner alone.
    static const uint32_t modes[] = {S_IRUSR | S_IWUSR};
    calls_add(calls, allowed_to_serve, COUNT_OF(allowed_to_serve), CALLS_PASS);
    calls_add_values(calls, SYS_fchmod, 1, modes, COUNT_OF(modes), EPERM);
    calls_add_opening(calls);
}

enum err filter_enter(enum filter_role role, struct errinfo *info)
{
    struct calls calls;
    calls_begin(&calls);
    calls_add(&calls, allowed, COUNT_OF(allowed), CALLS_PASS);
    if (role == FILTER_SERVES)
        add_to_serve(&calls);
    else
        calls_add_reading(&calls);
    calls_add_hostile(&calls, CALLS_END);
    calls_add_becoming(&calls, CALLS_END);
    add_judged(&calls);
    calls_add_memory(&calls);
    calls_add_threads(&calls, CALLS_END);
    return calls_enter(&calls, ENOSYS, info);
}
