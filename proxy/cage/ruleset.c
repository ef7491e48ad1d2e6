// The system calls themselves, with numbers of our own: the headers of Debian 12 know less than its backported kernels.
#include "proxy/cage/ruleset.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// Rights, as the kernel's include/uapi/linux/landlock.h has them: of files...
#define WRITE_FILE  (UINT64_C(1) << 1)
#define READ_FILE   (UINT64_C(1) << 2)
#define READ_DIR    (UINT64_C(1) << 3)
#define REMOVE_FILE (UINT64_C(1) << 5)
#define MAKE_REG    (UINT64_C(1) << 8)
#define MAKE_SOCK   (UINT64_C(1) << 9)
#define REFER       (UINT64_C(1) << 13) // ABI 2
#define TRUNCATE    (UINT64_C(1) << 14) // ABI 3
#define IOCTL_DEV   (UINT64_C(1) << 15) // ABI 5
// ... of ports of TCP...
#define NET_PORTS UINT64_C(3) // ABI 4: to bind one, to connect to one
// ... and of what is kept apart.
#define SCOPE_ABSTRACT_UNIX_SOCKET (UINT64_C(1) << 0) // ABI 6
#define SCOPE_SIGNAL               (UINT64_C(1) << 1) // ABI 6

enum {
    CREATE_RULESET_VERSION = 1,
    RULE_PATH_BENEATH = 1,
    ABI_FILES = 1,
    ABI_REFER = 2,
    ABI_TRUNCATE = 3,
    ABI_NET = 4,
    ABI_IOCTL_DEV = 5,
    ABI_SCOPES = 6,
};

struct ruleset_attr {
    uint64_t handled_access_fs;
    uint64_t handled_access_net;
    uint64_t scoped;
};

struct path_beneath_attr {
    uint64_t allowed_access;
    int32_t parent_fd;
} __attribute__((packed));

// len_of gives how much of it a kernel knows: an older one takes no more.
static size_t len_of(int abi)
{
    if (abi >= ABI_SCOPES)
        return sizeof(struct ruleset_attr);
    return abi >= ABI_NET ? offsetof(struct ruleset_attr, scoped)
                          : offsetof(struct ruleset_attr, handled_access_net);
}

// known gives the rights of files that a kernel knows.
static uint64_t known(int abi)
{
    uint64_t rights = REFER - 1; // all of ABI 1
    if (abi >= ABI_REFER)
        rights |= REFER;
    if (abi >= ABI_TRUNCATE)
        rights |= TRUNCATE;
    if (abi >= ABI_IOCTL_DEV)
        rights |= IOCTL_DEV;
    return rights;
}

void ruleset_open(struct ruleset *ruleset, bool has_network, struct errinfo *info)
{
    *ruleset = (struct ruleset){.fd = -1};
    const long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
    if (abi < ABI_FILES) {
        (void)errinfo_set(info, ERR_SYSTEM,
                          "this kernel has no Landlock, or it is not allowed here (%m)");
        return;
    }
    const struct ruleset_attr attributes = {
        .handled_access_fs = known((int)abi),
        .handled_access_net = !has_network && abi >= ABI_NET ? NET_PORTS : 0,
        .scoped = abi >= ABI_SCOPES ? SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL : 0,
    };
    const long fd = syscall(SYS_landlock_create_ruleset, &attributes, len_of((int)abi), 0);
    if (fd < 0) {
        (void)errinfo_set(info, ERR_SYSTEM, "no Landlock rules can be made: %m");
        return;
    }
    ruleset->fd = (int)fd;
    ruleset->abi = (int)abi;
}

// rights_of gives what a rule for something says.
static uint64_t rights_of(enum ruleset_use use, bool is_folder)
{
    uint64_t rights = READ_FILE;
    if (use == RULESET_WRITE)
        rights |= WRITE_FILE | TRUNCATE;
    if (is_folder && use != RULESET_OPEN)
        rights |= READ_DIR;
    if (is_folder && use == RULESET_WRITE)
        rights |= REMOVE_FILE | MAKE_REG | MAKE_SOCK;
    return rights;
}

bool ruleset_allow(const struct ruleset *ruleset, const char *path, enum ruleset_use use)
{
    struct stat status;
    const int fd = open(path, O_PATH | O_CLOEXEC | (use == RULESET_OPEN ? O_NOFOLLOW : 0));
    if (fd < 0)
        return false;
    bool is_allowed = fstat(fd, &status) == 0;
    const uint64_t rights = is_allowed ? rights_of(use, S_ISDIR(status.st_mode)) : 0;
    const struct path_beneath_attr rule = {.allowed_access = rights & known(ruleset->abi),
                                           .parent_fd = fd};
    is_allowed =
        is_allowed && syscall(SYS_landlock_add_rule, ruleset->fd, RULE_PATH_BENEATH, &rule, 0) == 0;
    const int error = errno;
    (void)close(fd);
    errno = error;
    return is_allowed;
}

enum err ruleset_enter(const struct ruleset *ruleset, struct errinfo *info)
{
    if (syscall(SYS_landlock_restrict_self, ruleset->fd, 0) != 0)
        return errinfo_set(info, ERR_SYSTEM, "the Landlock rules cannot be put in force: %m");
    return ERR_OK;
}

void ruleset_close(struct ruleset *ruleset)
{
    if (ruleset->fd >= 0)
        (void)close(ruleset->fd);
    ruleset->fd = -1;
}
