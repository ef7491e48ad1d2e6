// secrecy: may a private key be in a file with this owner and mode? Yes if nobody else can read it. Yes also if a group
// of this process can read it, as in a pod, where a secret belongs to root and to the pod's group.
//
// Values in, verdict out. Opens nothing.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "auth/base/text.h"

enum secrecy {
    SECRECY_KEPT,
    SECRECY_OTHERS,       // others than owner and group have access
    SECRECY_GROUP_WRITES, // the group may do more than read
    SECRECY_ACL,          // an access control list extends the bits of the group
    SECRECY_OWNER,        // its group may read, and its owner is neither root nor this user
    SECRECY_GROUP,        // a group may read that this process is not in
};

// file_owner is the owner and the mode of a file.
struct file_owner {
    uid_t uid;
    gid_t gid;
    mode_t mode;
    bool has_acl; // it has a POSIX ACL, whose mask is the bits of the group
};

// process_owner is the user and the groups of a process.
struct process_owner {
    uid_t uid;
    const gid_t *groups; // its own and the supplementary ones; borrowed
    size_t group_count;
};

// secrecy_judge returns the verdict. If the process is root, group root does not count as one of its groups: a proxy that
// runs as another user would not be in it.
enum secrecy secrecy_judge(const struct file_owner *file, const struct process_owner *process);

// secrecy_fault returns what is wrong, in words; "" for SECRECY_KEPT. Static memory.
const char *secrecy_fault(enum secrecy secrecy);

// secrecy_remedy_append adds what to do about a file at `path` that is not SECRECY_KEPT: commands after which the process can
// still read it. Where root asks and a group has the file, it may be the group of whom the proxy runs as: then that is said,
// for what root would do could take the key from the proxy.
void secrecy_remedy_append(struct text *out, const struct file_owner *file,
                           const struct process_owner *process, const char *path);
