// Classic BPF over struct seccomp_data, made at run time: pairs of `is it this number` and `then this`. Since Linux 5.11 the kernel
// keeps a bitmap of the calls that are allowed whatever their arguments, so that the length of the list costs nothing.
#include "proxy/cage/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#if defined(__x86_64__)
#define MACHINE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define MACHINE AUDIT_ARCH_AARCH64
#else
#define MACHINE 0
#endif

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

enum { CODE_MAX = 1024 };

struct program {
    struct sock_filter code[CODE_MAX];
    unsigned short len;
};

// ---- what is allowed ----------------------------------------------------------------------------

// Whatever the arguments are. Some are missing on some machines.
static const int allowed[] = {
    // bytes
    SYS_read,
    SYS_write,
    SYS_readv,
    SYS_writev,
    SYS_pread64,
    SYS_pwrite64,
    SYS_preadv,
    SYS_pwritev,
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
    SYS_bind,
    SYS_listen,
    SYS_shutdown,
    SYS_getsockname,
    SYS_getpeername,
    SYS_getsockopt,
    SYS_setsockopt,
    // files
    SYS_close,
    SYS_close_range,
    SYS_dup,
    SYS_dup3,
    SYS_flock,
    SYS_pipe2,
    SYS_fstat,
    SYS_newfstatat,
    SYS_statx,
    SYS_statfs,
    SYS_fstatfs,
    SYS_faccessat,
    SYS_faccessat2,
    SYS_readlinkat,
    SYS_getdents64,
    SYS_getcwd,
    SYS_lseek,
    SYS_ftruncate,
    SYS_fallocate,
    SYS_fsync,
    SYS_fdatasync,
    SYS_fadvise64,
    SYS_renameat2,
    SYS_unlinkat,
    SYS_umask,
    SYS_fgetxattr,
    // memory; mmap and mprotect are looked at
    SYS_munmap,
    SYS_mremap,
    SYS_madvise,
    SYS_brk,
    SYS_mlock,
    SYS_munlock,
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
    SYS_sched_setaffinity,
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
    SYS_pipe,
    SYS_stat,
    SYS_lstat,
    SYS_access,
    SYS_readlink,
    SYS_rename,
    SYS_unlink,
    SYS_dup2,
    SYS_time,
    SYS_eventfd,
    SYS_inotify_init,
    SYS_getrlimit,
    SYS_arch_prctl,
#endif
#ifdef SYS_renameat
    SYS_renameat,
#endif
#ifdef SYS_epoll_pwait2
    SYS_epoll_pwait2,
#endif
#ifdef SYS_futex_waitv
    SYS_futex_waitv,
#endif
};

// What nothing of ours does.
static const int hostile[] = {
    SYS_execve,
    SYS_execveat,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_unshare,
    SYS_setns,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
    SYS_kexec_load,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_userfaultfd,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_acct,
    SYS_setuid,
    SYS_setgid,
    SYS_setresuid,
    SYS_setresgid,
    SYS_setreuid,
    SYS_setregid,
    SYS_setgroups,
    SYS_capset,
    SYS_personality,
    SYS_open_by_handle_at,
#ifdef SYS_kexec_file_load
    SYS_kexec_file_load,
#endif
#ifdef SYS_io_uring_setup
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
#endif
#ifdef SYS_pidfd_getfd
    SYS_pidfd_getfd,
#endif
#ifdef SYS_process_madvise
    SYS_process_madvise,
#endif
#ifdef SYS_open_tree
    SYS_open_tree,
    SYS_move_mount,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
#endif
#ifdef SYS_mount_setattr
    SYS_mount_setattr,
#endif
#ifdef SYS_fork
    SYS_fork,
    SYS_vfork,
    SYS_iopl,
    SYS_ioperm,
    SYS_modify_ldt,
#endif
};

#define REFUSE(error) (SECCOMP_RET_ERRNO | ((error)&SECCOMP_RET_DATA))

// ---- the program --------------------------------------------------------------------------------

static void add(struct program *program, struct sock_filter instruction)
{
    ASSERT(program->len < CODE_MAX);
    program->code[program->len++] = instruction;
}

static void load(struct program *program, size_t offset)
{
    add(program, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

static void finish(struct program *program, uint32_t action)
{
    add(program, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action));
}

// when_equal has `action` taken if what was loaded is `value`.
static void when_equal(struct program *program, uint32_t value, uint32_t action)
{
    add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1));
    finish(program, action);
}

// when_any_bit has `action` taken if what was loaded has one of these bits.
static void when_any_bit(struct program *program, uint32_t bits, uint32_t action)
{
    add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1));
    finish(program, action);
}

// begin_call begins what is done about one call; what follows until end_call is passed over for all others. It must end with
// `finish`.
static unsigned short begin_call(struct program *program, int number)
{
    add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 0));
    return program->len;
}

static void end_call(struct program *program, unsigned short begin)
{
    ASSERT(program->len - begin <= UINT8_MAX);
    program->code[begin - 1].jf = (uint8_t)(program->len - begin);
}

// The lower half: all that the kernel takes of an int. Flags of memory and of clone are below it, too.
#define ARGUMENT(n) (offsetof(struct seccomp_data, args) + (n) * sizeof(uint64_t))

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the lower half comes first");

// look_at_one allows a call with one of these values of an argument, and does `otherwise` with all others.
static void look_at_one(struct program *program, int number, int argument, const uint32_t *values,
                        size_t count, uint32_t otherwise)
{
    const unsigned short begin = begin_call(program, number);
    load(program, ARGUMENT((size_t)argument));
    for (size_t i = 0; i < count; i++)
        when_equal(program, values[i], SECCOMP_RET_ALLOW);
    finish(program, otherwise);
    end_call(program, begin);
}

// look_at_memory allows memory that is not to be executed.
static void look_at_memory(struct program *program, int number)
{
    const unsigned short begin = begin_call(program, number);
    load(program, ARGUMENT(2));
    when_any_bit(program, PROT_EXEC, REFUSE(EACCES));
    finish(program, SECCOMP_RET_ALLOW);
    end_call(program, begin);
}

// look_at_open allows no file to be cut that is opened to read: before its third version Landlock takes that for reading.
static void look_at_open(struct program *program, int number, size_t flags)
{
    const unsigned short begin = begin_call(program, number);
    load(program, ARGUMENT(flags));
    add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_TRUNC, 1, 0));
    finish(program, SECCOMP_RET_ALLOW);
    add(program, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, O_ACCMODE));
    when_equal(program, O_WRONLY, SECCOMP_RET_ALLOW);
    when_equal(program, O_RDWR, SECCOMP_RET_ALLOW);
    finish(program, REFUSE(EACCES));
    end_call(program, begin);
}

// look_at_clone allows threads. Without clone3, whose flags are in memory, libc makes them so.
static void look_at_clone(struct program *program)
{
    const uint32_t spaces = (uint32_t)CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                            CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP;
    const unsigned short begin = begin_call(program, SYS_clone);
    load(program, ARGUMENT(0));
    when_any_bit(program, spaces, SECCOMP_RET_KILL_PROCESS);
    when_any_bit(program, CLONE_THREAD, SECCOMP_RET_ALLOW);
    finish(program, SECCOMP_RET_KILL_PROCESS);
    end_call(program, begin);
#ifdef SYS_clone3
    when_equal(program, SYS_clone3, REFUSE(ENOSYS));
#endif
}

static void look_at_arguments(struct program *program)
{
    static const uint32_t families[] = {AF_UNIX, AF_INET, AF_INET6};
    static const uint32_t pairs[] = {AF_UNIX};
    // None that has the kernel give a signal to whom it is told (F_SETOWN, F_SETSIG, F_NOTIFY, F_SETLEASE).
    static const uint32_t commands[] = {F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD,
                                        F_SETFD, F_GETFL,         F_SETFL};
    // Modes are no business of Landlock's: the one of a control socket, for the owner alone.
    static const uint32_t modes[] = {S_IRUSR | S_IWUSR};
    static const uint32_t controls[] = {PR_SET_NAME, PR_GET_NAME, PR_SET_VMA, PR_GET_DUMPABLE};
    static const uint32_t requests[] = {FIONBIO, FIONREAD, TCGETS, TIOCGWINSZ, TIOCOUTQ};
    static const uint32_t self[] = {0};
    const uint32_t own[] = {(uint32_t)getpid()};
    look_at_one(program, SYS_socket, 0, families, sizeof families / sizeof *families,
                REFUSE(EAFNOSUPPORT));
    look_at_one(program, SYS_socketpair, 0, pairs, 1, REFUSE(EAFNOSUPPORT));
    look_at_one(program, SYS_fcntl, 1, commands, sizeof commands / sizeof *commands, REFUSE(EPERM));
    look_at_one(program, SYS_fchmod, 1, modes, 1, REFUSE(EPERM));
    look_at_one(program, SYS_prctl, 0, controls, sizeof controls / sizeof *controls, REFUSE(EPERM));
    look_at_one(program, SYS_ioctl, 1, requests, sizeof requests / sizeof *requests,
                REFUSE(ENOTTY));
    look_at_one(program, SYS_prlimit64, 0, self, 1, REFUSE(EPERM));
    look_at_one(program, SYS_kill, 0, own, 1, REFUSE(EPERM));
    look_at_one(program, SYS_tgkill, 0, own, 1, REFUSE(EPERM));
    look_at_open(program, SYS_openat, 2);
#ifdef SYS_open
    look_at_open(program, SYS_open, 1);
#endif
    look_at_memory(program, SYS_mmap);
    look_at_memory(program, SYS_mprotect);
    look_at_clone(program);
}

static void make(struct program *program)
{
    load(program, offsetof(struct seccomp_data, arch));
    add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MACHINE, 1, 0));
    finish(program, SECCOMP_RET_KILL_PROCESS);
    load(program, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
        when_equal(program, (uint32_t)allowed[i], SECCOMP_RET_ALLOW);
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++)
        when_equal(program, (uint32_t)hostile[i], SECCOMP_RET_KILL_PROCESS);
    look_at_arguments(program);
    finish(program, REFUSE(ENOSYS)); // x32's numbers, too
}

enum err filter_is_possible(struct errinfo *info)
{
    const uint32_t action = SECCOMP_RET_KILL_PROCESS;
    if (MACHINE == 0)
        return errinfo_set(info, ERR_SYSTEM, "there is no list of system calls for this machine");
    if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) != 0)
        return errinfo_set(info, ERR_SYSTEM,
                           "this kernel has no seccomp filters, or they are not allowed here (%m)");
    return ERR_OK;
}

enum err filter_enter(struct errinfo *info)
{
    struct program program = {.len = 0};
    TRY(filter_is_possible(info));
    make(&program);
    const struct sock_fprog whole = {.len = program.len, .filter = program.code};
    // The kernel logs the end of a process anyway; with a flag it would also log what is refused, such as clone3 for each thread.
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &whole) != 0)
        return errinfo_set(info, ERR_SYSTEM, "the list of system calls cannot be put in force: %m");
    return ERR_OK;
}
