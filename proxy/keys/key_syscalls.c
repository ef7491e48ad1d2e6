// Two lists; the second is part of the first.
#include "proxy/keys/key_syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proxy/cage/calls.h"

#define COUNT_OF(list) (sizeof(list) / sizeof *(list))

static const int allowed[] = {
    // what it hears and says
    SYS_recvmsg,
    SYS_sendto,
    SYS_sendmsg,
    SYS_shutdown,
    SYS_ppoll,
    SYS_close,
    SYS_write,
    // files: to find, to judge, to read
    SYS_openat2, // Landlock is there where it is
    SYS_fstat,
    SYS_newfstatat,
    SYS_statx,
    SYS_faccessat, // realpath asks so about the folder before a `..`
    SYS_faccessat2,
    SYS_readlinkat,
    SYS_getcwd,
    SYS_fgetxattr,
    SYS_read,
    SYS_lseek,
    SYS_getgroups,
    SYS_geteuid,
    SYS_getegid,
    SYS_getuid,
    SYS_getgid,
    // memory and threads
    SYS_munmap,
    SYS_mremap,
    SYS_madvise,
    SYS_brk,
    SYS_futex,
    SYS_set_robust_list,
    SYS_rseq,
    SYS_rt_sigprocmask,
    SYS_rt_sigaction,
    SYS_rt_sigreturn,
    SYS_sched_getaffinity,
    SYS_sched_yield,
    SYS_membarrier,
    SYS_restart_syscall,
    SYS_exit,
    SYS_exit_group,
    SYS_gettid,
    SYS_getpid,
    // time and randomness
    SYS_clock_gettime,
    SYS_getrandom,
#if defined(SYS_poll)
    SYS_poll,
    SYS_readlink,
    SYS_stat,
    SYS_lstat,
#endif
};

// What is needed up to the seal: groups, the notes for the next holder, and the second step itself.
static const int allowed_before[] = {
    SYS_setgroups,
    SYS_setresgid,
    SYS_pread64,
    SYS_pwrite64,
    SYS_capget,
    SYS_capset,
    SYS_landlock_create_ruleset,
    SYS_landlock_add_rule,
    SYS_landlock_restrict_self,
    SYS_seccomp,
};

static void add_common(struct calls *calls)
{
    static const uint32_t commands[] = {F_GETFD, F_SETFD,         F_GETFL,
                                        F_SETFL, F_DUPFD_CLOEXEC, F_SETLK};
    static const uint32_t self[] = {0};
    const uint32_t own[] = {(uint32_t)getpid()};
    calls_add(calls, allowed, COUNT_OF(allowed), CALLS_PASS);
    calls_add_hostile(calls, CALLS_END);
    calls_add_becoming(calls, CALLS_END);
    calls_add_values(calls, SYS_fcntl, 1, commands, COUNT_OF(commands), EPERM);
    calls_add_values(calls, SYS_sched_setaffinity, 0, self, COUNT_OF(self), EPERM);
    calls_add_values(calls, SYS_tgkill, 0, own, COUNT_OF(own), EPERM);
    calls_add_reading(calls);
    calls_add_memory(calls);
    calls_add_threads(calls, CALLS_END);
}

enum err key_syscalls_begin(struct errinfo *info)
{
    static const uint32_t controls[] = {PR_GET_DUMPABLE, PR_SET_DUMPABLE};
    static const uint32_t commands[] = {F_GETFD,         F_SETFD, F_GETFL,     F_SETFL,
                                        F_DUPFD_CLOEXEC, F_SETLK, F_GET_SEALS, F_ADD_SEALS};
    struct calls calls;
    calls_begin(&calls);
    calls_add(&calls, allowed_before, COUNT_OF(allowed_before), CALLS_PASS);
    calls_add_values(&calls, SYS_prctl, 0, controls, COUNT_OF(controls), EPERM);
    calls_add_values(&calls, SYS_fcntl, 1, commands, COUNT_OF(commands), EPERM);
    add_common(&calls);
    return calls_enter(&calls, ENOSYS, info);
}

enum err key_syscalls_finish(struct errinfo *info)
{
    struct calls calls;
    calls_begin(&calls);
    add_common(&calls);
    return calls_enter(&calls, ENOSYS, info);
}
