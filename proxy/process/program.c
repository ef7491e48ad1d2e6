// posix_spawn: nothing of ours runs between fork and exec, so it does not matter that there are threads.
#include "proxy/process/program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
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

// is_ours_alone tells what the next process must not take for its own.
static bool is_ours_alone(const char *setting, const char *variable)
{
    static const char *const names[] = {
        "WATCHDOG_PID=", "LISTEN_PID=", "LISTEN_FDS=", "LISTEN_FDNAMES="};
    const struct slice text = slice_of_string(setting);
    const struct slice added = slice_of_string(variable);
    if (slice_starts_with(text, slice_first(added, slice_find(added, '=') + 1)))
        return true;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (slice_starts_with(text, slice_of_string(names[i])))
            return true;
    }
    return false;
}

// make_environment gives an array to free; its strings are borrowed. NULL without memory.
static char **make_environment(const char *variable)
{
    size_t count = 0;
    while (environ[count] != NULL)
        count++;
    char **made = calloc(count + 2, sizeof *made);
    size_t len = 0;
    for (size_t i = 0; made != NULL && i < count; i++) {
        if (!is_ours_alone(environ[i], variable))
            made[len++] = environ[i];
    }
    if (made != NULL)
        made[len] = (char *)(uintptr_t)variable;
    return made;
}

static int set_up(posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes, int fd)
{
    sigset_t none;
    sigset_t ignored;
    (void)sigemptyset(&none);
    (void)sigemptyset(&ignored);
    (void)sigaddset(&ignored, SIGPIPE);
    (void)sigaddset(&ignored, SIGXFSZ);
    int error = posix_spawn_file_actions_adddup2(actions, fd, PROGRAM_FD);
    if (error == 0)
        error = posix_spawnattr_setsigmask(attributes, &none);
    if (error == 0)
        error = posix_spawnattr_setsigdefault(attributes, &ignored);
    if (error == 0)
        error =
            posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    return error;
}

// spawn gives an errno. `fd` is not PROGRAM_FD: dup2 would leave it closed on exec.
static int spawn(const char *path, char *const *argv, char *const *environment, int fd,
                 pid_t *out_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int error = posix_spawn_file_actions_init(&actions);
    if (error != 0)
        return error;
    error = posix_spawnattr_init(&attributes);
    if (error == 0) {
        error = set_up(&actions, &attributes, fd);
        if (error == 0)
            error = posix_spawn(out_pid, path, &actions, &attributes, argv, environment);
        (void)posix_spawnattr_destroy(&attributes);
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    return error;
}

enum err program_start(const struct program *program, char *const *argv, const char *variable,
                       int fd, pid_t *out_pid, struct errinfo *info)
{
    if (program->path[0] == '\0')
        return errinfo_set(info, ERR_SYSTEM, "the path of the program is not known");
    const int copy = fcntl(fd, F_DUPFD_CLOEXEC, PROGRAM_FD + 1);
    if (copy < 0)
        return errinfo_set(info, ERR_SYSTEM, "no descriptor for the new process: %m");
    char **environment = make_environment(variable);
    const int error =
        environment == NULL ? ENOMEM : spawn(program->path, argv, environment, copy, out_pid);
    free(environment);
    (void)close(copy);
    if (error == 0)
        return ERR_OK;
    errno = error;
    return errinfo_set(info, ERR_SYSTEM, "%s cannot be started: %m", program->path);
}
