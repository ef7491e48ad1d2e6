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
#include "proxy/cage/opening.h"
#include "proxy/cage/rights.h"
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

#define ALONE                                                                                      \
    "%s is directly in %s, of which the sandbox opens no other file: one that is renamed over it " \
    "later cannot be read; give it a folder of its own, or add %s to `process.paths`"

#define WIDE "%s is directly in %s, all of which the sandbox would open, for writing too: %s"

static const struct rights_user ROOT = {.name = "root", .group = "root"};

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
static void say_unreadable(const struct snapshot *snapshot, const struct rights_user *user)
{
    const struct snapshot_file *file = NULL;
    while ((file = find_unreadable(snapshot, file)) != NULL)
        log_warning(LOG_CAGE, UNREADABLE, file->path, user->name, user->group);
}

// ---- files --------------------------------------------------------------------------------------

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

// is_below tells whether `path` is `folder`, or below it.
static bool is_below(const char *path, const char *folder)
{
    const size_t len = strlen(folder);
    return strncmp(path, folder, len) == 0 &&
           (path[len] == '\0' || path[len] == '/' || folder[len - 1] == '/');
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
    if (!place_opens_wide(place, folder))
        return;
    if (judging->findings != NULL)
        (void)diagnostics_add(judging->findings, is_refused ? SEVERITY_ERROR : SEVERITY_WARNING,
                              judging->snapshot->path, 0, 0, WIDE, place->path, folder, advice);
    else if (!is_refused)
        log_warning(LOG_CAGE, WIDE, place->path, folder, advice);
    if (is_refused)
        judging->error = errinfo_set(judging->info, ERR_INPUT, WIDE, place->path, folder, advice);
}

// is_in_paths tells whether a folder is one of `process.paths`, or below one, all of which is opened.
static bool is_in_paths(const char *folder, const struct snapshot *snapshot)
{
    char path[PATH_MAX];
    for (size_t i = 0; i < snapshot->process.path_count; i++) {
        if (realpath(snapshot->process.paths[i], path) != NULL && place_is_folder(path) &&
            is_below(folder, path))
            return true;
    }
    return false;
}

// is_of_system tells whether a file is the machine's, which the proxy reads whether the configuration names it or not.
static bool is_of_system(const char *path)
{
    return strcmp(path, "/etc/resolv.conf") == 0 || strcmp(path, "/etc/hosts") == 0;
}

// widening is the search for a place that has a folder opened as a whole.
struct widening {
    const char *folder;
    bool is_found;
};

static void look_for_widening(void *arg, const struct place *place)
{
    struct widening *widening = arg;
    char folder[PATH_MAX];
    widening->is_found |= place_opens_wide(place, folder) && strcmp(folder, widening->folder) == 0;
}

// judge_alone warns of a file that is opened by itself: what is renamed over it is another one.
static void judge_alone(const struct snapshot *snapshot, const char *path,
                        struct diagnostics *findings)
{
    char whole[PATH_MAX];
    char folder[PATH_MAX];
    if (is_of_system(path) || place_is_stream(path) || place_is_folder(path) ||
        realpath(path, whole) == NULL || !place_folder(whole, folder) || !wide_folder(folder) ||
        is_in_paths(folder, snapshot))
        return;
    struct widening widening = {.folder = folder};
    each_written(snapshot, look_for_widening, &widening);
    if (widening.is_found)
        return;
    if (findings != NULL)
        (void)diagnostics_add(findings, SEVERITY_WARNING, snapshot->path, 0, 0, ALONE, path, folder,
                              folder);
    else
        log_warning(LOG_CAGE, ALONE, path, folder, folder);
}

// judge_renewal warns of files that cannot be renewed as most are, by a rename. Only where there are rules of files.
static void judge_renewal(const struct snapshot *snapshot, struct diagnostics *findings)
{
    if (!source_is_stdin(snapshot->path))
        judge_alone(snapshot, snapshot->path, findings);
    for (const struct snapshot_file *file = snapshot->files; file != NULL; file = file->next) {
        if (!file->is_apart)
            judge_alone(snapshot, file->path, findings);
    }
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
    struct opening opening;
};

// note_written keeps a folder that can be written to.
static void note_written(void *arg, const char *folder)
{
    struct entering *entering = arg;
    struct caging *caging = entering->caging;
    char **more = reallocarray(caging->written, caging->written_count + 1, sizeof *more);
    if (more == NULL) {
        entering->opening.has_no_memory = true;
        return;
    }
    caging->written = more;
    caging->written[caging->written_count] = strdup(folder);
    if (caging->written[caging->written_count] == NULL)
        entering->opening.has_no_memory = true;
    else
        caging->written_count++;
}

// allow_system allows what a reload reads of this machine, and what the proxy reads of itself.
static void allow_system(struct entering *entering)
{
    static const char *const places[] = {"/etc/resolv.conf", "/etc/hosts", "/etc/localtime",
                                         "/dev/urandom"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        opening_allow_place(&entering->opening, &(struct place){.path = places[i]});
    if (place_is_stream(STDOUT)) // the audit log may open it again
        opening_allow_place(&entering->opening,
                            &(struct place){.path = STDOUT, .is_written = true});
    opening_allow(&entering->opening, ZONE_FOLDER, false);
    // The kernel may forget the folder otherwise, and make another one of the same name, that no rule names.
    entering->caging->own_folder = open("/proc/self", O_PATH | O_CLOEXEC);
    opening_allow(&entering->opening, "/proc/self", false);
}

// restrict_files puts rules in force.
static enum err restrict_files(struct caging *caging, const struct snapshot *snapshot,
                               struct errinfo *info)
{
    struct ruleset ruleset;
    struct entering entering = {
        .caging = caging,
        .opening = {.ruleset = &ruleset, .on_written = note_written, .arg = &entering}};
    // Rules say where the proxy may connect, and a reload where it listens.
    ruleset_open(&ruleset, true, info);
    if (ruleset.abi == 0)
        return ERR_SYSTEM;
    allow_system(&entering);
    each_place(snapshot, opening_allow_place, &entering.opening);
    const enum err error = entering.opening.has_no_memory
                               ? errinfo_set(info, ERR_MEMORY, "no memory for the sandbox")
                               : ruleset_enter(&ruleset, info);
    ruleset_close(&ruleset);
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
        judge_renewal(snapshot, NULL);
        TRY(restrict_files(caging, snapshot, info));
    }
    return caging->sandbox.has_filter ? filter_enter(FILTER_SERVES, info) : ERR_OK;
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

// become_user becomes who the proxy becomes, where root runs this, and warns of what that one cannot read. Without a user it
// stays root, but for the capabilities.
static enum err become_user(const struct snapshot *snapshot, struct diagnostics *findings)
{
    struct rights_user user = ROOT;
    struct errinfo info;
    const char *name = snapshot->process.user;
    if (geteuid() != 0)
        return ERR_OK;
    if ((name != NULL && rights_find_user(name, &user, &info) != ERR_OK) ||
        rights_drop(name == NULL ? NULL : &user, false, &info) != ERR_OK) {
        (void)diagnostics_add(findings, SEVERITY_ERROR, snapshot->path, 0, 0, "%s", info.text);
        return ERR_INPUT;
    }
    const struct snapshot_file *file = NULL;
    while ((file = find_unreadable(snapshot, file)) != NULL)
        (void)diagnostics_add(findings, SEVERITY_WARNING, snapshot->path, 0, 0, UNREADABLE,
                              file->path, user.name, user.group);
    return ERR_OK;
}

enum err caging_check(const struct snapshot *snapshot, struct diagnostics *findings)
{
    struct errinfo info;
    struct sandbox sandbox;
    find_sandbox(snapshot->process.sandbox, &sandbox);
    TRY(judge_width(snapshot, findings, &info));
    if (sandbox.landlock > 0)
        judge_renewal(snapshot, findings);
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
    if (!place_folder(place->path, folder))
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
                       "configuration at its start did not name: `sallyport upgrade`, or restart "
                       "the proxy",
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
    struct rights_user user = ROOT;
    const char *name = snapshot->process.user;
    const bool is_root = geteuid() == 0;
    if (name != NULL)
        TRY(rights_find_user(name, &user, info));
    TRY(rights_drop(is_root && name != NULL ? &user : NULL, binds_low_ports(snapshot), info));
    if (is_root && name == NULL)
        log_warning(LOG_CAGE, "the proxy runs as root, though without its capabilities: say with "
                              "`process: {user: NAME}` whom it shall become");
    if (is_root)
        say_unreadable(snapshot, &user);
    TRY(lock(caging, snapshot, info));
    return exposure_judge(snapshot, caging->sandbox.landlock > 0, NULL, info);
}
