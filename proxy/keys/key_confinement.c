// Landlock for files, a list of system calls for everything else, and capabilities. Each is put in force twice: the second time adds
// to the first.
#include "proxy/keys/key_confinement.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proxy/cage/ruleset.h"
#include "proxy/keys/key_syscalls.h"

void key_confinement_hide(void)
{
    struct rlimit limit;
    const struct rlimit none = {0, 0};
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    (void)setrlimit(RLIMIT_CORE, &none);
    if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY)
        (void)mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
}

// keep_capabilities gives up all but some of the first 32.
static enum err keep_capabilities(uint32_t wanted, struct errinfo *info)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct had[_LINUX_CAPABILITY_U32S_3];
    struct __user_cap_data_struct kept[_LINUX_CAPABILITY_U32S_3] = {{0}};
    if (syscall(SYS_capget, &header, had) != 0)
        return errinfo_set(info, ERR_SYSTEM, "the key holder cannot tell its capabilities: %m");
    kept[0].effective = kept[0].permitted = had[0].permitted & wanted;
    if (had[0].permitted == kept[0].permitted && had[1].permitted == 0)
        return ERR_OK;
    if (syscall(SYS_capset, &header, kept) != 0)
        return errinfo_set(info, ERR_SYSTEM, "the key holder cannot give up its capabilities: %m");
    return ERR_OK;
}

// allow_reading lets files at or below a path be read. What is not there cannot be.
static bool allow_reading(const struct ruleset *ruleset, const char *path)
{
    return ruleset_allow(ruleset, *path == '\0' ? "/" : path, RULESET_OPEN) || errno == ENOENT;
}

// restrict_files lets files below these paths be read, and nothing else.
static enum err restrict_files(char *const *paths, size_t count, struct errinfo *info)
{
    struct ruleset ruleset;
    bool is_good = true;
    ruleset_open(&ruleset, false, info);
    if (ruleset.abi == 0)
        return ERR_SYSTEM;
    for (size_t i = 0; i < count; i++)
        is_good = is_good && allow_reading(&ruleset, paths[i]);
    const enum err error =
        is_good
            ? ruleset_enter(&ruleset, info)
            : errinfo_set(info, ERR_SYSTEM, "the key holder cannot be confined to its folders: %m");
    ruleset_close(&ruleset);
    return error;
}

enum err key_confinement_begin(struct sandbox *out, struct errinfo *info)
{
    static char root[] = "/";
    char *const anywhere[] = {root};
    sandbox_find(out);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return errinfo_set(info, ERR_SYSTEM, "the key holder cannot give up new privileges: %m");
    TRY(keep_capabilities(1u << CAP_DAC_READ_SEARCH | 1u << CAP_SETGID, info));
    if (out->landlock > 0)
        TRY(restrict_files(anywhere, 1, info));
    return out->has_filter ? key_syscalls_begin(info) : ERR_OK;
}

// Of a holder that root has started the capability to read files stays: renewed keys may be anybody's.
enum err key_confinement_finish(const struct sandbox *sandbox, const struct key_folders *folders,
                                struct errinfo *info)
{
    if (sandbox->landlock > 0)
        TRY(restrict_files(folders->paths, folders->count, info));
    TRY(keep_capabilities(1u << CAP_DAC_READ_SEARCH, info));
    return sandbox->has_filter ? key_syscalls_finish(info) : ERR_OK;
}
