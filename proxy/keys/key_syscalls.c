// A list for the kernel's filter (seccomp): numbers that are allowed, and four that are allowed with some arguments.
#include "proxy/keys/key_syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#define ARCHITECTURE 0 // the list is for none
#endif

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define UNDER_SANITIZER true
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNDER_SANITIZER true
#endif
#if !defined(UNDER_SANITIZER)
#define UNDER_SANITIZER false
#endif

static const uint32_t allowed[] = {
    // what it hears and says
    SYS_recvmsg,
    SYS_sendto,
    SYS_sendmsg,
    SYS_shutdown,
    SYS_ppoll,
    SYS_close,
    SYS_write,
    SYS_fcntl,
    // files: to find, to judge, to read
    SYS_openat2,
    SYS_fstat,
    SYS_newfstatat,
    SYS_statx,
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
    SYS_sched_setaffinity,
    SYS_sched_getaffinity,
    SYS_sched_yield,
    SYS_membarrier,
    SYS_restart_syscall,
    SYS_exit,
    SYS_exit_group,
    SYS_gettid,
    SYS_getpid,
    SYS_tgkill,
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

// A call that is allowed where an argument has none of some bits, or all of others.
static const struct judged {
    uint32_t number;
    uint32_t argument;
    uint32_t bits;
    bool must_have; // the bits; else it must have none of them
} judged[] = {
    {SYS_openat, 2, O_WRONLY | O_RDWR | O_CREAT | O_TRUNC, false},
    {SYS_mmap, 2, PROT_EXEC, false},
    {SYS_mprotect, 2, PROT_EXEC, false},
    {SYS_clone, 0, CLONE_THREAD, true},
};

enum {
    ALLOWED_COUNT = sizeof allowed / sizeof *allowed,
    JUDGED_COUNT = sizeof judged / sizeof *judged,
    JUDGED_LEN = 5, // instructions of one
    FILTER_MAX = 8 + ALLOWED_COUNT * 2 + JUDGED_COUNT * JUDGED_LEN + 2,
};

struct filter {
    struct sock_filter code[FILTER_MAX];
    uint16_t len;
};

static void add(struct filter *filter, struct sock_filter instruction)
{
    filter->code[filter->len++] = instruction;
}

static void add_load(struct filter *filter, size_t offset)
{
    add(filter, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

static void add_return(struct filter *filter, uint32_t what)
{
    add(filter, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, what));
}

// add_judged: 1. another number goes on after it; 2. the argument's low half; 3. its bits decide.
static void add_judged(struct filter *filter, const struct judged *call)
{
    const uint32_t refusal = SECCOMP_RET_ERRNO | EPERM;
    add(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call->number, 0, 4));
    add_load(filter, offsetof(struct seccomp_data, args) + call->argument * sizeof(uint64_t));
    add(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, call->bits, 0, 1));
    add_return(filter, call->must_have ? SECCOMP_RET_ALLOW : refusal);
    add_return(filter, call->must_have ? refusal : SECCOMP_RET_ALLOW);
}

static void make(struct filter *filter)
{
    add_load(filter, offsetof(struct seccomp_data, arch));
    add(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0));
    add_return(filter, SECCOMP_RET_KILL_PROCESS);
    add_load(filter, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < JUDGED_COUNT; i++)
        add_judged(filter, &judged[i]);
    for (size_t i = 0; i < ALLOWED_COUNT; i++) {
        add(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed[i], 0, 1));
        add_return(filter, SECCOMP_RET_ALLOW);
    }
    // The C library starts threads by the older call where it does not find this one, whose arguments cannot be judged.
    add(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1));
    add_return(filter, SECCOMP_RET_ERRNO | ENOSYS);
    add_return(filter, SECCOMP_RET_ERRNO | EPERM);
}

bool key_syscalls_restrict(void)
{
    struct filter filter = {.len = 0};
    if (UNDER_SANITIZER)
        return true;
    if (ARCHITECTURE == 0) {
        errno = EINVAL; // as of a kernel without filters
        return false;
    }
    make(&filter);
    const struct sock_fprog program = {.len = filter.len, .filter = filter.code};
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}
