// One poll: of the children's links, and of a signalfd. What a child has said is heard before its end counts.
#include "proxy/keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "auth/ipaddr.h"
#include "proxy/cage/rights.h"
#include "proxy/keeper/keeper_calls.h"
#include "proxy/keeper/keeper_holder.h"
#include "proxy/keeper/keeper_socket.h"
#include "proxy/log/log.h"
#include "proxy/process/limits.h"
#include "proxy/process/notify.h"
#include "proxy/process/program.h"

enum {
    CHILDREN_MAX =
        8,          // the one that serves, the next one, and old ones that go on with their tunnels
    FIRST_FD = 3,   // of sockets that a service manager has opened
    GIVEN_MAX = 64, // of these
    HEAR_BATCH = 16,
    COMPLAINTS_MAX = 16, // about one child
    STARTS_MAX = 30,     // of next versions, and of one's key holders, within START_SPAN_S
    START_SPAN_S = 60,
    EXIT_FAILED = 1,
    EXIT_BY_SIGNAL = 128,
};

static const int forwarded[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2};

// What no version gets: it speaks to the service manager by the keeper.
static const char *const kept_back[] = {"NOTIFY_SOCKET", NULL};

// starts counts what was started lately.
struct starts {
    unsigned count; // since `since_s`
    time_t since_s; // monotonic
};

struct child {
    pid_t pid;                   // 0: none
    int fd;                      // owned; our end of the link; -1: it has closed its own
    struct keeper_holder holder; // of its keys
    struct starts holders;
    unsigned complaints; // that were made about what it says
};

// Where a child is told by its index.
enum { NONE = CHILDREN_MAX };

struct keeper {
    const char *config_path; // borrowed
    struct program program;
    struct child children[CHILDREN_MAX];
    size_t current; // who serves
    size_t next;    // who is about to
    struct starts versions;
    int history_fd;  // of the key holders of all versions; owned; -1: none was needed yet
    int last_status; // of the one that has served, while it is not known whether the next one does
    bool is_over;
    int exit_status;
};

// ---- starting -----------------------------------------------------------------------------------

// given are the descriptors that this process was started with for the first version.
struct given {
    int fds[GIVEN_MAX + 1];
    size_t count;
};

// read_number reads a variable that is a number and nothing else.
static bool read_number(const char *name, uint64_t max, uint64_t *out)
{
    const char *text = getenv(name);
    return text != NULL && decimal_parse(slice_of_string(text), max, out);
}

static bool is_for_us(const char *name)
{
    uint64_t pid = 0;
    return read_number(name, INT32_MAX, &pid) && pid == (uint64_t)getpid();
}

static void add_given(struct given *given, uint64_t fd)
{
    if (fcntl((int)fd, F_GETFD) >= 0)
        given->fds[given->count++] = (int)fd;
}

static void forget_sockets(void)
{
    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("LISTEN_FDNAMES");
}

// find_given finds what is meant for the first version: the sockets of a service manager, or the link to an older version
// that had no keeper, and has started this process to take its place.
static void find_given(struct given *given)
{
    uint64_t count = 0;
    uint64_t link = 0;
    *given = (struct given){0};
    if (!is_for_us("LISTEN_PID"))
        forget_sockets();
    else if (read_number("LISTEN_FDS", GIVEN_MAX, &count))
        for (uint64_t i = 0; i < count; i++)
            add_given(given, FIRST_FD + i);
    if (read_number(HANDOVER_VARIABLE, INT32_MAX, &link) && link >= FIRST_FD)
        add_given(given, link);
    if (getenv("WATCHDOG_PID") != NULL && !is_for_us("WATCHDOG_PID"))
        (void)unsetenv("WATCHDOG_USEC");
    (void)unsetenv(
        "WATCHDOG_PID"); // the signs come from this process, though another one gives them
}

// give_away is after the first version has it all.
static void give_away(struct given *given)
{
    for (size_t i = 0; i < given->count; i++)
        (void)close(given->fds[i]);
    given->count = 0;
    forget_sockets();
    (void)unsetenv(HANDOVER_VARIABLE);
}

static size_t find_room(const struct keeper *keeper)
{
    size_t at = 0;
    while (at < CHILDREN_MAX && keeper->children[at].pid != 0)
        at++;
    return at;
}

// start_child starts a version, with these descriptors beside its link. `handover` is the one of them over which it takes
// another one's place; -1: none. NONE with a sentence in `info`.
static size_t start_child(struct keeper *keeper, const struct given *given, int handover,
                          struct errinfo *info)
{
    int fds[GIVEN_MAX + 2];
    int ends[2];
    char serve[] = "serve";
    char config[] = "-c";
    char link_setting[64];
    char handover_setting[64];
    const size_t at = find_room(keeper);
    char *argv[] = {keeper->program.path, serve, config, (char *)(uintptr_t)keeper->config_path,
                    NULL};
    const char *const added[] = {link_setting, handover < 0 ? NULL : handover_setting, NULL};
    if (at == NONE) {
        (void)errinfo_set(info, ERR_LIMIT, "there are too many processes");
        return NONE;
    }
    if (!keeper_socket_pair(ends)) {
        (void)errinfo_set(info, ERR_SYSTEM, "no link to the new process: %m");
        return NONE;
    }
    (void)snprintf(link_setting, sizeof link_setting, "%s=%d", KEEPER_VARIABLE, ends[1]);
    (void)snprintf(handover_setting, sizeof handover_setting, "%s=%d", HANDOVER_VARIABLE, handover);
    (void)bytes_copy(fds, sizeof fds, slice_of(given->fds, given->count * sizeof *fds));
    fds[given->count] = ends[1];
    const struct program_start_options options = {.argv = argv,
                                                  .added = added,
                                                  .removed = kept_back,
                                                  .fds = fds,
                                                  .fd_count = given->count + 1,
                                                  .is_self = keeper->current == NONE};
    struct child *child = &keeper->children[at];
    keeper_holder_init(&child->holder, options.is_self ? "/proc/self/exe" : keeper->program.path);
    const enum err error = program_start(&keeper->program, &options, &child->pid, info);
    (void)close(ends[1]);
    if (error == ERR_OK) {
        child->fd = ends[0];
        return at;
    }
    (void)close(ends[0]);
    keeper_holder_deinit(&child->holder);
    child->pid = 0;
    return NONE;
}

// ---- what they say ------------------------------------------------------------------------------

static void tell(const struct child *child, const struct keeper_message *message)
{
    if (child->fd >= 0 && !keeper_socket_send(child->fd, message, -1) && errno != EPIPE)
        log_warning(LOG_KEEPER, "the keeper cannot speak to process %d: %m", (int)child->pid);
}

// take_start counts a start, if it is not too often that one is asked for. ERR_LIMIT with a sentence.
static enum err take_start(struct starts *starts, struct errinfo *info)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec - starts->since_s >= START_SPAN_S)
        *starts = (struct starts){.since_s = now.tv_sec};
    if (starts->count == STARTS_MAX)
        return errinfo_set(info, ERR_LIMIT,
                           "there were %d within %d s already; try again in a minute",
                           (int)STARTS_MAX, (int)START_SPAN_S);
    starts->count++;
    return ERR_OK;
}

// start_next has another version take the place of the one that serves. `handover` is closed by the caller.
static void start_next(struct keeper *keeper, size_t by, int handover)
{
    const struct given given = {.fds = {handover}, .count = 1};
    struct keeper_message answer = {.kind = KEEPER_NOT_STARTED};
    struct errinfo info = {.text = "only the process that serves can be followed by one"};
    size_t next = NONE;
    const bool may_follow = by == keeper->current && keeper->next == NONE;
    if (may_follow && take_start(&keeper->versions, &info) == ERR_OK)
        next = start_child(keeper, &given, handover, &info);
    if (next == NONE) {
        (void)snprintf(answer.text, sizeof answer.text, "%.*s", (int)sizeof answer.text - 1,
                       info.text);
    } else {
        keeper->next = next;
        answer.kind = KEEPER_STARTED;
        answer.pid = keeper->children[next].pid;
    }
    tell(&keeper->children[by], &answer);
}

// complain says that a child asks for what it does not get, as often as somebody may want to know.
static void complain(struct child *child, const struct errinfo *info)
{
    if (child->complaints >= COMPLAINTS_MAX)
        return;
    child->complaints++;
    log_warning(LOG_KEEPER, "the keeper does not do what process %d asks for: %s%s",
                (int)child->pid, info->text,
                child->complaints < COMPLAINTS_MAX ? "" : "; no more is said of it");
}

// start_holder starts a holder of keys for a version. Where that fails the version sees the end of its socket. Each one after the
// first is noted here, for the process that asks may be somebody else's by now.
static void start_holder(struct keeper *keeper, size_t by, int beside)
{
    struct child *child = &keeper->children[by];
    struct errinfo info = {.text = "no socket came with the request"};
    if (keeper->history_fd < 0)
        keeper->history_fd = keeper_holder_make_history();
    if (beside < 0 || take_start(&child->holders, &info) != ERR_OK)
        complain(child, &info);
    else if (keeper_holder_start(&child->holder, beside, keeper->history_fd, &info) != ERR_OK)
        log_error(LOG_KEEPER, "no key holder for process %d: %s", (int)child->pid, info.text);
    else if (child->holder.is_settled)
        log_warning(LOG_KEEPER, "process %d has asked for another key holder: process %d",
                    (int)child->pid, (int)child->holder.pid);
}

static size_t find_child(const struct keeper *keeper, int64_t pid)
{
    size_t at = 0;
    while (at < CHILDREN_MAX && (pid <= 0 || keeper->children[at].pid != pid))
        at++;
    return at;
}

// may_signal tells whether one of ours may give a signal to another one. Who serves may end the others. Who has served may
// pass on what came for who serves.
static bool may_signal(const struct keeper *keeper, size_t by, size_t to, int64_t number)
{
    static const int passed_on[] = {SIGUSR1, SIGHUP, SIGTERM, SIGINT};
    if (to == NONE || to == by)
        return false;
    if (number == SIGKILL)
        return by == keeper->current;
    for (size_t i = 0; i < sizeof passed_on / sizeof *passed_on; i++) {
        if (number == passed_on[i])
            return to == keeper->current || to == keeper->next;
    }
    return false;
}

static void take_serving(struct keeper *keeper, size_t by, bool is_json)
{
    if (by != keeper->current && by != keeper->next)
        return;
    if (by == keeper->next)
        keeper->next = NONE;
    keeper->current = by;
    log_configure(&(struct log_options){.level = LOG_LEVEL_INFO,
                                        .format = is_json ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT});
}

static void obey(struct keeper *keeper, size_t by, const struct keeper_message *message, int beside)
{
    switch (message->kind) {
    case KEEPER_SERVING:
        keeper_holder_settle(&keeper->children[by].holder); // an older version does not say so
        take_serving(keeper, by, message->number == 1);
        break;
    case KEEPER_NOTIFY:
        if (by == keeper->current)
            notify_send(message->text);
        break;
    case KEEPER_START:
        start_next(keeper, by, beside);
        break;
    case KEEPER_SIGNAL: {
        const size_t to = find_child(keeper, message->pid);
        if (may_signal(keeper, by, to, message->number))
            (void)kill(keeper->children[to].pid, (int)message->number);
        break;
    }
    case KEEPER_HOLD:
        start_holder(keeper, by, beside);
        break;
    case KEEPER_SETTLED:
        keeper_holder_settle(&keeper->children[by].holder);
        break;
    case KEEPER_STARTED:
    case KEEPER_NOT_STARTED:
    case KEEPER_ENDED:
    case KEEPER_KIND_COUNT:
        break; // ours
    }
}

// hear takes what a child has said.
static void hear(struct keeper *keeper, size_t at)
{
    struct child *child = &keeper->children[at];
    struct keeper_message message;
    struct errinfo info;
    for (size_t i = 0; i < HEAR_BATCH && child->fd >= 0; i++) {
        int beside = -1;
        const enum err error = keeper_socket_receive(child->fd, &message, &beside, &info);
        if (error == ERR_AGAIN)
            return;
        if (error == ERR_OK) {
            obey(keeper, at, &message, beside);
        } else if (error == ERR_INPUT) {
            complain(child, &info);
        } else {
            (void)close(child->fd);
            child->fd = -1;
        }
        if (beside >= 0)
            keeper_socket_discard(beside);
    }
}

// ---- how they end -------------------------------------------------------------------------------

static void finish(struct keeper *keeper, int status)
{
    keeper->is_over = true;
    keeper->exit_status =
        WIFSIGNALED(status) ? EXIT_BY_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);
}

// note_end is told that a child has ended.
static void note_end(struct keeper *keeper, size_t at, int status)
{
    const struct keeper_message ended = {
        .kind = KEEPER_ENDED, .pid = keeper->children[at].pid, .number = status};
    hear(keeper, at); // its last words
    if (keeper->children[at].fd >= 0)
        (void)close(keeper->children[at].fd);
    keeper_holder_deinit(&keeper->children[at].holder);
    keeper->children[at] = (struct child){.fd = -1, .holder = {.program_fd = -1, .notes_fd = -1}};
    if (at == keeper->next) {
        keeper->next = NONE;
        if (keeper->current != NONE)
            tell(&keeper->children[keeper->current], &ended);
        else
            finish(keeper, keeper->last_status);
    } else if (at == keeper->current) {
        keeper->current = NONE;
        keeper->last_status = status;
        if (WIFSIGNALED(status))
            log_error(LOG_KEEPER,
                      "the process that served, %" PRId64 ", was ended by signal %d (%s)",
                      ended.pid, WTERMSIG(status), strsignal(WTERMSIG(status)));
        if (keeper->next == NONE) // else it is about to serve, or about to end: it knows
            finish(keeper, status);
    }
}

// reap takes leave of all that have ended; as the first process of a container also of strangers.
static void reap(struct keeper *keeper)
{
    int status = 0;
    for (pid_t pid = 0; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        const size_t at = find_child(keeper, pid);
        for (size_t i = 0; i < CHILDREN_MAX; i++)
            (void)keeper_holder_note_end(&keeper->children[i].holder, pid);
        if (at != NONE)
            note_end(keeper, at, status);
    }
}

// ---- the loop -----------------------------------------------------------------------------------

// forward passes a signal on. What a terminal sends goes to all processes anyway.
static void forward(const struct keeper *keeper, const struct signalfd_siginfo *info)
{
    const size_t to = keeper->current != NONE ? keeper->current : keeper->next;
    if (to != NONE && info->ssi_code != SI_KERNEL)
        (void)kill(keeper->children[to].pid, (int)info->ssi_signo);
}

static void take_signals(struct keeper *keeper, int fd)
{
    struct signalfd_siginfo info;
    while (read(fd, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGCHLD)
            reap(keeper);
        else
            forward(keeper, &info);
    }
}

static void wait_and_act(struct keeper *keeper, int signal_fd)
{
    struct pollfd polled[CHILDREN_MAX + 1];
    for (size_t i = 0; i < CHILDREN_MAX; i++)
        polled[i] = (struct pollfd){.fd = keeper->children[i].fd, .events = POLLIN};
    polled[CHILDREN_MAX] = (struct pollfd){.fd = signal_fd, .events = POLLIN};
    if (poll(polled, CHILDREN_MAX + 1, -1) < 0)
        return; // interrupted
    for (size_t i = 0; i < CHILDREN_MAX; i++) {
        if (polled[i].revents != 0)
            hear(keeper, i);
    }
    take_signals(keeper, signal_fd);
}

// open_signals blocks all signals that are read from a descriptor, and gives it. A write that fails returns an error. -1 with errno
// set.
static int open_signals(void)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGCHLD);
    for (size_t i = 0; i < sizeof forwarded / sizeof *forwarded; i++)
        (void)sigaddset(&set, forwarded[i]);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)signal(
        SIGCHLD,
        SIG_DFL); // where it is ignored, who has started this may have done so, no end is told
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

int keeper_run(const char *config_path)
{
    struct keeper keeper = {
        .config_path = config_path, .current = NONE, .next = NONE, .history_fd = -1};
    struct errinfo info;
    struct given given;
    for (size_t i = 0; i < CHILDREN_MAX; i++)
        keeper.children[i] = (struct child){.fd = -1, .holder = {.program_fd = -1, .notes_fd = -1}};
    program_note(&keeper.program);
    (void)limits_apply();
    find_given(&given);
    if (rights_shrink_keeper(&info) != ERR_OK || keeper_calls_restrict(&info) != ERR_OK) {
        log_error(LOG_START_FAILED, "%s", info.text);
        return EXIT_FAILED;
    }
    const int signal_fd = open_signals();
    if (signal_fd < 0) {
        log_error(LOG_START_FAILED, "cannot receive signals: %m");
        return EXIT_FAILED;
    }
    keeper.current = start_child(&keeper, &given, -1, &info);
    give_away(&given);
    if (keeper.current == NONE) {
        log_error(LOG_START_FAILED, "%s", info.text);
        return EXIT_FAILED;
    }
    while (!keeper.is_over)
        wait_and_act(&keeper, signal_fd);
    (void)close(signal_fd);
    if (keeper.history_fd >= 0)
        (void)close(keeper.history_fd);
    return keeper.exit_status;
}
