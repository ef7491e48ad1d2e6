// First the groups, then the files are read, then all goes.
#include "proxy/service/caging.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/audit/sink.h"
#include "proxy/cage/filter.h"
#include "proxy/cage/rights.h"
#include "proxy/cage/ruleset.h"
#include "proxy/cage/wide.h"
#include "proxy/config/crl_sources.h"
#include "proxy/config/source.h"
#include "proxy/config/zone_names.h"
#include "proxy/log/log.h"
#include "proxy/service/exposure.h"

#define STDOUT "/proc/self/fd/1"

#define UNREADABLE                                                                                  \
    "%s cannot be read by user %s: reloads will fail, and a renewed file is not seen; let a group " \
    "of that user read it (chgrp %s, chmod g+r)"

#define WIDE "%s is directly in %s, all of which the sandbox would open, for writing too: %s"

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

// ---- files --------------------------------------------------------------------------------------

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

// place is one that the configuration names.
struct place {
    const char *path;
    bool is_written;
    bool is_folder;   // whether it is there or not; of others that shows
    bool is_constant; // a reload does not change it
};

typedef void place_fn(void *arg, const struct place *place);

// each_written calls `fn` for each place that is written to.
static void each_written(const struct snapshot *snapshot, place_fn *fn, void *arg)
{
    const struct admin_settings *admin = snapshot->admin;
    if (!sink_is_stdout(snapshot->audit_path))
        fn(arg, &(struct place){.path = snapshot->audit_path, .is_written = true});
    if (snapshot->control_path != NULL) {
        fn(arg, &(struct place){
                    .path = snapshot->control_path, .is_written = true, .is_constant = true});
        fn(arg,
           &(struct place){.path = snapshot->state_path, .is_written = true, .is_constant = true});
    }
    if (admin != NULL && admin->socket_path != NULL)
        fn(arg, &(struct place){.path = admin->socket_path, .is_written = true});
    for (const struct crl_source_entry *entry = snapshot->crl_sources; entry != NULL;
         entry = entry->next)
        fn(arg, &(struct place){.path = entry->source->path,
                                .is_written = true,
                                .is_folder = entry->source->is_learned});
}

// each_place calls `fn` for each, written ones last.
static void each_place(const struct snapshot *snapshot, place_fn *fn, void *arg)
{
    if (!source_is_stdin(snapshot->path))
        fn(arg, &(struct place){.path = snapshot->path});
    for (const struct snapshot_file *file = snapshot->files; file != NULL; file = file->next) {
        if (!file->is_apart)
            fn(arg, &(struct place){.path = file->path});
    }
    for (size_t i = 0; i < snapshot->process.path_count; i++)
        fn(arg, &(struct place){.path = snapshot->process.paths[i],
                                .is_folder = access(snapshot->process.paths[i], F_OK) != 0});
    each_written(snapshot, fn, arg);
}

// is_stream tells whether a path leads to a device or a pipe: it is opened, and never made.
static bool is_stream(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && (S_ISCHR(status.st_mode) || S_ISFIFO(status.st_mode));
}

static bool is_link(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0 && S_ISLNK(status.st_mode);
}

static bool is_folder(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

// opens_wide tells whether a place needs a folder to be opened, for writing too, in which much else is.
static bool opens_wide(const struct place *place, char out_folder[PATH_MAX])
{
    return place->is_written && !place->is_folder && !is_stream(place->path) &&
           !is_link(place->path) && folder_of(place->path, out_folder) && wide_folder(out_folder);
}

// judging is the search for places that need a folder to be opened in which much else is.
struct judging {
    const struct snapshot *snapshot;
    struct diagnostics *findings; // NULL: the log is told
    struct errinfo *info;
    enum err error;
};

static void judge_place(void *arg, const struct place *place)
{
    struct judging *judging = arg;
    const char *advice = "give it a folder of its own";
    const bool is_refused = judging->snapshot->process.sandbox == SANDBOX_ON;
    char folder[PATH_MAX];
    if (!opens_wide(place, folder))
        return;
    if (judging->findings != NULL)
        (void)diagnostics_add(judging->findings, is_refused ? SEVERITY_ERROR : SEVERITY_WARNING,
                              judging->snapshot->path, 0, 0, WIDE, place->path, folder, advice);
    else if (!is_refused)
        log_warning(LOG_CAGE, WIDE, place->path, folder, advice);
    if (is_refused)
        judging->error = errinfo_set(judging->info, ERR_INPUT, WIDE, place->path, folder, advice);
}

// judge_width warns of what opens more than it should. ERR_INPUT where the configuration wants no less than a whole sandbox.
static enum err judge_width(const struct snapshot *snapshot, struct diagnostics *findings,
                            struct errinfo *info)
{
    struct judging judging = {.snapshot = snapshot, .findings = findings, .info = info};
    if (snapshot->process.sandbox != SANDBOX_OFF)
        each_written(snapshot, judge_place, &judging);
    return judging.error;
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
    if (!ruleset_allow(&entering->ruleset, path, is_written ? RULESET_WRITE : RULESET_READ) &&
        errno == ENOMEM)
        entering->has_no_memory = true;
    else if (is_written)
        note_written(entering, path);
}

// allow_link allows the folder of a link: who changes one has it lead to something beside it.
static void allow_link(struct entering *entering, const char *path)
{
    char folder[PATH_MAX];
    if (is_link(path) && folder_of(path, folder) && !wide_folder(folder))
        allow(entering, folder, false);
}

// allow_links allows the folders of links on the way to a path, and of one that it is itself.
static void allow_links(struct entering *entering, const char *path)
{
    char part[PATH_MAX];
    for (const char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        if (string_copy(part, sizeof part, slice_of(path, (size_t)(slash - path))))
            allow_link(entering, part);
    }
    allow_link(entering, path);
}

// allow_file allows the folders of a file: of its name, and of the file that a link leads to.
static void allow_file(struct entering *entering, const struct place *place)
{
    char whole[PATH_MAX];
    char folder[PATH_MAX];
    if (folder_of(place->path, folder) && (!wide_folder(folder) || opens_wide(place, folder)))
        allow(entering, folder, place->is_written);
    if (realpath(place->path, whole) == NULL)
        return;
    if (folder_of(whole, folder) && !wide_folder(folder))
        allow(entering, folder, place->is_written);
    else
        allow(entering, whole, place->is_written);
}

static void allow_place(void *arg, const struct place *place)
{
    struct entering *entering = arg;
    char whole[PATH_MAX];
    if (!place->is_written && place->path[0] != '\0')
        allow_links(entering, place->path);
    if (is_stream(place->path)) {
        // Beside a device, such as /dev/full, are others. It may have no path but the one that leads there.
        allow(entering, place->path, place->is_written);
    } else if (!place->is_folder && !is_folder(place->path)) {
        allow_file(entering, place);
    } else if (realpath(place->path, whole) != NULL) {
        allow(entering, whole, place->is_written);
    }
}

// allow_system allows what a reload reads of this machine, and what the proxy reads of itself.
static void allow_system(struct entering *entering)
{
    static const char *const places[] = {"/etc/resolv.conf", "/etc/hosts", "/etc/localtime",
                                         "/dev/urandom"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        allow_place(entering, &(struct place){.path = places[i]});
    if (is_stream(STDOUT)) // the audit log may open it again
        allow_place(entering, &(struct place){.path = STDOUT, .is_written = true});
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
    // Rules say where the proxy may connect, and a reload where it listens.
    ruleset_open(&entering.ruleset, true, info);
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

// find_sandbox tells what of a sandbox can be had here, without putting anything in force.
static void find_sandbox(enum process_sandbox wanted, struct sandbox *out)
{
    *out = (struct sandbox){.landlock = 0};
    if (wanted == SANDBOX_OFF)
        (void)errinfo_set(&out->missing, ERR_SYSTEM, "`process.sandbox` is off");
    else
        sandbox_find(out);
}

// lock puts the sandbox in force, as far as the configuration wants it.
static enum err lock(struct caging *caging, const struct snapshot *snapshot, struct errinfo *info)
{
    const enum process_sandbox wanted = snapshot->process.sandbox;
    find_sandbox(wanted, &caging->sandbox);
    if (wanted == SANDBOX_ON && caging->sandbox.missing.text[0] != '\0')
        return errinfo_set(info, ERR_SYSTEM,
                           "`process.sandbox` is on, and cannot be had: %s; `auto` starts without",
                           caging->sandbox.missing.text);
    if (wanted == SANDBOX_AUTO && caging->sandbox.missing.text[0] != '\0')
        log_warning(LOG_CAGE, "no whole sandbox: %s", caging->sandbox.missing.text);
    if (caging->sandbox.landlock > 0) {
        TRY(judge_width(snapshot, NULL, info));
        TRY(restrict_files(caging, snapshot, info));
    }
    return caging->sandbox.has_filter ? filter_enter(info) : ERR_OK;
}

// ---- foreseeing it ------------------------------------------------------------------------------

// confine_files makes of this process what the one that serves will be, as far as files are concerned.
static enum err confine_files(const struct snapshot *snapshot, bool *out_has_rules,
                              struct errinfo *info)
{
    struct caging caging = {.own_folder = -1};
    find_sandbox(snapshot->process.sandbox, &caging.sandbox);
    *out_has_rules = caging.sandbox.landlock > 0;
    if (geteuid() == 0)
        TRY(rights_drop(NULL, false, info));
    if (!*out_has_rules)
        return ERR_OK;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return errinfo_set(info, ERR_SYSTEM, "new privileges cannot be given up: %m");
    const enum err error = restrict_files(&caging, snapshot, info);
    caging_deinit(&caging);
    return error;
}

// is_who_serves tells whether this process is the user that the proxy will be: somebody else's eyes see other files.
static bool is_who_serves(const struct snapshot *snapshot)
{
    struct rights_user user;
    struct errinfo info;
    const char *name = snapshot->process.user;
    return name == NULL ||
           (rights_find_user(name, &user, &info) == ERR_OK && geteuid() == user.uid);
}

// add_error adds a sentence, unless it stands there already: as an error of the configuration it was added where it was found.
static enum err add_error(const struct snapshot *snapshot, struct diagnostics *findings,
                          enum err error, const struct errinfo *info)
{
    if (error != ERR_OK && error != ERR_INPUT)
        (void)diagnostics_add(findings, SEVERITY_ERROR, snapshot->path, 0, 0, "%s", info->text);
    return error;
}

// become_user becomes who the proxy becomes, where root runs this, and warns of what that one cannot read.
static enum err become_user(const struct snapshot *snapshot, struct diagnostics *findings)
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

enum err caging_check(const struct snapshot *snapshot, struct diagnostics *findings)
{
    struct errinfo info;
    TRY(judge_width(snapshot, findings, &info));
    TRY(become_user(snapshot, findings));
    if (!is_who_serves(snapshot))
        return ERR_OK;
    return add_error(snapshot, findings, exposure_foresee(snapshot, confine_files, findings, &info),
                     &info);
}

void caging_print(const struct snapshot *snapshot)
{
    struct sandbox sandbox;
    find_sandbox(snapshot->process.sandbox, &sandbox);
    (void)printf("  sandbox: Landlock %d, system calls %s%s%s\n", sandbox.landlock,
                 sandbox.has_filter ? "restricted" : "as they are",
                 sandbox.missing.text[0] == '\0' ? "" : ": ", sandbox.missing.text);
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

// may_write tells whether a place can be written to: it is, or is in or below, one that was opened.
static bool may_write(const struct caging *caging, const struct place *place)
{
    char whole[PATH_MAX];
    char folder[PATH_MAX];
    if (!folder_of(place->path, folder))
        return true; // it fails for another reason, which is said
    if (realpath(place->path, whole) == NULL)
        whole[0] = '\0';
    for (size_t i = 0; i < caging->written_count; i++) {
        const char *written = caging->written[i];
        if (strcmp(place->path, written) == 0 || strcmp(whole, written) == 0 ||
            is_below(place->is_folder ? whole : folder, written))
            return true;
    }
    return false;
}

static void look_at_place(void *arg, const struct place *place)
{
    struct wanting *wanting = arg;
    if (wanting->refused == NULL && !place->is_constant && !may_write(wanting->caging, place))
        wanting->refused = place->path;
}

enum err caging_may_write(const struct caging *caging, const struct snapshot *snapshot,
                          struct errinfo *info)
{
    struct wanting wanting = {.caging = caging};
    if (caging->sandbox.landlock == 0)
        return ERR_OK;
    each_written(snapshot, look_at_place, &wanting);
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
    TRY(lock(caging, snapshot, info));
    return exposure_judge(snapshot, caging->sandbox.landlock > 0, NULL, info);
}
