// First the groups, then the files are read, then all goes.
#include "proxy/service/caging.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/audit/sink.h"
#include "proxy/cage/filter.h"
#include "proxy/cage/rights.h"
#include "proxy/cage/ruleset.h"
#include "proxy/config/crl_sources.h"
#include "proxy/config/source.h"
#include "proxy/config/zone_names.h"
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
           (file->is_apart || faccessat(AT_FDCWD, file->path, R_OK, AT_EACCESS) == 0 ||
            errno == ENOENT))
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

// ---- files --------------------------------------------------------------------------------------

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_SANITIZER
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZER
#endif

// is_impossible tells what this very build does that no sandbox would allow: a sanitizer opens files of its own, and starts a
// program and threads to say what it has found. NULL: nothing.
static const char *is_impossible(void)
{
#ifdef HAS_SANITIZER
    return "this is a build with a sanitizer";
#else
    return NULL;
#endif
}

// is_wide tells whether much more is in a folder than what a proxy needs: there a rule is for one file, and a file that is renamed
// over it is another one.
static bool is_wide(const char *folder)
{
    static const char *const wide[] = {"/",          "/etc",     "/usr",    "/var",  "/home",
                                       "/root",      "/run",     "/tmp",    "/proc", "/dev",
                                       "/sys",       "/opt",     "/srv",    "/mnt",  "/usr/share",
                                       "/usr/local", "/var/lib", "/var/tmp"};
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++) {
        if (strcmp(folder, wide[i]) == 0)
            return true;
    }
    return false;
}

// cut_name makes the folder of a path of the path.
static void cut_name(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash == path)
        path[1] = '\0';
    else if (slash != NULL)
        *slash = '\0';
    else
        (void)string_copy(path, PATH_MAX, SLICE_LITERAL("."));
}

// folder_of gives the whole path of the folder in which the name `path` is. False: there is none.
static bool folder_of(const char *path, char out[PATH_MAX])
{
    char folder[PATH_MAX];
    if (!string_copy(folder, sizeof folder, slice_of_string(path)))
        return false;
    cut_name(folder);
    return realpath(folder, out) != NULL;
}

// place is one that the configuration names: a file, or a folder.
typedef void place_fn(void *arg, const char *path, bool is_written);

// each_place calls `fn` for each, written ones last.
static void each_place(const struct snapshot *snapshot, place_fn *fn, void *arg)
{
    if (!source_is_stdin(snapshot->path))
        fn(arg, snapshot->path, false);
    for (const struct snapshot_file *file = snapshot->files; file != NULL; file = file->next) {
        if (!file->is_apart)
            fn(arg, file->path, false);
    }
    for (size_t i = 0; i < snapshot->process.path_count; i++)
        fn(arg, snapshot->process.paths[i], false);
    if (!sink_is_stdout(snapshot->audit_path))
        fn(arg, snapshot->audit_path, true);
    if (snapshot->control_path != NULL) {
        fn(arg, snapshot->control_path, true);
        fn(arg, snapshot->state_path, true);
    }
    if (snapshot->admin != NULL && snapshot->admin->socket_path != NULL)
        fn(arg, snapshot->admin->socket_path, true);
    for (const struct crl_source_entry *entry = snapshot->crl_sources; entry != NULL;
         entry = entry->next)
        fn(arg, entry->source->path, true);
}

// entering is the making of rules.
struct entering {
    struct caging *caging;
    struct ruleset ruleset;
    bool has_no_memory;
};

// note_written keeps a folder that can be written to.
static void note_written(struct entering *entering, const char *folder)
{
    struct caging *caging = entering->caging;
    char **more = reallocarray(caging->written, caging->written_count + 1, sizeof *more);
    if (more == NULL) {
        entering->has_no_memory = true;
        return;
    }
    caging->written = more;
    caging->written[caging->written_count] = strdup(folder);
    if (caging->written[caging->written_count] == NULL)
        entering->has_no_memory = true;
    else
        caging->written_count++;
}

static void allow(struct entering *entering, const char *path, bool is_written)
{
    // What is not there cannot be read, which is said elsewhere; what is no file of a file system needs no rule.
    if (!ruleset_allow(&entering->ruleset, path, is_written) && errno == ENOMEM)
        entering->has_no_memory = true;
    else if (is_written)
        note_written(entering, path);
}

// allow_links allows the folders of links on the way to a path: who changes one has it lead to something beside it.
static void allow_links(struct entering *entering, const char *path)
{
    char part[PATH_MAX];
    char folder[PATH_MAX];
    struct stat status;
    for (const char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        if (string_copy(part, sizeof part, slice_of(path, (size_t)(slash - path))) &&
            lstat(part, &status) == 0 && S_ISLNK(status.st_mode) && folder_of(part, folder) &&
            !is_wide(folder))
            allow(entering, folder, false);
    }
}

// allow_place allows the folders of a place: of its name, of links on the way, and of the file that they lead to.
static void allow_place(void *arg, const char *path, bool is_written)
{
    struct entering *entering = arg;
    char whole[PATH_MAX];
    char folder[PATH_MAX];
    struct stat status;
    // Beside a device, such as /dev/full, are others.
    if (is_written && stat(path, &status) == 0 && S_ISCHR(status.st_mode)) {
        allow(entering, path, true);
        return;
    }
    if (!is_written && path[0] != '\0')
        allow_links(entering, path);
    if (folder_of(path, folder) && (is_written || !is_wide(folder)))
        allow(entering, folder, is_written);
    if (realpath(path, whole) == NULL || stat(whole, &status) != 0)
        return;
    if (S_ISDIR(status.st_mode) || !S_ISREG(status.st_mode)) {
        allow(entering, whole, is_written);
        return;
    }
    if (folder_of(whole, folder) && !is_wide(folder))
        allow(entering, folder, is_written);
    else
        allow(entering, whole, is_written);
}

// allow_system allows what a reload reads of this machine, and what the proxy reads of itself.
static void allow_system(struct entering *entering)
{
    static const char *const places[] = {"/etc/resolv.conf", "/etc/hosts", "/etc/localtime",
                                         "/dev/urandom"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        allow_place(entering, places[i], false);
    allow(entering, ZONE_FOLDER, false);
    // The kernel may forget the folder otherwise, and make another one of the same name, that no rule names.
    entering->caging->own_folder = open("/proc/self", O_PATH | O_CLOEXEC);
    allow(entering, "/proc/self", false);
}

// restrict_files puts rules in force.
static enum err restrict_files(struct caging *caging, const struct snapshot *snapshot,
                               struct errinfo *info)
{
    struct entering entering = {.caging = caging};
    ruleset_open(&entering.ruleset, info);
    if (entering.ruleset.abi == 0)
        return ERR_SYSTEM;
    allow_system(&entering);
    each_place(snapshot, allow_place, &entering);
    const enum err error = entering.has_no_memory
                               ? errinfo_set(info, ERR_MEMORY, "no memory for the sandbox")
                               : ruleset_enter(&entering.ruleset, info);
    ruleset_close(&entering.ruleset);
    return error;
}

// find_sandbox tells what of a sandbox can be had here, without putting anything in force. The sentence in `missing` is "" where it
// is all of it.
static void find_sandbox(enum process_sandbox wanted, struct caging *out)
{
    struct ruleset ruleset;
    const char *impossible = is_impossible();
    if (wanted == SANDBOX_OFF) {
        (void)errinfo_set(&out->missing, ERR_SYSTEM, "`process.sandbox` is off");
    } else if (impossible != NULL) {
        (void)errinfo_set(&out->missing, ERR_SYSTEM, "%s", impossible);
    } else {
        out->has_filter = filter_is_possible(&out->missing) == ERR_OK;
        ruleset_open(&ruleset, &out->missing);
        out->landlock = ruleset.abi;
        ruleset_close(&ruleset);
    }
}

// lock puts the sandbox in force, as far as the configuration wants it.
static enum err lock(struct caging *caging, const struct snapshot *snapshot, struct errinfo *info)
{
    const enum process_sandbox wanted = snapshot->process.sandbox;
    find_sandbox(wanted, caging);
    if (wanted == SANDBOX_ON && caging->missing.text[0] != '\0')
        return errinfo_set(info, ERR_SYSTEM,
                           "`process.sandbox` is on, and cannot be had: %s; `auto` starts without",
                           caging->missing.text);
    if (wanted == SANDBOX_AUTO && caging->missing.text[0] != '\0')
        log_warning(LOG_CAGE, "no whole sandbox: %s", caging->missing.text);
    if (caging->landlock > 0)
        TRY(restrict_files(caging, snapshot, info));
    return caging->has_filter ? filter_enter(info) : ERR_OK;
}

void caging_print(const struct snapshot *snapshot)
{
    struct caging caging = {0};
    find_sandbox(snapshot->process.sandbox, &caging);
    (void)printf("  sandbox: Landlock %d, system calls %s%s%s\n", caging.landlock,
                 caging.has_filter ? "restricted" : "as they are",
                 caging.missing.text[0] == '\0' ? "" : ": ", caging.missing.text);
}

// ---- reloads ------------------------------------------------------------------------------------

// is_below tells whether `path` is `folder`, or below it.
static bool is_below(const char *path, const char *folder)
{
    const size_t len = strlen(folder);
    return strncmp(path, folder, len) == 0 &&
           (path[len] == '\0' || path[len] == '/' || folder[len - 1] == '/');
}

// wanting is the search for a place that a configuration wants to write to, and cannot.
struct wanting {
    const struct caging *caging;
    const char *refused; // borrowed from the snapshot; NULL: none
};

static void look_at_place(void *arg, const char *path, bool is_written)
{
    struct wanting *wanting = arg;
    char folder[PATH_MAX];
    if (!is_written || wanting->refused != NULL || !folder_of(path, folder))
        return;
    for (size_t i = 0; i < wanting->caging->written_count; i++) {
        if (is_below(folder, wanting->caging->written[i]))
            return;
    }
    wanting->refused = path;
}

enum err caging_may_write(const struct caging *caging, const struct snapshot *snapshot,
                          struct errinfo *info)
{
    struct wanting wanting = {.caging = caging};
    if (caging->landlock == 0)
        return ERR_OK;
    each_place(snapshot, look_at_place, &wanting);
    if (wanting.refused == NULL)
        return ERR_OK;
    return errinfo_set(info, ERR_INPUT,
                       "the sandbox of this process cannot write to the folder of %s, which the "
                       "configuration at its start did not name: restart the proxy",
                       wanting.refused);
}

void caging_deinit(struct caging *caging)
{
    for (size_t i = 0; i < caging->written_count; i++)
        free(caging->written[i]);
    free(caging->written);
    if (caging->own_folder > 0)
        (void)close(caging->own_folder);
    *caging = (struct caging){0};
}

enum err caging_enter(struct caging *caging, const struct snapshot *snapshot, struct errinfo *info)
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
    return lock(caging, snapshot, info);
}
