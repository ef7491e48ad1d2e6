// secrecy: may a private key be kept in a file with this owner and mode? Yes when nobody else can read it; or when a
// group can that this process is in, as in a pod where a secret belongs to root and to the pod's group.
//
// Values in, verdict out. Opens nothing.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum secrecy {
    SECRECY_KEPT,
    SECRECY_OTHERS,       // others than owner and group have access
    SECRECY_GROUP_WRITES, // the group may do more than read
    SECRECY_ACL,          // an access control list extends the bits of the group
    SECRECY_OWNER,        // its group may read, and its owner is neither root nor this user
    SECRECY_GROUP,        // a group may read that this process is not in
};

// file_owner is what the file says.
struct file_owner {
    uid_t uid;
    gid_t gid;
    mode_t mode;
    bool has_acl; // a POSIX ACL; then the bits of the group are its mask
};

// process_owner is as whom the process runs.
struct process_owner {
    uid_t uid;
    const gid_t *groups; // its own and the supplementary ones; borrowed
    size_t group_count;
};

// secrecy_judge gives the verdict. The group root of a process of root does not count as its group: a proxy that is to
// run as another user would not be in it.
enum secrecy secrecy_judge(const struct file_owner *file, const struct process_owner *process);

// secrecy_fault says what is wrong; "" for SECRECY_KEPT. Static memory.
const char *secrecy_fault(enum secrecy secrecy);
