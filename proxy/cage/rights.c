// capset and prctl by their system calls: libcap would do no more. Order: groups while it is root, the bounding set while it may,
// the user, the capabilities; then a try to go back.
#include "proxy/cage/rights.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "auth/base/slice.h"

enum { PASSWD_CAP = 16 * 1024, FIRST_OPEN_PORT = 1024 };

#define BIT(capability) (UINT64_C(1) << (capability))

// ---- capabilities -------------------------------------------------------------------------------

struct capabilities {
    uint64_t permitted;
    uint64_t effective;
};

static bool get_capabilities(struct capabilities *out)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};
    if (syscall(SYS_capget, &header, data) != 0)
        return false;
    out->permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
    out->effective = data[0].effective | (uint64_t)data[1].effective << 32;
    return true;
}

// set_capabilities asks for nothing that is so already: a service manager may have taken away the call with the capabilities.
static bool set_capabilities(uint64_t permitted, uint64_t effective)
{
    struct capabilities now;
    if (get_capabilities(&now) && now.permitted == permitted && now.effective == effective)
        return true;
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct data[2] = {
        {.permitted = (uint32_t)permitted, .effective = (uint32_t)effective},
        {.permitted = (uint32_t)(permitted >> 32), .effective = (uint32_t)(effective >> 32)},
    };
    return syscall(SYS_capset, &header, data) == 0;
}

// bound drops all but `kept` from the set that bounds what a program started by this process can have. Without the right to do
// so there is nothing to drop that could be had: no new privileges.
static void bound(uint64_t kept)
{
    for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++) {
        if ((kept & BIT(capability)) == 0)
            (void)prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
    }
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

unsigned rights_first_open_port(void)
{
    char data[16] = "";
    const int fd = open("/proc/sys/net/ipv4/ip_unprivileged_port_start", O_RDONLY | O_CLOEXEC);
    const ssize_t len = fd < 0 ? -1 : read(fd, data, sizeof data - 1);
    if (fd >= 0)
        (void)close(fd);
    char *end = data;
    const unsigned long port = strtoul(data, &end, 10);
    return len > 0 && end != data && port <= UINT16_MAX + 1ul ? (unsigned)port : FIRST_OPEN_PORT;
}

// ---- users --------------------------------------------------------------------------------------

// name_group finds what the user's own group is called, which need not be as the user is.
static void name_group(struct rights_user *user)
{
    struct group entry;
    struct group *found = NULL;
    char *data = malloc(PASSWD_CAP);
    const bool is_named =
        data != NULL && getgrgid_r(user->gid, &entry, data, PASSWD_CAP, &found) == 0 &&
        found != NULL &&
        string_copy(user->group, sizeof user->group, slice_of_string(entry.gr_name));
    if (!is_named)
        (void)snprintf(user->group, sizeof user->group, "%u", (unsigned)user->gid);
    free(data);
}

enum err rights_find_user(const char *name, struct rights_user *out, struct errinfo *info)
{
    struct passwd entry;
    struct passwd *found = NULL;
    int count = RIGHTS_GROUPS_MAX;
    *out = (struct rights_user){0};
    char *data = malloc(PASSWD_CAP);
    if (data == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory to look for user %s", name);
    const int error = getpwnam_r(name, &entry, data, PASSWD_CAP, &found);
    const bool is_found = found != NULL;
    if (is_found) {
        out->uid = entry.pw_uid;
        out->gid = entry.pw_gid;
    }
    free(data);
    errno = error;
    if (error != 0)
        return errinfo_set(info, ERR_INPUT, "`process.user`: cannot look for user %s: %m", name);
    if (!is_found || !string_copy(out->name, sizeof out->name, slice_of_string(name)))
        return errinfo_set(info, ERR_INPUT,
                           "`process.user`: there is no user %s on this machine; run: useradd "
                           "--system --no-create-home --shell /usr/sbin/nologin %s",
                           name, name);
    if (out->uid == 0)
        return errinfo_set(info, ERR_INPUT,
                           "`process.user`: %s is root, whom the proxy is not to be", name);
    if (getgrouplist(name, out->gid, out->groups, &count) < 0)
        return errinfo_set(info, ERR_INPUT, "`process.user`: %s is in more than %d groups", name,
                           (int)RIGHTS_GROUPS_MAX);
    out->group_count = (size_t)count;
    name_group(out);
    return ERR_OK;
}

enum err rights_check_user(const struct rights_user *user, struct errinfo *info)
{
    if (geteuid() == 0 || (geteuid() == user->uid && getuid() == user->uid))
        return ERR_OK;
    return errinfo_set(info, ERR_INPUT,
                       "`process.user` is %s (%u), and user %u, who has started this, cannot "
                       "become that one; start it as root, as that user, or leave `user` out",
                       user->name, (unsigned)user->uid, (unsigned)geteuid());
}

// keep_dumpable puts back whether others of this user may look into this process: to become another one sets it to what
// fs.suid_dumpable says.
static void keep_dumpable(int before)
{
    (void)prctl(PR_SET_DUMPABLE, before == 1 ? 1 : 0, 0, 0, 0);
}

enum err rights_take_groups(const struct rights_user *user, struct errinfo *info)
{
    const int dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
    if (geteuid() != 0)
        return ERR_OK;
    if (setgroups(user->group_count, user->groups) != 0 ||
        setresgid(user->gid, user->gid, user->gid) != 0)
        return errinfo_set(info, ERR_SYSTEM,
                           "cannot take the groups of user %s (CAP_SETGID is needed): %m",
                           user->name);
    keep_dumpable(dumpable);
    return ERR_OK;
}

// ---- giving up ----------------------------------------------------------------------------------

// become becomes another user for good.
static enum err become(const struct rights_user *user, struct errinfo *info)
{
    const int dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
    TRY(rights_take_groups(user, info));
    (void)prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0); // what is kept of them is decided afterwards
    if (setresuid(user->uid, user->uid, user->uid) != 0)
        return errinfo_set(info, ERR_SYSTEM, "cannot become user %s (CAP_SETUID is needed): %m",
                           user->name);
    (void)prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
    keep_dumpable(dumpable);
    return ERR_OK;
}

// check tells whether it has become what it should be, and cannot go back.
static enum err check(const struct rights_user *user, uint64_t kept, struct errinfo *info)
{
    struct capabilities now;
    uid_t uids[3];
    gid_t gids[3];
    if (!get_capabilities(&now) || now.permitted != kept || now.effective != kept)
        return errinfo_set(info, ERR_SYSTEM, "the capabilities are still there");
    if (user == NULL)
        return ERR_OK;
    if (getresuid(&uids[0], &uids[1], &uids[2]) != 0 ||
        getresgid(&gids[0], &gids[1], &gids[2]) != 0)
        return errinfo_set(info, ERR_SYSTEM, "cannot tell which user this is: %m");
    for (size_t i = 0; i < 3; i++) {
        if (uids[i] != user->uid || gids[i] != user->gid)
            return errinfo_set(info, ERR_SYSTEM, "this is not user %s alone", user->name);
    }
    if (setresuid(0, 0, 0) == 0 || setresgid(0, 0, 0) == 0 || setgroups(0, NULL) == 0)
        return errinfo_set(info, ERR_SYSTEM, "there is a way back from user %s", user->name);
    return ERR_OK;
}

enum err rights_drop(const struct rights_user *user, bool binds_low_ports, struct errinfo *info)
{
    struct capabilities before;
    if (!get_capabilities(&before))
        return errinfo_set(info, ERR_SYSTEM, "cannot tell which capabilities there are: %m");
    const uint64_t kept = binds_low_ports ? before.permitted & BIT(CAP_NET_BIND_SERVICE) : 0;
    bound(0);
    if (user != NULL)
        TRY(become(user, info));
    if (!set_capabilities(kept, kept))
        return errinfo_set(info, ERR_SYSTEM, "cannot give up the capabilities: %m");
    return check(user, kept, info);
}

enum err rights_shrink_keeper(struct errinfo *info)
{
    const uint64_t needed = BIT(CAP_SETUID) | BIT(CAP_SETGID) | BIT(CAP_SETPCAP) | BIT(CAP_KILL) |
                            BIT(CAP_NET_BIND_SERVICE) | BIT(CAP_DAC_READ_SEARCH);
    struct capabilities before;
    if (!get_capabilities(&before))
        return errinfo_set(info, ERR_SYSTEM, "cannot tell which capabilities there are: %m");
    if (geteuid() != 0)
        return ERR_OK; // what a service manager gives is for the one that serves
    bound(needed);
    const uint64_t kept = before.permitted & needed;
    if (!set_capabilities(kept, kept & BIT(CAP_KILL)))
        return errinfo_set(info, ERR_SYSTEM, "cannot give up the capabilities: %m");
    return ERR_OK;
}
