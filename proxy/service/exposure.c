// What is open is a list of numbers: those of keys come first, then those of folders. The process that was begun to look writes them
// into a pipe.
#include "proxy/service/exposure.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proxy/log/log.h"

#define KEY_EXPOSED                                                                                   \
    "the private key %s can be read by the process that serves, though `process.keys` is apart: put " \
    "it into a folder that is not in or below one that the configuration names for something else "   \
    "(that of the configuration itself among them), or make it root's alone and set `process.user`"

#define FOLDER_EXPOSED                                                                             \
    "%s is in `process.key_paths`, and the process that serves can open it: keys that come there " \
    "later are as open as their modes; use a folder that is not in or below one that the "         \
    "configuration names for something else"

// judging is where what is found goes.
struct judging {
    const struct snapshot *snapshot;
    struct diagnostics *findings; // NULL: the log
    struct errinfo *info;
    enum err error;
};

// say says that one is open.
static void say(struct judging *judging, bool is_folder, const char *path)
{
    const bool is_refused = judging->snapshot->process.sandbox == SANDBOX_ON;
    struct errinfo info;
    if (is_folder)
        (void)errinfo_set(&info, ERR_INPUT, FOLDER_EXPOSED, path);
    else
        (void)errinfo_set(&info, ERR_INPUT, KEY_EXPOSED, path);
    if (judging->findings != NULL)
        (void)diagnostics_add(judging->findings, is_refused ? SEVERITY_ERROR : SEVERITY_WARNING,
                              judging->snapshot->path, 0, 0, "%s", info.text);
    else if (!is_refused)
        log_warning(LOG_CAGE, "%s", info.text);
    if (is_refused)
        judging->error = errinfo_set(judging->info, ERR_INPUT, "%s", info.text);
}

static bool can_open(const char *path, int flags)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | flags);
    if (fd >= 0)
        (void)close(fd);
    return fd >= 0;
}

// A place that a process might open: a file with a key, or a folder for them. Its number is told by the order.
typedef void place_fn(void *arg, size_t number, bool is_folder, const char *path);

static void each_place(const struct snapshot *snapshot, place_fn *fn, void *arg)
{
    size_t number = 0;
    for (const struct snapshot_file *file = snapshot->files; file != NULL; file = file->next) {
        if (file->is_apart && file->has_key)
            fn(arg, number++, false, file->path);
    }
    for (size_t i = 0; i < snapshot->process.key_path_count; i++)
        fn(arg, number++, true, snapshot->process.key_paths[i]);
}

// looking is a look at all of them, by who is to be judged.
struct looking {
    struct judging *judging; // NULL: numbers go into the pipe
    int pipe;
    bool has_rules;
};

static void look(void *arg, size_t number, bool is_folder, const char *path)
{
    const struct looking *looking = arg;
    if ((is_folder && !looking->has_rules) || !can_open(path, is_folder ? O_DIRECTORY : 0))
        return;
    if (looking->judging != NULL)
        say(looking->judging, is_folder, path);
    else if (write(looking->pipe, &number, sizeof number) != sizeof number)
        _exit(1);
}

enum err exposure_judge(const struct snapshot *snapshot, bool has_rules,
                        struct diagnostics *findings, struct errinfo *info)
{
    struct judging judging = {.snapshot = snapshot, .findings = findings, .info = info};
    struct looking looking = {.judging = &judging, .has_rules = has_rules};
    each_place(snapshot, look, &looking);
    return judging.error;
}

// look_as is what the process does that was begun for it.
static _Noreturn void look_as(const struct snapshot *snapshot, exposure_confine *confine, int pipe)
{
    struct looking looking = {.pipe = pipe};
    struct errinfo info;
    if (confine(snapshot, &looking.has_rules, &info) != ERR_OK)
        _exit(1);
    each_place(snapshot, look, &looking);
    _exit(0);
}

// telling is the search for the place with a number.
struct telling {
    struct judging *judging;
    size_t number;
};

static void tell(void *arg, size_t number, bool is_folder, const char *path)
{
    const struct telling *telling = arg;
    if (number == telling->number)
        say(telling->judging, is_folder, path);
}

// hear_all says what the other process has found. False: it could not look.
static bool hear_all(struct judging *judging, pid_t pid, int pipe)
{
    struct telling telling = {.judging = judging};
    int status = 0;
    while (read(pipe, &telling.number, sizeof telling.number) == sizeof telling.number)
        each_place(judging->snapshot, tell, &telling);
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return false;
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

enum err exposure_foresee(const struct snapshot *snapshot, exposure_confine *confine,
                          struct diagnostics *findings, struct errinfo *info)
{
    struct judging judging = {.snapshot = snapshot, .findings = findings, .info = info};
    int ends[2];
    if (snapshot->process.keys != KEYS_APART)
        return ERR_OK;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return errinfo_set(info, ERR_SYSTEM, "no pipe to look for open keys: %m");
    const pid_t pid = fork();
    if (pid == 0)
        look_as(snapshot, confine, ends[1]);
    (void)close(ends[1]);
    const bool has_looked = pid > 0 && hear_all(&judging, pid, ends[0]);
    (void)close(ends[0]);
    if (!has_looked)
        return errinfo_set(info, ERR_SYSTEM,
                           "whether the process that serves could read private keys that are apart "
                           "cannot be told here: the sandbox cannot be tried");
    return judging.error;
}
