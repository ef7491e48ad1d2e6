"""The system calls that a systemd unit lets a service make, in force as systemd has them: no systemd is needed.

GROUPS is what `systemd-analyze syscall-filter` of systemd 252 (Debian 12) says, without those that x86_64 has not.
"""

import ctypes
import errno
import re
from pathlib import Path

HEADER = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
GROUPS = {
    "@system-service": """
        accept accept4 access add_key alarm arch_prctl bind brk capget capset chdir chmod chown clock_getres
        clock_gettime clock_nanosleep clone clone3 close close_range connect copy_file_range creat dup dup2 dup3
        epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old
        eventfd eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64 fallocate fchdir fchmod
        fchmodat fchown fchownat fcntl fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat
        fstatfs fsync ftruncate futex futex_waitv futimesat get_mempolicy get_robust_list get_thread_area getcpu
        getcwd getdents getdents64 getegid geteuid getgid getgroups getitimer getpeername getpgid getpgrp getpid
        getppid getpriority getrandom getresgid getresuid getrlimit getrusage getsid getsockname getsockopt gettid
        gettimeofday getuid getxattr inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel
        io_destroy io_getevents io_pgetevents io_setup io_submit io_uring_enter io_uring_register io_uring_setup
        ioctl ioprio_get ioprio_set kcmp keyctl kill lchown lgetxattr link linkat listen listxattr llistxattr
        lremovexattr lseek lsetxattr lstat madvise mbind membarrier memfd_create migrate_pages mkdir mkdirat mknod
        mknodat mlock mlock2 mlockall mmap move_pages mprotect mq_getsetattr mq_notify mq_open mq_timedreceive
        mq_timedsend mq_unlink mremap msgctl msgget msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at
        nanosleep newfstatat open openat openat2 pause personality pidfd_open pidfd_send_signal pipe pipe2 poll
        ppoll prctl pread64 preadv preadv2 prlimit64 process_madvise process_vm_readv process_vm_writev pselect6
        pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv recvfrom recvmmsg recvmsg
        remap_file_pages removexattr rename renameat renameat2 request_key restart_syscall rmdir rseq rt_sigaction
        rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo
        sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam
        sched_getscheduler sched_rr_get_interval sched_setaffinity sched_setattr sched_setparam sched_setscheduler
        sched_yield select semctl semget semop semtimedop sendfile sendmmsg sendmsg sendto set_mempolicy
        set_mempolicy_home_node set_robust_list set_thread_area set_tid_address setfsgid setfsuid setgid setgroups
        setitimer setns setpgid setpriority setregid setresgid setresuid setreuid setrlimit setsid setsockopt setuid
        setxattr shmat shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4 socket socketpair splice stat
        statfs statx symlink symlinkat sync sync_file_range syncfs sysinfo tee tgkill time timer_create timer_delete
        timer_getoverrun timer_gettime timer_settime timerfd_create timerfd_gettime timerfd_settime times tkill
        truncate umask uname unlink unlinkat unshare userfaultfd utime utimensat utimes vfork vmsplice wait4 waitid
        write writev
    """,
    "@privileged": """
        _sysctl acct adjtimex bpf capset chown chroot clock_adjtime clock_settime delete_module fanotify_init
        fanotify_mark fchown fchownat finit_module init_module ioperm iopl kexec_file_load kexec_load lchown
        nfsservctl open_by_handle_at pivot_root quotactl quotactl_fd reboot setdomainname setfsuid setgroups
        sethostname setresuid setreuid settimeofday setuid swapoff swapon vhangup
    """,
    "@resources": """
        ioprio_set mbind migrate_pages move_pages sched_setaffinity sched_setattr sched_setparam sched_setscheduler
        set_mempolicy set_mempolicy_home_node setpriority setrlimit
    """,
}

ALLOW, ERRNO, KILL = 0x7FFF0000, 0x00050000, 0x80000000
X86_64 = 0xC000003E
LOAD, WHEN_EQUAL, RETURN = 0x20, 0x15, 0x06
NUMBER_AT, MACHINE_AT = 0, 4
SET_NO_NEW_PRIVS, SET_SECCOMP, MODE_FILTER = 38, 22, 2
SET_SECUREBITS, NO_ROOT, DROP_BOUND, LAST_CAPABILITY = 28, 3, 24, 63


class Instruction(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint16), ("yes", ctypes.c_uint8), ("no", ctypes.c_uint8), ("value", ctypes.c_uint32)]


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_uint16), ("code", ctypes.POINTER(Instruction))]


def calls_of(unit):
    """The names that the SystemCallFilter= lines of a unit allow; a group that systemd does not know is an error here."""
    allowed = set()
    for line in re.findall(r"^SystemCallFilter=(.*)$", unit, re.MULTILINE):
        names = set()
        for word in line.lstrip("~").split():
            names |= set(GROUPS[word].split()) if word.startswith("@") else {word}
        allowed = allowed - names if line.startswith("~") else allowed | names
    return allowed


def restriction(unit):
    """A function that puts the calls of a unit in force for the process that calls it, and all that it starts.

    It takes away all capabilities before, as the unit does; the root of a namespace stays root by name.
    """
    numbers = dict(re.findall(r"^#define __NR_(\w+) (\d+)$", HEADER.read_text(encoding="ascii"), re.MULTILINE))
    code = [(LOAD, 0, 0, MACHINE_AT), (WHEN_EQUAL, 1, 0, X86_64), (RETURN, 0, 0, KILL), (LOAD, 0, 0, NUMBER_AT)]
    for name in sorted(calls_of(unit)):
        if name in numbers:
            code += [(WHEN_EQUAL, 0, 1, int(numbers[name])), (RETURN, 0, 0, ALLOW)]
    code.append((RETURN, 0, 0, ERRNO | errno.EPERM))
    instructions = (Instruction * len(code))(*(Instruction(*each) for each in code))
    program = Program(len(code), instructions)
    libc = ctypes.CDLL(None, use_errno=True)

    def restrict():
        if not libc.prctl(SET_SECUREBITS, NO_ROOT, 0, 0, 0):
            for capability in range(LAST_CAPABILITY):
                libc.prctl(DROP_BOUND, capability, 0, 0, 0)
            header, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
            libc.capset(ctypes.byref(header), ctypes.byref(none))
        if libc.prctl(SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(SET_SECCOMP, MODE_FILTER, ctypes.byref(program)):
            raise OSError(ctypes.get_errno(), "no filter of system calls")

    return restrict
