// Classic BPF over struct seccomp_data, made at run time: pairs of `is it this number` and `then this`. Since Linux 5.11 the kernel
// keeps a bitmap of the calls that are allowed whatever their arguments, so that the length of the list costs nothing.
#include "proxy/cage/calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define MACHINE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define MACHINE AUDIT_ARCH_AARCH64
#else
#define MACHINE 0
#endif

// What nothing of ours does. Some are missing on some machines.
static const int hostile[] = {
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
#ifdef SYS_iopl
    SYS_iopl,
    SYS_ioperm,
    SYS_modify_ldt,
#endif
};

// What makes a process another one.
static const int becoming[] = {
    SYS_execve,    SYS_execveat, SYS_setuid,   SYS_setgid,    SYS_setresuid,
    SYS_setresgid, SYS_setreuid, SYS_setregid, SYS_setgroups, SYS_capset,
#ifdef SYS_fork
    SYS_fork,      SYS_vfork,
#endif
};

static void add(struct calls *calls, struct sock_filter instruction)
{
    ASSERT(calls->len < CALLS_CODE_MAX);
    calls->code[calls->len++] = instruction;
}

static void load(struct calls *calls, size_t offset)
{
    add(calls, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

static void finish(struct calls *calls, int outcome)
{
    uint32_t action = SECCOMP_RET_ERRNO | ((uint32_t)outcome & SECCOMP_RET_DATA);
    if (outcome == CALLS_PASS)
        action = SECCOMP_RET_ALLOW;
    else if (outcome == CALLS_END)
        action = SECCOMP_RET_KILL_PROCESS;
    add(calls, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action));
}

// when_equal is done if what was loaded is `value`.
static void when_equal(struct calls *calls, uint32_t value, int outcome)
{
    add(calls, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1));
    finish(calls, outcome);
}

// when_any_bit is done if what was loaded has one of these bits.
static void when_any_bit(struct calls *calls, uint32_t bits, int outcome)
{
    add(calls, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1));
    finish(calls, outcome);
}

// begin_call begins what is done about one call; what follows until end_call is passed over for all others. It must end with
// `finish`.
static unsigned short begin_call(struct calls *calls, int number)
{
    add(calls, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 0));
    return calls->len;
}

static void end_call(struct calls *calls, unsigned short begin)
{
    ASSERT(calls->len - begin <= UINT8_MAX);
    calls->code[begin - 1].jf = (uint8_t)(calls->len - begin);
}

// The lower half: all that the kernel takes of an int. Flags of memory and of clone are below it, too.
#define ARGUMENT(n) (offsetof(struct seccomp_data, args) + (n) * sizeof(uint64_t))

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the lower half comes first");

void calls_begin(struct calls *calls)
{
    calls->len = 0;
    load(calls, offsetof(struct seccomp_data, arch));
    add(calls, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MACHINE, 1, 0));
    finish(calls, CALLS_END);
    load(calls, offsetof(struct seccomp_data, nr));
}

void calls_add(struct calls *calls, const int *numbers, size_t count, int outcome)
{
    for (size_t i = 0; i < count; i++)
        when_equal(calls, (uint32_t)numbers[i], outcome);
}

void calls_add_hostile(struct calls *calls, int outcome)
{
    calls_add(calls, hostile, sizeof hostile / sizeof *hostile, outcome);
}

void calls_add_becoming(struct calls *calls, int outcome)
{
    calls_add(calls, becoming, sizeof becoming / sizeof *becoming, outcome);
}

void calls_add_values(struct calls *calls, int number, unsigned argument, const uint32_t *values,
                      size_t count, int otherwise)
{
    const unsigned short begin = begin_call(calls, number);
    load(calls, ARGUMENT(argument));
    for (size_t i = 0; i < count; i++)
        when_equal(calls, values[i], CALLS_PASS);
    finish(calls, otherwise);
    end_call(calls, begin);
}

// add_without passes a call whose argument has none of these bits.
static void add_without(struct calls *calls, int number, unsigned argument, uint32_t bits)
{
    const unsigned short begin = begin_call(calls, number);
    load(calls, ARGUMENT(argument));
    when_any_bit(calls, bits, EACCES);
    finish(calls, CALLS_PASS);
    end_call(calls, begin);
}

void calls_add_memory(struct calls *calls)
{
    add_without(calls, SYS_mmap, 2, PROT_EXEC);
    add_without(calls, SYS_mprotect, 2, PROT_EXEC);
}

// look_at_clone passes what makes no namespace; a process, and not a thread, does `of_processes`. Without clone3, whose flags are in
// memory, libc makes both by clone.
static void look_at_clone(struct calls *calls, int of_namespaces, int of_processes)
{
    const uint32_t spaces = (uint32_t)CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                            CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP;
    const unsigned short begin = begin_call(calls, SYS_clone);
    load(calls, ARGUMENT(0));
    when_any_bit(calls, spaces, of_namespaces);
    when_any_bit(calls, CLONE_THREAD, CALLS_PASS);
    finish(calls, of_processes);
    end_call(calls, begin);
#ifdef SYS_clone3
    when_equal(calls, SYS_clone3, ENOSYS);
#endif
}

void calls_add_threads(struct calls *calls, int otherwise)
{
    look_at_clone(calls, otherwise, otherwise);
}

void calls_add_processes(struct calls *calls, int otherwise)
{
    look_at_clone(calls, otherwise, CALLS_PASS);
}

// look_at_cutting: before its third version Landlock takes the cutting of a file that is opened to read for reading.
static void look_at_cutting(struct calls *calls, int number, unsigned flags)
{
    const unsigned short begin = begin_call(calls, number);
    load(calls, ARGUMENT(flags));
    add(calls, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_TRUNC, 1, 0));
    finish(calls, CALLS_PASS);
    add(calls, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, O_ACCMODE));
    when_equal(calls, O_WRONLY, CALLS_PASS);
    when_equal(calls, O_RDWR, CALLS_PASS);
    finish(calls, EACCES);
    end_call(calls, begin);
}

void calls_add_opening(struct calls *calls)
{
    look_at_cutting(calls, SYS_openat, 2);
#ifdef SYS_open
    look_at_cutting(calls, SYS_open, 1);
#endif
}

void calls_add_reading(struct calls *calls)
{
    add_without(calls, SYS_openat, 2, O_WRONLY | O_RDWR | O_CREAT | O_TRUNC);
#ifdef SYS_open
    add_without(calls, SYS_open, 1, O_WRONLY | O_RDWR | O_CREAT | O_TRUNC);
#endif
}

enum err calls_are_possible(struct errinfo *info)
{
    const uint32_t action = SECCOMP_RET_KILL_PROCESS;
    if (MACHINE == 0)
        return errinfo_set(info, ERR_SYSTEM, "there is no list of system calls for this machine");
    if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) != 0)
        return errinfo_set(info, ERR_SYSTEM,
                           "this kernel has no seccomp filters, or they are not allowed here (%m)");
    return ERR_OK;
}

enum err calls_enter(struct calls *calls, int otherwise, struct errinfo *info)
{
    TRY(calls_are_possible(info));
    finish(calls, otherwise); // x32's numbers, too
    const struct sock_fprog whole = {.len = calls->len, .filter = calls->code};
    // The kernel logs the end of a process anyway; with a flag it would also log what is refused, such as clone3 for each thread.
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &whole) != 0)
        return errinfo_set(info, ERR_SYSTEM, "the list of system calls cannot be put in force: %m");
    return ERR_OK;
}
