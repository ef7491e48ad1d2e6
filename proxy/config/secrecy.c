// The rules, the strictest first.
#include "proxy/config/secrecy.h"

#include <sys/stat.h>

// is_among tells whether a group is one of the process's.
static bool is_among(gid_t gid, const struct process_owner *process)
{
    for (size_t i = 0; i < process->group_count; i++) {
        if (process->groups[i] == gid)
            return true;
    }
    return false;
}

static bool is_ours(gid_t gid, const struct process_owner *process)
{
    if (gid == 0 && process->uid == 0)
        return false;
    return is_among(gid, process);
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

// append_for_root says what root may do about a file that a group has.
static void append_for_root(struct text *out, const struct file_owner *file, const char *path)
{
    const bool is_readable_at_most = (file->mode & (S_IWGRP | S_IXGRP | S_IRWXO)) == 0;
    text_append_format(out, "if a user in group %u runs the proxy, ", (unsigned)file->gid);
    if (!is_readable_at_most || file->has_acl)
        text_append_format(out, "chmod 640 %s, and ", path);
    text_append_string(out, "name that user (`process: {user: USER}`), or let it ask (runuser -u "
                            "USER -- sallyport check -c FILE); ");
    text_append_format(out, "if root does, chmod 600 %s", path);
}

void secrecy_remedy_append(struct text *out, const struct file_owner *file,
                           const struct process_owner *process, const char *path)
{
    if (file->has_acl)
        text_append_format(out, "setfacl -b %s, then ", path);
    if (process->uid == 0 && file->uid == 0 && file->gid != 0 && !is_ours(file->gid, process)) {
        append_for_root(out, file, path);
        return;
    }
    if (process->uid == file->uid || process->uid == 0) {
        text_append_format(out, "run: chmod 600 %s", path);
        return;
    }
    text_append_string(out, "run as root: ");
    if (file->uid != 0)
        text_append_format(out, "chown root %s, ", path);
    if (!is_among(file->gid, process) && process->group_count > 0)
        text_append_format(out, "chgrp %u %s, ", (unsigned)process->groups[0], path);
    text_append_format(out, "chmod 640 %s", path);
}
