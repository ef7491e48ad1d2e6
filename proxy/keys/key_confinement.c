// Landlock (ABI 1 and later) for files, and a list of system calls for everything else.
#include "proxy/keys/key_confinement.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include "proxy/keys/key_syscalls.h"

// Every right to files that some ABI knows. Debian 12's header knows those up to the second.
enum {
    ABI_REFER = 2,
    ABI_TRUNCATE = 3,
    ABI_NET = 4,
    ABI_IOCTL = 5,
    ABI_SCOPES = 6,
};

static const uint64_t rights_of_first = (UINT64_C(1) << 13) - 1;
static const uint64_t right_refer = UINT64_C(1) << 13;
static const uint64_t right_truncate = UINT64_C(1) << 14;
static const uint64_t right_ioctl = UINT64_C(1) << 15;
static const uint64_t rights_of_net = 3; // bind, connect
static const uint64_t scopes = 3;        // abstract sockets, signals

// rules is struct landlock_ruleset_attr as newer headers have it.
struct rules {
    uint64_t files;
    uint64_t net;
    uint64_t scoped;
};

void key_confinement_hide(void)
{
    struct rlimit limit;
    const struct rlimit none = {0, 0};
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    (void)setrlimit(RLIMIT_CORE, &none);
    if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY)
        (void)mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
}

static struct rules rules_of(long abi)
{
    struct rules rules = {.files = rights_of_first};
    if (abi >= ABI_REFER)
        rules.files |= right_refer;
    if (abi >= ABI_TRUNCATE)
        rules.files |= right_truncate;
    if (abi >= ABI_NET)
        rules.net = rights_of_net;
    if (abi >= ABI_IOCTL)
        rules.files |= right_ioctl;
    if (abi >= ABI_SCOPES)
        rules.scoped = scopes;
    return rules;
}

static size_t rules_len(long abi)
{
    if (abi >= ABI_SCOPES)
        return sizeof(struct rules);
    return abi >= ABI_NET ? offsetof(struct rules, scoped) : offsetof(struct rules, net);
}

// allow_reading lets a file, or files below a folder, be read.
static bool allow_reading(int ruleset, const char *path)
{
    const int fd = open(*path == '\0' ? "/" : path, O_PATH | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT; // nothing can be read there
    const struct landlock_path_beneath_attr rule = {.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE,
                                                    .parent_fd = fd};
    const bool is_good =
        syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
    (void)close(fd);
    return is_good;
}

static bool restrict_files(const struct key_folders *folders, long abi)
{
    const struct rules rules = rules_of(abi);
    const int ruleset = (int)syscall(SYS_landlock_create_ruleset, &rules, rules_len(abi), 0);
    if (ruleset < 0)
        return false;
    bool is_good = true;
    for (size_t i = 0; i < folders->count; i++)
        is_good = is_good && allow_reading(ruleset, folders->paths[i]);
    is_good = is_good && syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
    (void)close(ruleset);
    return is_good;
}

// drop_capabilities keeps the one to read files, of a holder that root has started: renewed keys may be anybody's.
static bool drop_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct had[_LINUX_CAPABILITY_U32S_3];
    struct __user_cap_data_struct kept[_LINUX_CAPABILITY_U32S_3] = {{0}};
    if (syscall(SYS_capget, &header, had) != 0)
        return false;
    kept[0].effective = kept[0].permitted = had[0].permitted & 1u << CAP_DAC_READ_SEARCH;
    if (had[0].permitted == kept[0].permitted && had[1].permitted == 0)
        return true;
    return syscall(SYS_capset, &header, kept) == 0;
}

enum err key_confinement_begin(const struct key_folders *folders, struct errinfo *info)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return errinfo_set(info, ERR_SYSTEM, "the key holder cannot give up new privileges: %m");
    const long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi >= 1 && !restrict_files(folders, abi))
        return errinfo_set(info, ERR_SYSTEM,
                           "the key holder cannot be confined to its folders: %m");
    if (!drop_capabilities())
        return errinfo_set(info, ERR_SYSTEM, "the key holder cannot give up its capabilities: %m");
    if (!key_syscalls_restrict() && errno != EINVAL) // EINVAL: a kernel without filters
        return errinfo_set(info, ERR_SYSTEM, "the key holder cannot give up system calls: %m");
    return ERR_OK;
}
