// A memfd, and posix_spawn of the version's own file.
#include "proxy/keeper/keeper_holder.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "proxy/process/program.h"

void keeper_holder_init(struct keeper_holder *holder, const char *path)
{
    *holder = (struct keeper_holder){.program_fd = open(path, O_PATH | O_CLOEXEC), .notes_fd = -1};
}

// has_notes tells whether it is written, for good, where keys may be.
static bool has_notes(const struct keeper_holder *holder)
{
    const int seals = holder->notes_fd < 0 ? -1 : fcntl(holder->notes_fd, F_GET_SEALS);
    return seals >= 0 && (seals & F_SEAL_WRITE) != 0;
}

void keeper_holder_settle(struct keeper_holder *holder)
{
    if (holder->is_settled)
        return;
    holder->is_settled = true;
    holder->is_refused = !has_notes(holder);
    if (holder->is_refused && holder->pid > 0)
        (void)kill(holder->pid, SIGKILL);
}

int keeper_holder_make_history(void)
{
    const int fd = memfd_create("sallyport-history", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd >= 0 && ftruncate(fd, KEEPER_HISTORY_LEN) == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
        return fd;
    const int error = errno;
    if (fd >= 0)
        (void)close(fd);
    errno = error;
    return -1;
}

enum err keeper_holder_start(struct keeper_holder *holder, int socket, int history,
                             struct errinfo *info)
{
    static char name[] = "sallyport";
    static char command[] = KEY_HOLDER_COMMAND;
    static const char *const kept_back[] = {"NOTIFY_SOCKET", NULL};
    char *argv[] = {name, command, NULL};
    char setting[64];
    struct program program;
    if (holder->is_refused)
        return errinfo_set(info, ERR_DENIED,
                           "it was to begin without one, and asks for one after it has heard "
                           "strangers: restart the proxy, and find out who asks");
    if (holder->pid > 0)
        (void)kill(holder->pid, SIGKILL); // its version says that it is of no use
    if (holder->notes_fd < 0)
        holder->notes_fd = memfd_create("sallyport-keys", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (holder->notes_fd < 0 || holder->program_fd < 0 || history < 0)
        return errinfo_set(info, ERR_SYSTEM, "no descriptor for a key holder: %m");
    const int fds[] = {socket, holder->notes_fd, history};
    (void)snprintf(program.path, sizeof program.path, "/proc/self/fd/%d", holder->program_fd);
    (void)snprintf(setting, sizeof setting, "%s=%d:%d:%d", KEY_HOLDER_VARIABLE, socket,
                   holder->notes_fd, history);
    const char *const added[] = {setting, NULL};
    const struct program_start_options options = {
        .argv = argv, .added = added, .removed = kept_back, .fds = fds, .fd_count = 3};
    return program_start(&program, &options, &holder->pid, info);
}

bool keeper_holder_note_end(struct keeper_holder *holder, pid_t pid)
{
    if (holder->pid != pid)
        return false;
    holder->pid = 0;
    return true;
}

void keeper_holder_deinit(struct keeper_holder *holder)
{
    if (holder->pid > 0)
        (void)kill(holder->pid, SIGKILL);
    if (holder->program_fd >= 0)
        (void)close(holder->program_fd);
    if (holder->notes_fd >= 0)
        (void)close(holder->notes_fd);
    *holder = (struct keeper_holder){.program_fd = -1, .notes_fd = -1};
}
