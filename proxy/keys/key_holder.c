// Each line is a loop: read what has come, answer all of it, send the answers.
//
// A thread that signs moves to the processor of the thread that asks: a request then costs two switches of context there, and
// wakes no other processor up.
#include "proxy/keys/key_holder.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "auth/ipaddr.h"
#include "proxy/cage/rights.h"
#include "proxy/clock/clock.h"
#include "proxy/keeper/keeper_holder.h"
#include "proxy/keys/key_confinement.h"
#include "proxy/keys/key_file.h"
#include "proxy/keys/key_wire.h"
#include "proxy/tls/private_key.h"

enum {
    LINES_MAX = 512,
    STACK_LEN = 256 * 1024, // bytes; of a line's thread
    HELD_US = 200,          // answers do not wait longer for those after them
};

struct key_holder {
    struct key_folders folders; // of the first thread, until they are sealed
    int notes_fd;               // where the next holder finds them, and `groups`; owned
    struct key_groups groups;   // that count; none: its own
    struct sandbox sandbox;     // that it is in
    int history_fd;             // of what was signed last; owned
    struct key_history history;
    struct key_table table;
    atomic_uint line_count;
};

struct key_service {
    struct key_holder *holder; // borrowed
    int fd;                    // owned
    bool is_first;             // it may allow folders, and open lines
    int cpu;                   // where this thread is; -1: anywhere
    struct key_inbox in;
    struct key_outbox out;
};

static void *run_line(void *arg);

// answer puts an answer behind what waits. False without memory.
static bool answer(struct key_service *service, const struct key_message *message)
{
    return key_outbox_add(&service->out, message);
}

static bool answer_outcome(struct key_service *service, const struct key_message *request,
                           enum err error, const struct errinfo *info)
{
    const struct key_message message = {
        .kind = error == ERR_OK ? KEY_ANSWER_DONE : KEY_ANSWER_FAILED,
        .number = request->number,
        .what = (uint8_t)error,
        .bytes = error == ERR_OK ? (struct slice){0} : slice_of_string(info->text),
    };
    return answer(service, &message);
}

static bool answer_signature(struct key_service *service, const struct key_message *request,
                             struct slice signature)
{
    const struct key_message message = {
        .kind = KEY_ANSWER_SIGNATURE, .number = request->number, .bytes = signature};
    return answer(service, &message);
}

// follow moves the thread to the processor of the one that asks.
static void follow(struct key_service *service, uint16_t cpu)
{
    cpu_set_t set;
    if (service->is_first || cpu == service->cpu || cpu >= CPU_SETSIZE)
        return;
    service->cpu = cpu; // also where it cannot be: it is not tried each time
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    (void)sched_setaffinity(0, sizeof set, &set);
}

static bool serve_sign(struct key_service *service, const struct key_message *request)
{
    uint8_t signature[SIGNATURE_MAX];
    size_t len = 0;
    struct errinfo info;
    follow(service, request->cpu);
    const enum err error = key_table_sign(&service->holder->table, request, signature, &len, &info);
    if (error != ERR_OK)
        return answer_outcome(service, request, error, &info);
    return answer_signature(service, request, slice_of(signature, len));
}

static bool serve_checkpoint(struct key_service *service, const struct key_message *request)
{
    char note[CHECKPOINT_CAP];
    struct text text;
    struct errinfo info;
    text_init(&text, note, sizeof note);
    const enum err error = key_table_checkpoint(&service->holder->table, request, &text, &info);
    if (error != ERR_OK)
        return answer_outcome(service, request, error, &info);
    return answer_signature(service, request, text_slice(&text));
}

static bool serve_open(struct key_service *service, const struct key_message *request)
{
    struct key_file file;
    struct key_holder *holder = service->holder;
    key_file_open(&holder->folders, &holder->table, request, &file);
    const bool is_good = answer(service, &file.answer);
    key_file_deinit(&file);
    return is_good;
}

// open_line starts a thread for the socket that came. It takes the descriptor over in any case.
static enum err open_line(struct key_holder *holder, int fd, struct errinfo *info)
{
    pthread_attr_t attributes;
    pthread_t thread;
    struct key_service *line = calloc(1, sizeof *line);
    bool is_started = false;
    if (line != NULL && atomic_fetch_add(&holder->line_count, 1) < LINES_MAX &&
        pthread_attr_init(&attributes) == 0) {
        *line = (struct key_service){.holder = holder, .fd = fd, .cpu = -1};
        (void)pthread_attr_setstacksize(&attributes, STACK_LEN);
        (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        is_started = pthread_create(&thread, &attributes, run_line, line) == 0;
        (void)pthread_attr_destroy(&attributes);
    }
    if (is_started)
        return ERR_OK;
    if (line != NULL)
        (void)atomic_fetch_sub(&holder->line_count, 1);
    (void)close(fd);
    free(line);
    return errinfo_set(info, ERR_LIMIT, "no thread for a further line");
}

// take_groups has the groups count when it is judged who can read a key. A holder of root stays root's: renewed keys may be
// anybody's.
static enum err take_groups(const struct key_holder *holder, struct errinfo *info)
{
    const struct key_groups *groups = &holder->groups;
    struct rights_user user = {.name = "of process.user"};
    if (groups->count == 0)
        return ERR_OK;
    user.gid = groups->ids[0];
    for (size_t i = 1; i < groups->count; i++)
        user.groups[user.group_count++] = groups->ids[i];
    return rights_take_groups(&user, info);
}

// seal opens no further folders from now on, and has the next holders know that.
static enum err seal(struct key_holder *holder, struct errinfo *info)
{
    if (holder->folders.is_sealed)
        return ERR_OK;
    holder->folders.is_sealed = true;
    if (!key_folders_save(&holder->folders, &holder->groups, holder->notes_fd))
        return errinfo_set(info, ERR_SYSTEM, "the folders of private keys cannot be noted: %m");
    return key_confinement_finish(&holder->sandbox, &holder->folders, info);
}

static bool serve_seal(struct key_service *service, const struct key_message *request)
{
    struct key_holder *holder = service->holder;
    struct errinfo info = {.text = "not from here"};
    const enum err error = service->is_first ? seal(holder, &info) : ERR_DENIED;
    if (error != ERR_OK)
        return answer_outcome(service, request, error, &info);
    const struct key_message message = {.kind = KEY_ANSWER_SEALED,
                                        .number = request->number,
                                        .size = (uint64_t)getpid(),
                                        .landlock = (uint8_t)holder->sandbox.landlock,
                                        .has_filter = holder->sandbox.has_filter,
                                        .bytes = slice_of_string(holder->sandbox.missing.text)};
    return answer(service, &message);
}

// serve_first answers what only the first socket may ask for.
static bool serve_first(struct key_service *service, const struct key_message *request)
{
    struct key_holder *holder = service->holder;
    struct errinfo info = {.text = "not from here, or not any more"};
    enum err error = ERR_DENIED;
    char path[KEY_PATH_MAX + 1];
    const int fd = service->in.fd;
    service->in.fd = 0;
    if (request->kind == KEY_LINE && fd > 0 && service->is_first && holder->folders.is_sealed) {
        error = open_line(holder, fd, &info);
        return answer_outcome(service, request, error, &info);
    }
    if (fd > 0)
        (void)close(fd);
    if (request->kind == KEY_ALLOW && service->is_first && !holder->folders.is_sealed) {
        (void)string_copy(path, sizeof path, request->bytes);
        error = key_folders_allow(&holder->folders, path, &info);
    } else if (request->kind == KEY_GROUPS && service->is_first && !holder->folders.is_sealed &&
               key_groups_parse(request->bytes, &holder->groups)) {
        error = take_groups(holder, &info);
    }
    return answer_outcome(service, request, error, &info);
}

// serve answers a request. False: the line is of no more use.
static bool serve(struct key_service *service, const struct key_message *request)
{
    switch (request->kind) {
    case KEY_OPEN:
        return serve_open(service, request);
    case KEY_CLOSE:
        key_table_close(&service->holder->table, request->name);
        return true;
    case KEY_SIGN:
        return serve_sign(service, request);
    case KEY_CHECKPOINT:
        return serve_checkpoint(service, request);
    case KEY_SEAL:
        return serve_seal(service, request);
    case KEY_ALLOW:
    case KEY_GROUPS:
    case KEY_LINE:
        return serve_first(service, request);
    case KEY_ANSWER_KEY:
    case KEY_ANSWER_CHAIN:
    case KEY_ANSWER_UNUSABLE:
    case KEY_ANSWER_SIGNATURE:
    case KEY_ANSWER_DONE:
    case KEY_ANSWER_FAILED:
    case KEY_ANSWER_SEALED:
    case KEY_MESSAGE_KIND_COUNT:
        break;
    }
    return false;
}

// serve_all answers what has come, and sends the answers: together, where they come in quick succession.
static bool serve_all(struct key_service *service)
{
    struct key_message request;
    enum key_parse parsed = KEY_PARSE_MORE;
    int64_t sent_us = monotonic_us();
    while ((parsed = key_inbox_take(&service->in, &request)) == KEY_PARSE_GOOD) {
        if (!serve(service, &request))
            return false;
        const int64_t now_us = monotonic_us();
        if (now_us - sent_us < HELD_US)
            continue;
        if (key_outbox_send(&service->out, service->fd) != ERR_OK)
            return false;
        sent_us = now_us;
    }
    return parsed == KEY_PARSE_MORE && key_outbox_send(&service->out, service->fd) == ERR_OK;
}

static void run(struct key_service *service)
{
    enum err error = ERR_OK;
    while (error == ERR_OK || error == ERR_AGAIN) {
        error = key_inbox_fill(&service->in, service->fd);
        if (error == ERR_OK && !serve_all(service))
            error = ERR_INPUT;
    }
    key_inbox_deinit(&service->in);
    key_outbox_deinit(&service->out);
    (void)close(service->fd);
}

static void *run_line(void *arg)
{
    struct key_service *line = arg;
    run(line);
    (void)atomic_fetch_sub(&line->holder->line_count, 1);
    free(line);
    return NULL;
}

// ignore_signals: what ends the proxy ends this process by the end of its socket, when nobody needs a signature any more.
static void ignore_signals(void)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE};
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        (void)signal(ignored[i], SIG_IGN);
}

// leave_streams gives up stdin and stdout, which whoever started the proxy may wait for.
static void leave_streams(void)
{
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return;
    (void)dup2(null, STDIN_FILENO);
    (void)dup2(null, STDOUT_FILENO);
    (void)close(null);
}

// take_descriptor takes a number up to the next colon. False: it is none of a descriptor that is open.
static bool take_descriptor(struct slice *left, int *out)
{
    const size_t len = slice_find(*left, ':');
    uint64_t fd = 0;
    if (!decimal_parse(slice_first(*left, len), INT32_MAX, &fd))
        return false;
    *left = slice_from(*left, len < left->len ? len + 1 : len);
    *out = (int)fd;
    return fcntl(*out, F_SETFD, FD_CLOEXEC) == 0;
}

// find_descriptors reads what the environment says. False: nobody has started this process as a holder.
static bool find_descriptors(struct key_holder *holder, int *out_socket)
{
    const char *text = getenv(KEY_HOLDER_VARIABLE);
    struct slice left = slice_of_string(text == NULL ? "" : text);
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    return take_descriptor(&left, out_socket) && take_descriptor(&left, &holder->notes_fd) &&
           take_descriptor(&left, &holder->history_fd) && left.len == 0 &&
           getsockname(*out_socket, (struct sockaddr *)&address, &len) == 0 &&
           address.ss_family == AF_UNIX;
}

// begin gives up what a holder never needs, before a byte is heard; all of it, where one before this one has noted the folders.
static enum err begin(struct key_holder *holder, struct errinfo *info)
{
    key_confinement_hide();
    TRY(key_confinement_begin(&holder->sandbox, info));
    TRY(key_history_open(&holder->history, holder->history_fd, info));
    if (!key_table_init(&holder->table, &holder->history))
        return errinfo_set(info, ERR_MEMORY, "no memory for private keys");
    key_folders_init(&holder->folders);
    if (!key_folders_load(&holder->folders, &holder->groups, holder->notes_fd))
        return ERR_OK;
    TRY(take_groups(holder, info));
    return key_confinement_finish(&holder->sandbox, &holder->folders, info);
}

int key_holder_run(void)
{
    struct key_holder *holder =
        calloc(1, sizeof *holder); // never freed: its threads may be there to the end
    struct key_service first = {.holder = holder, .is_first = true, .cpu = -1};
    struct errinfo info;
    if (holder == NULL || !find_descriptors(holder, &first.fd)) {
        (void)fputs("sallyport: only the proxy itself starts a key holder\n", stderr);
        return 2;
    }
    ignore_signals();
    leave_streams();
    (void)prctl(PR_SET_NAME, "sallyport-keys", 0, 0, 0);
    if (begin(holder, &info) != ERR_OK) {
        (void)fprintf(stderr, "sallyport: %s\n", info.text);
        return 1;
    }
    run(&first);
    _exit(0); // with all threads
}
