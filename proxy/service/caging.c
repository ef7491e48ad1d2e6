// First the groups, then the files are read, then all goes.
#include "proxy/service/caging.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "proxy/cage/rights.h"
#include "proxy/log/log.h"

#define UNREADABLE                                                                                  \
    "%s cannot be read by user %s: reloads will fail, and a renewed file is not seen; let a group " \
    "of that user read it (chgrp %s, chmod g+r)"

enum err caging_begin(void *arg, const struct process_settings *settings, struct errinfo *info)
{
    (void)arg;
    struct rights_user user;
    if (settings->user == NULL)
        return ERR_OK;
    TRY(rights_find_user(settings->user, &user, info));
    TRY(rights_check_user(&user, info));
    return rights_take_groups(&user, info);
}

enum err caging_try(void *arg, const struct process_settings *settings, struct errinfo *info)
{
    struct rights_user user;
    if (settings->user == NULL || geteuid() == 0)
        return caging_begin(arg, settings, info);
    return rights_find_user(settings->user, &user, info);
}

// binds_low_ports tells whether something listens at a port that needs a capability.
static bool binds_low_ports(const struct snapshot *snapshot)
{
    const unsigned first = rights_first_open_port();
    const struct admin_settings *admin = snapshot->admin;
    for (size_t i = 0; i < snapshot->listener_count; i++) {
        const uint16_t port = snapshot->listeners[i].address.port;
        if (port != 0 && port < first)
            return true;
    }
    return admin != NULL && admin->socket_path == NULL && admin->address.port != 0 &&
           admin->address.port < first;
}

// find_unreadable gives the first file that the configuration names, after `after` (NULL: of all), and that this process cannot
// read any more. NULL: there is none.
static const struct snapshot_file *find_unreadable(const struct snapshot *snapshot,
                                                   const struct snapshot_file *after)
{
    const struct snapshot_file *file = after == NULL ? snapshot->files : after->next;
    while (file != NULL &&
           (faccessat(AT_FDCWD, file->path, R_OK, AT_EACCESS) == 0 || errno == ENOENT))
        file = file->next;
    return file;
}

// say_unreadable warns of files that could be read by root only.
static void say_unreadable(const struct snapshot *snapshot, const char *user)
{
    const struct snapshot_file *file = NULL;
    while ((file = find_unreadable(snapshot, file)) != NULL)
        log_warning(LOG_CAGE, UNREADABLE, file->path, user, user);
}

enum err caging_check(const struct snapshot *snapshot, struct diagnostics *findings)
{
    struct rights_user user;
    struct errinfo info;
    const char *name = snapshot->process.user;
    if (geteuid() != 0 || name == NULL)
        return ERR_OK;
    if (rights_find_user(name, &user, &info) != ERR_OK ||
        rights_drop(&user, false, &info) != ERR_OK) {
        (void)diagnostics_add(findings, SEVERITY_ERROR, snapshot->path, 0, 0, "%s", info.text);
        return ERR_INPUT;
    }
    const struct snapshot_file *file = NULL;
    while ((file = find_unreadable(snapshot, file)) != NULL)
        (void)diagnostics_add(findings, SEVERITY_WARNING, snapshot->path, 0, 0, UNREADABLE,
                              file->path, name, name);
    return ERR_OK;
}

enum err caging_enter(const struct snapshot *snapshot, struct errinfo *info)
{
    struct rights_user user;
    const char *name = snapshot->process.user;
    const bool is_root = geteuid() == 0;
    if (name != NULL)
        TRY(rights_find_user(name, &user, info));
    TRY(rights_drop(is_root && name != NULL ? &user : NULL, binds_low_ports(snapshot), info));
    if (is_root && name == NULL)
        log_warning(LOG_CAGE, "the proxy runs as root, though without its capabilities: say with "
                              "`process: {user: NAME}` whom it shall become");
    if (is_root)
        say_unreadable(snapshot, name == NULL ? "root" : name);
    return ERR_OK;
}
