// attack: what somebody would try who runs code in one of the program's processes: linked into it, and done from accept4, which a
// worker and the sidecar call for each client, or from recvmsg, by which the keeper and the key holder hear others. Linked in by the
// linker's --wrap.
//
// Owns: a few numbers in the file that SALLYPORT_ATTACK names, which the test maps too. Without that variable nothing is done.
// Knows of the program what its processes are started with.
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
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

// Who does it.
enum who {
    WORKER, // a process that serves
    KEEPER,
    HOLDER,  // of keys
    SIDECAR, // `connect`
    ANYBODY, // at once, before main: to see that it can be done
};

enum { ATTACKS_MAX = 64 };

// attack has the same fields in test_attack.py.
struct attack {
    _Atomic uint64_t count;        // of attacks that are to be done, one after the other; 0: none
    _Atomic uint64_t is_done;      // 1: all results are set
    uint64_t who;                  // enum who
    uint64_t pid;                  // of somebody else
    uint64_t numbers[ATTACKS_MAX]; // from 1
    int64_t results[ATTACKS_MAX];  // errno; 0: it has succeeded
    char path[4096];
};

static struct attack *attack;
static enum who self;

int __real_accept4(int fd, struct sockaddr *name, socklen_t *len, int flags);
int __wrap_accept4(int fd, struct sockaddr *name, socklen_t *len, int flags);
ssize_t __real_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags);

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

// fork_with begins a process that ends at once.
static long fork_with(unsigned long flags)
{
    const long pid = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0)
        _exit(0);
    return pid;
}

static long begin_process(void)
{
    return fork_with(0);
}

static long open_packet_socket(void)
{
    return socket(AF_PACKET, SOCK_RAW, 0);
}

static long open_netlink_socket(void)
{
    return socket(AF_NETLINK, SOCK_RAW, 0);
}

static long open_internet_socket(void)
{
    return socket(AF_INET, SOCK_STREAM, 0);
}

static long open_local_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM, 0);
}

static long open_crypto_socket(void)
{
    return socket(AF_ALG, SOCK_SEQPACKET, 0);
}

static long make_device(void)
{
    return mknod(attack->path, S_IFCHR | 0600, makedev(1, 3));
}

static long open_by_handle(void)
{
    struct file_handle handle = {.handle_bytes = 0};
    return open_by_handle_at(AT_FDCWD, &handle, O_RDONLY);
}

static long make_process_in_namespace(void)
{
    return fork_with(CLONE_NEWUSER);
}

static long mount_files(void)
{
    return mount("none", attack->path, "tmpfs", 0, NULL);
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

// get_many_holders asks for more of them than the keeper starts in a minute.
static long get_many_holders(void)
{
    enum { MANY = 40 };
    int ends[2];
    for (int sent = 0; sent < MANY;) {
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
            return -1;
        const long len = send_hold(ends[1]);
        const int error = errno;
        (void)close(ends[0]);
        (void)close(ends[1]);
        if (len < 0 && error != EAGAIN)
            return -1;
        sent += len > 0; // the keeper has still to read: try again
    }
    return 0;
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
    open_internet_socket,
    open_local_socket,
    open_crypto_socket,
    make_device,
    open_by_handle,
    make_process_in_namespace,
    mount_files,
    get_many_holders,
};

// try_all does what this process is to do.
static void try_all(enum who who)
{
    const int error = errno;
    const uint64_t count = attack == NULL || attack->who != who ? 0 : attack->count;
    if (count > 0 && count <= ATTACKS_MAX) {
        attack->count = 0;
        for (uint64_t i = 0; i < count; i++) {
            const uint64_t number = attack->numbers[i] - 1;
            if (number < sizeof attacks / sizeof *attacks)
                attack->results[i] = attacks[number]() < 0 ? errno : 0;
        }
        attack->is_done = 1;
    }
    errno = error;
}

int __wrap_accept4(int fd, struct sockaddr *name, socklen_t *len, int flags)
{
    const int accepted = __real_accept4(fd, name, len, flags);
    if (accepted >= 0)
        try_all(self);
    return accepted;
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags)
{
    const ssize_t count = __real_recvmsg(fd, message, flags);
    if (count >= 0 && (self == KEEPER || self == HOLDER))
        try_all(self);
    return count;
}

// find_self tells which process this is.
static enum who find_self(const char *command)
{
    if (strcmp(command, "key-holder") == 0)
        return HOLDER;
    if (strcmp(command, "serve") == 0)
        return getenv("SALLYPORT_KEEPER") == NULL ? KEEPER : WORKER;
    return strcmp(command, "connect") == 0 ? SIDECAR : ANYBODY;
}

__attribute__((constructor)) static void begin(int argc, char **argv)
{
    const char *path = getenv("SALLYPORT_ATTACK");
    if (path == NULL || argc < 2)
        return;
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    void *memory =
        fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *attack, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        abort();
    (void)close(fd);
    attack = memory;
    self = find_self(argv[1]);
    try_all(ANYBODY);
}
