// The rules, the strictest first.
#include "proxy/config/secrecy.h"

#include <sys/stat.h>

static bool is_ours(gid_t gid, const struct process_owner *process)
{
    if (gid == 0 && process->uid == 0)
        return false;
    for (size_t i = 0; i < process->group_count; i++) {
        if (process->groups[i] == gid)
            return true;
    }
    return false;
}

enum secrecy secrecy_judge(const struct file_owner *file, const struct process_owner *process)
{
    if ((file->mode & S_IRWXO) != 0)
        return SECRECY_OTHERS;
    if ((file->mode & S_IRWXG) == 0)
        return SECRECY_KEPT;
    if (file->has_acl)
        return SECRECY_ACL;
    if ((file->mode & (S_IWGRP | S_IXGRP)) != 0)
        return SECRECY_GROUP_WRITES;
    if (file->uid != 0 && file->uid != process->uid)
        return SECRECY_OWNER;
    return is_ours(file->gid, process) ? SECRECY_KEPT : SECRECY_GROUP;
}

const char *secrecy_fault(enum secrecy secrecy)
{
    static const char *const faults[] = {
        [SECRECY_KEPT] = "",
        [SECRECY_OTHERS] = "others have access",
        [SECRECY_GROUP_WRITES] = "its group may write it",
        [SECRECY_ACL] = "an access control list lets more users in than its mode shows",
        [SECRECY_OWNER] = "its group can read it, and it belongs to neither root nor this user",
        [SECRECY_GROUP] = "a group can read it that this process is not in",
    };
    return faults[secrecy];
}
