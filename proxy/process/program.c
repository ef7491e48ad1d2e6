// posix_spawn: nothing of ours runs between fork and exec, so it does not matter that there are threads.
#include "proxy/process/program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/base/text.h"

extern char **environ;

void program_note(struct program *program)
{
    const char *called = program_invocation_name;
    struct text text;
    text_init(&text, program->path, sizeof program->path);
    char folder[PATH_MAX];
    if (called[0] == '/') {
        text_append_string(&text, called);
    } else if (slice_find(slice_of_string(called), '/') < strlen(called)) {
        if (getcwd(folder, sizeof folder) != NULL)
            text_append_format(&text, "%s/%s", folder, called);
    } else {
        const ssize_t len = readlink("/proc/self/exe", folder, sizeof folder);
        if (len > 0)
            text_append(&text, slice_of(folder, (size_t)len));
    }
    if (text.is_cut)
        program->path[0] = '\0';
}

// has_name tells whether a NAME=VALUE is of that name.
static bool has_name(struct slice setting, struct slice name)
{
    return slice_equal(slice_first(setting, slice_find(setting, '=')), name);
}

// is_left_out tells what the started process does not get of our environment.
static bool is_left_out(const struct program_start_options *options, struct slice setting)
{
    for (size_t i = 0; options->removed[i] != NULL; i++) {
        if (has_name(setting, slice_of_string(options->removed[i])))
            return true;
    }
    for (size_t i = 0; options->added[i] != NULL; i++) {
        const struct slice added = slice_of_string(options->added[i]);
        if (has_name(setting, slice_first(added, slice_find(added, '='))))
            return true;
    }
    return false;
}

// make_environment gives an array to free; its strings are borrowed. NULL without memory.
static char **make_environment(const struct program_start_options *options)
{
    size_t count = 1;
    for (size_t i = 0; environ[i] != NULL; i++)
        count++;
    for (size_t i = 0; options->added[i] != NULL; i++)
        count++;
    char **made = calloc(count, sizeof *made);
    size_t len = 0;
    for (size_t i = 0; made != NULL && environ[i] != NULL; i++) {
        if (!is_left_out(options, slice_of_string(environ[i])))
            made[len++] = environ[i];
    }
    for (size_t i = 0; made != NULL && options->added[i] != NULL; i++)
        made[len++] = (char *)(uintptr_t)options->added[i];
    return made;
}

static int set_up(posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes,
                  const struct program_start_options *options)
{
    sigset_t none;
    sigset_t ignored;
    int error = 0;
    (void)sigemptyset(&none);
    (void)sigemptyset(&ignored);
    (void)sigaddset(&ignored, SIGPIPE);
    (void)sigaddset(&ignored, SIGXFSZ);
    for (size_t i = 0; i < options->fd_count && error == 0; i++) // to itself: it stays open
        error = posix_spawn_file_actions_adddup2(actions, options->fds[i], options->fds[i]);
    if (error == 0)
        error = posix_spawnattr_setsigmask(attributes, &none);
    if (error == 0)
        error = posix_spawnattr_setsigdefault(attributes, &ignored);
    if (error == 0)
        error =
            posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    return error;
}

// spawn gives an errno.
static int spawn(const char *path, const struct program_start_options *options,
                 char *const *environment, pid_t *out_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int error = posix_spawn_file_actions_init(&actions);
    if (error != 0)
        return error;
    error = posix_spawnattr_init(&attributes);
    if (error == 0) {
        error = set_up(&actions, &attributes, options);
        if (error == 0)
            error = posix_spawn(out_pid, path, &actions, &attributes, options->argv, environment);
        (void)posix_spawnattr_destroy(&attributes);
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    return error;
}

static const char own_file[] = "/proc/self/exe";

// is_own_file tells whether what this process runs is at `path`.
static bool is_own_file(const char *path)
{
    struct stat own;
    struct stat there;
    return stat(own_file, &own) != 0 ||
           (stat(path, &there) == 0 && own.st_dev == there.st_dev && own.st_ino == there.st_ino);
}

enum err program_start(const struct program *program, const struct program_start_options *options,
                       pid_t *out_pid, struct errinfo *info)
{
    // By its path where that is the same: the kernel names a process by the last part.
    const bool is_by_path = !options->is_self || is_own_file(program->path);
    const char *path = is_by_path ? program->path : own_file;
    if (path[0] == '\0')
        return errinfo_set(info, ERR_SYSTEM, "the path of the program is not known");
    char **environment = make_environment(options);
    const int error = environment == NULL ? ENOMEM : spawn(path, options, environment, out_pid);
    free(environment);
    if (error == 0)
        return ERR_OK;
    errno = error;
    return errinfo_set(info, ERR_SYSTEM, "%s cannot be started: %m", path);
}
