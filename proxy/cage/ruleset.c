// The system calls themselves, with numbers of our own: the headers of Debian 12 know less than its backported kernels.
#include "proxy/cage/ruleset.h"

#include <errno.h>
#include <fcntl.h>
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
// ... and of what is kept apart.
#define SCOPE_ABSTRACT_UNIX_SOCKET (UINT64_C(1) << 0) // ABI 6
#define SCOPE_SIGNAL               (UINT64_C(1) << 1) // ABI 6

enum {
    CREATE_RULESET_VERSION = 1,
    RULE_PATH_BENEATH = 1,
    ABI_FILES = 1,
    ABI_REFER = 2,
    ABI_TRUNCATE = 3,
    ABI_IOCTL_DEV = 5,
    ABI_SCOPES = 6,
};

struct ruleset_attr {
    uint64_t handled_access_fs;
    uint64_t
        handled_access_net; // none: rules say where the proxy may connect, and a reload where it listens
    uint64_t scoped;
};

struct path_beneath_attr {
    uint64_t allowed_access;
    int32_t parent_fd;
} __attribute__((packed));

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

void ruleset_open(struct ruleset *ruleset, struct errinfo *info)
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
        .scoped = abi >= ABI_SCOPES ? SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL : 0,
    };
    // An older kernel takes no longer struct than it knows, unless the rest is zeros.
    const long fd = syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0);
    if (fd < 0) {
        (void)errinfo_set(info, ERR_SYSTEM, "no Landlock rules can be made: %m");
        return;
    }
    ruleset->fd = (int)fd;
    ruleset->abi = (int)abi;
}

bool ruleset_allow(const struct ruleset *ruleset, const char *path, bool is_written)
{
    struct stat status;
    uint64_t rights = READ_FILE;
    const int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool is_allowed = fstat(fd, &status) == 0;
    if (is_written)
        rights |= WRITE_FILE | TRUNCATE;
    if (is_allowed && S_ISDIR(status.st_mode)) {
        rights |= READ_DIR;
        if (is_written)
            rights |= REMOVE_FILE | MAKE_REG | MAKE_SOCK;
    }
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
