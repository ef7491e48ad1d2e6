// attack: what somebody would try who runs code in a worker: linked into the program, and done from accept4, which a worker calls
// for each client. Linked in by the linker's --wrap.
//
// Owns: a few numbers in the file that SALLYPORT_ATTACK names, which the test maps too. Without that variable nothing is done.
// Knows nothing of the program.
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

// attack has the same fields in test_attack.py.
struct attack {
    _Atomic uint64_t number;  // of the attack that is to be done; 0: none
    _Atomic uint64_t is_done; // 1: `result` is set
    _Atomic int64_t result;   // errno; 0: it has succeeded
    uint64_t pid;             // of somebody else
    char path[4096];
};

static struct attack *attack;

int __real_accept4(int fd, struct sockaddr *name, socklen_t *len, int flags);
int __wrap_accept4(int fd, struct sockaddr *name, socklen_t *len, int flags);

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("SALLYPORT_ATTACK");
    if (path == NULL)
        return;
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    void *memory =
        fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *attack, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        abort();
    (void)close(fd);
    attack = memory;
}

static long read_file(void)
{
    return open(attack->path, O_RDONLY | O_CLOEXEC);
}

static long write_file(void)
{
    return open(attack->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
}

static long remove_file(void)
{
    return unlink(attack->path);
}

static long execute(void)
{
    char *const argv[] = {attack->path, NULL};
    return execve(attack->path, argv, argv + 1);
}

static long begin_process(void)
{
    return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static long open_packet_socket(void)
{
    return socket(AF_PACKET, SOCK_RAW, 0);
}

static long open_netlink_socket(void)
{
    return socket(AF_NETLINK, SOCK_RAW, 0);
}

static long trace(void)
{
    return ptrace(PTRACE_ATTACH, (pid_t)attack->pid, NULL, NULL);
}

static long read_memory(void)
{
    char data[16];
    const struct iovec ours = {data, sizeof data};
    const struct iovec theirs = {(void *)(uintptr_t)0x1000, sizeof data};
    return process_vm_readv((pid_t)attack->pid, &ours, 1, &theirs, 1, 0);
}

static long signal_other(void)
{
    return kill((pid_t)attack->pid, SIGKILL);
}

static long make_user_namespace(void)
{
    return unshare(CLONE_NEWUSER);
}

static long raise_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct data[2] = {
        {.effective = 1u << CAP_DAC_OVERRIDE, .permitted = 1u << CAP_DAC_OVERRIDE}};
    return syscall(SYS_capset, &header, data);
}

static long become_root(void)
{
    return syscall(SYS_setresuid, 0, 0, 0);
}

static long map_code(void)
{
    void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? -1 : mprotect(memory, 4096, PROT_READ | PROT_EXEC);
}

static long load_bpf(void)
{
    return syscall(SYS_bpf, 0, NULL, 0);
}

static long ring(void)
{
    return syscall(SYS_io_uring_setup, 1, NULL);
}

static long undo_dumpable(void)
{
    return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static long open_other_pair(void)
{
    int ends[2];
    return socketpair(AF_TIPC, SOCK_STREAM, 0, ends);
}

// signal_by_file has the kernel send a signal to somebody else when something arrives.
static long signal_by_file(void)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return -1;
    long result = fcntl(ends[0], F_SETSIG, SIGKILL);
    if (result == 0)
        result = fcntl(ends[0], F_SETOWN, (int)attack->pid);
    const int error = errno;
    (void)close(ends[0]);
    (void)close(ends[1]);
    errno = error;
    return result;
}

static long truncate_file(void)
{
    return open(attack->path, O_RDONLY | O_TRUNC | O_CLOEXEC);
}

static long open_to_all(void)
{
    return chmod(attack->path, 0666);
}

static long open_to_all_by_file(void)
{
    const int fd = open(attack->path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -1 : fchmod(fd, 0666);
}

static long set_times(void)
{
    return utimensat(AT_FDCWD, attack->path, NULL, 0);
}

// find_link gives the link to the keeper, which is a socket of its own kind (keeper_socket.c). -1: none.
static int find_link(void)
{
    for (int fd = 3; fd < 1024; fd++) {
        int type = 0;
        socklen_t len = sizeof type;
        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_SEQPACKET)
            return fd;
    }
    return -1;
}

// send_hold asks the keeper for a key holder at the other end of `socket` (keeper_message.h).
static long send_hold(int socket)
{
    uint8_t message[256] = {1, 7};
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.header = {.cmsg_len = CMSG_LEN(sizeof socket),
                            .cmsg_level = SOL_SOCKET,
                            .cmsg_type = SCM_RIGHTS}};
    struct iovec bytes = {message, sizeof message};
    struct msghdr header = {.msg_iov = &bytes,
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = sizeof control};
    memcpy(CMSG_DATA(&control.header), &socket, sizeof socket);
    return sendmsg(find_link(), &header, MSG_NOSIGNAL);
}

// ask_to_open has a holder open the file, as one with certificates (key_message.h). EPIPE: there is no holder; EACCES: it does not.
static long ask_to_open(int socket)
{
    enum { LENGTH_LEN = 4, HEAD_LEN = 1 + 8 + 1, AT_WHAT = LENGTH_LEN + 9, CHAIN = 1, FAILED = 13 };
    const size_t path_len = strlen(attack->path);
    uint8_t data[LENGTH_LEN + HEAD_LEN + sizeof attack->path] = {0};
    data[2] = (uint8_t)((HEAD_LEN + path_len) >> 8);
    data[3] = (uint8_t)(HEAD_LEN + path_len);
    data[AT_WHAT] = CHAIN;
    memcpy(data + LENGTH_LEN + HEAD_LEN, attack->path, path_len);
    (void)send(socket, data, LENGTH_LEN + HEAD_LEN + path_len, MSG_NOSIGNAL);
    const ssize_t len = recv(socket, data, LENGTH_LEN + 1, MSG_WAITALL);
    if (len == LENGTH_LEN + 1 && data[LENGTH_LEN] != FAILED)
        return 0;
    errno = len == LENGTH_LEN + 1 ? EACCES : EPIPE;
    return -1;
}

// get_holder gets a key holder of its own, and has it open the file.
static long get_holder(void)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0 || send_hold(ends[1]) < 0)
        return -1;
    (void)close(ends[1]);
    const long result = ask_to_open(ends[0]);
    const int error = errno;
    (void)close(ends[0]);
    errno = error;
    return result;
}

// The numbers are from 1, and those of test_attack.py.
static long (*const attacks[])(void) = {
    read_file,
    write_file,
    remove_file,
    execute,
    begin_process,
    open_packet_socket,
    open_netlink_socket,
    trace,
    read_memory,
    signal_other,
    make_user_namespace,
    raise_capabilities,
    become_root,
    map_code,
    load_bpf,
    ring,
    undo_dumpable,
    get_holder,
    open_other_pair,
    signal_by_file,
    truncate_file,
    open_to_all,
    open_to_all_by_file,
    set_times,
};

int __wrap_accept4(int fd, struct sockaddr *name, socklen_t *len, int flags)
{
    const int accepted = __real_accept4(fd, name, len, flags);
    const int error = errno;
    const uint64_t number = accepted < 0 || attack == NULL ? 0 : attack->number;
    if (number > 0 && number <= sizeof attacks / sizeof *attacks) {
        attack->number = 0;
        attack->result = attacks[number - 1]() < 0 ? errno : 0;
        attack->is_done = 1;
    }
    errno = error;
    return accepted;
}
