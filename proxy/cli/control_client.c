// One request, one answer of JSON lines, the last of which has the exit status.
#include "proxy/cli/control_client.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/admin/control_request.h"
#include "proxy/admin/control_socket.h"
#include "proxy/cli/answer.h"
#include "proxy/config/control.h"

enum {
    PATIENCE_S = 30,
    RELOAD_PATIENCE_S = 600,     // a million revoked certificates take a while
    UPGRADE_WAIT_MS = 60 * 1000, // where --wait says nothing
    PATH_CAP = 4352,
    FOLLOW_CAP = 2 * 1024 * 1024, // a thousand tunnels are less than a quarter of it
};

struct cli_line control_options_read(const char *usage, unsigned takes, int argument_max, int argc,
                                     char **argv, struct control_options *out)
{
    const struct {
        unsigned needs; // of `takes`
        struct cli_option option;
    } all[] = {
        {0, {"config", .letter = 'c', .text = &out->config_path}},
        {0, {"control", .text = &out->socket_path}},
        {CONTROL_TAKES_JSON, {"json", .flag = &out->is_json}},
        {CONTROL_TAKES_FORCE, {"force", .flag = &out->is_forced}},
        {CONTROL_TAKES_CERTIFICATE, {"issuer", .text = &out->issuer}},
        {CONTROL_TAKES_CERTIFICATE, {"serial", .text = &out->serial}},
        {CONTROL_TAKES_COUNT, {"count", .text = &out->count}},
        {CONTROL_TAKES_CLIENT, {"client", .text = &out->client}},
        {CONTROL_TAKES_LIVE, {"interval", .milliseconds = &out->interval_ms}},
        {CONTROL_TAKES_LIVE, {"once", .flag = &out->is_once}},
        {CONTROL_TAKES_FILTER, {"reason", .text = &out->reason}},
        {CONTROL_TAKES_FILTER, {"denied", .flag = &out->is_denied}},
        {CONTROL_TAKES_WAIT, {"wait", .milliseconds = &out->wait_ms}},
        {CONTROL_TAKES_FLEET, {"fleet", .flag = &out->is_fleet}},
        {CONTROL_TAKES_ON, {"on", .text = &out->on}},
        {CONTROL_TAKES_DRAIN, {"wait", .flag = &out->is_waiting}},
        {CONTROL_TAKES_DRAIN, {"lame-duck", .milliseconds = &out->lame_duck_ms}},
    };
    enum { ALL = sizeof all / sizeof *all };
    struct cli_option options[ALL + 1] = {{.name = NULL}};
    size_t count = 0;
    for (size_t i = 0; i < ALL; i++) {
        if ((all[i].needs & takes) == all[i].needs)
            options[count++] = all[i].option;
    }
    *out = (struct control_options){.command = argv[0]};
    const struct cli_syntax syntax = {
        .command = argv[0], .usage = usage, .options = options, .argument_max = argument_max};
    const struct cli_line line = cli_read(&syntax, argc, argv);
    if (line.is_over || (out->config_path == NULL) != (out->socket_path == NULL))
        return line;
    return cli_end(cli_fail_usage(argv[0], "which proxy? give -c FILE, its configuration, or "
                                           "--control SOCKET"));
}

// connect_to finds the socket and connects. ERR_INPUT: the configuration cannot be loaded, or names no socket.
static enum err connect_to(const struct control_options *options, int *out_fd, struct errinfo *info)
{
    char path[PATH_CAP];
    if (options->socket_path != NULL)
        return control_socket_connect(options->socket_path, out_fd, info);
    bool is_broken = false;
    if (control_find_socket(options->config_path, path, sizeof path, &is_broken, info) != ERR_OK)
        return ERR_INPUT;
    if (is_broken)
        cli_say(options->command,
                "%s cannot be read as a whole (`sallyport check` says why); this asks at %s",
                options->config_path, path);
    return control_socket_connect(path, out_fd, info);
}

static bool send_line(int fd, const char *request)
{
    struct slice left = slice_of_string(request);
    bool is_line_ended = false;
    while (left.len > 0 || !is_line_ended) {
        const struct slice piece = left.len > 0 ? left : SLICE_LITERAL("\n");
        const ssize_t count = send(fd, piece.data, piece.len, MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return false;
        is_line_ended = left.len == 0;
        left = slice_from(left, (size_t)count);
    }
    return true;
}

// take_line takes the next whole line off the answer.
static bool take_line(struct slice *left, struct slice *out)
{
    const size_t end = slice_find(*left, '\n');
    if (end == left->len)
        return false;
    *out = slice_first(*left, end);
    *left = slice_from(*left, end + 1);
    return true;
}

static bool is_last(struct slice line)
{
    return slice_starts_with(line, SLICE_LITERAL("{\"exit\":"));
}

// tell_outcome says what the last line has to say, and gives its exit status.
static int tell_outcome(const struct control_options *options, const json_t *root,
                        bool says_message)
{
    const json_int_t exit_status = json_integer_value(json_object_get(root, "exit"));
    if (exit_status != 0 || says_message)
        cli_say(options->command, "%s", member_text(root, "message"));
    return exit_status < 0 || exit_status > CLI_UNREACHABLE ? CLI_FAILED : (int)exit_status;
}

// tell goes through the lines. CLI_UNREACHABLE without a last one.
static int tell(const struct control_options *options, struct slice left, bool says_message,
                control_line_fn on_line, void *arg)
{
    struct slice line;
    int exit_status = CLI_UNREACHABLE;
    bool is_first = true;
    while (take_line(&left, &line)) {
        if (options->is_json && (is_first || !is_last(line)))
            (void)printf("%.*s\n", (int)line.len, (const char *)line.data);
        is_first = false;
        json_t *root = json_loadb((const char *)line.data, line.len, JSON_REJECT_DUPLICATES, NULL);
        if (root != NULL && is_last(line))
            exit_status = tell_outcome(options, root, says_message);
        else if (root != NULL && on_line != NULL && !options->is_json)
            on_line(arg, root);
        json_decref(root);
    }
    if (exit_status == CLI_UNREACHABLE)
        cli_say(options->command, "the proxy has ended the connection without a whole answer");
    return exit_status;
}

// begin connects and sends the request. CLI_OK, or an exit status that has been explained.
static int begin(const struct control_options *options, const char *request, int *out_fd)
{
    struct errinfo info;
    if (strlen(request) > CONTROL_LINE_MAX)
        return cli_fail_usage(options->command, "that is too long");
    const enum err reached = connect_to(options, out_fd, &info);
    if (reached != ERR_OK) {
        cli_say(options->command, "%s", info.text);
        return reached == ERR_INPUT ? CLI_UNLOADABLE : CLI_UNREACHABLE;
    }
    // A client that is refused need not be listened to: the answer may be there although nothing was taken.
    (void)send_line(*out_fd, request);
    return CLI_OK;
}

int64_t control_patience_s(const struct control_options *options, const char *request)
{
    const int64_t wait_ms = options->wait_ms == 0 ? UPGRADE_WAIT_MS : options->wait_ms;
    if (slice_starts_with(slice_of_string(request), SLICE_LITERAL("upgrade")))
        return (wait_ms + 999) / 1000 + PATIENCE_S;
    if (slice_starts_with(slice_of_string(request), SLICE_LITERAL("drain wait")))
        return 0; // as long as it takes
    return strcmp(request, "reload") == 0 ? RELOAD_PATIENCE_S : PATIENCE_S;
}

int control_ask(const struct control_options *options, const char *request, bool says_message,
                control_line_fn on_line, void *arg)
{
    struct answer answer = {0};
    int fd = -1;
    int exit_status = begin(options, request, &fd);
    if (exit_status != CLI_OK)
        return exit_status;
    const enum err heard = answer_hear(&answer, fd, control_patience_s(options, request) * 1000);
    (void)close(fd);
    exit_status = CLI_UNREACHABLE;
    if (heard == ERR_OK)
        exit_status = tell(options, slice_of(answer.data, answer.len), says_message, on_line, arg);
    else
        cli_say(
            options->command, "%s",
            heard == ERR_TIMEOUT
                ? "it does not answer in time; its log may say why, such as that no descriptors are left"
                : "the answer is incomplete");
    free(answer.data);
    const int written = cli_finish(options->command);
    return exit_status == CLI_OK ? written : exit_status;
}

// end_listening ends what the listener has begun, before anything else is said. It may come twice.
static void end_listening(const struct control_listener *listener)
{
    if (listener->on_end != NULL)
        listener->on_end(listener->arg);
}

// take_lines tells of the whole lines of what has come but the last, keeps the rest, and tells of the last. False: it is
// over, with `*out_status`.
static bool take_lines(const struct control_options *options,
                       const struct control_listener *listener, struct answer *answer,
                       int *out_status)
{
    struct slice left = slice_of(answer->data, answer->len);
    struct slice line;
    while (take_line(&left, &line)) {
        if (is_last(line)) {
            end_listening(listener);
            *out_status = tell(options, slice_of(line.data, line.len + 1), false, NULL, NULL);
            return false;
        }
        if (!listener->on_line(listener->arg, line))
            return false;
    }
    for (size_t i = 0; i < left.len; i++)
        answer->data[i] = (char)left.data[i];
    answer->len = left.len;
    return true;
}

// hear_more reads what has come, and tells of it. False: it is over, with `*out_status`.
static bool hear_more(const struct control_options *options,
                      const struct control_listener *listener, int fd, struct answer *answer,
                      int *out_status)
{
    const ssize_t count = recv(fd, answer->data + answer->len, answer->cap - answer->len, 0);
    if (count > 0) {
        answer->len += (size_t)count;
        if (!take_lines(options, listener, answer, out_status) || fflush(stdout) != 0)
            return false;
        if (answer->len < answer->cap)
            return true;
    }
    end_listening(listener);
    cli_say(options->command, "%s",
            count > 0 ? "a line of the answer is too long" : "the proxy has ended the connection");
    *out_status = count > 0 ? CLI_FAILED : CLI_UNREACHABLE;
    return false;
}

// take_signal tells whether to go on after a signal.
static bool take_signal(const struct control_listener *listener, int signals)
{
    struct signalfd_siginfo info;
    if (read(signals, &info, sizeof info) != sizeof info || info.ssi_signo != SIGWINCH)
        return false;
    if (listener->on_resize != NULL)
        listener->on_resize(listener->arg);
    return fflush(stdout) == 0;
}

// take_key tells whether to go on after what stdin has brought.
static bool take_key(const struct control_listener *listener, int *fd)
{
    char key = '\0';
    if (read(*fd, &key, 1) == 1)
        return listener->on_key(listener->arg, key);
    *fd = -1; // no more of them
    return true;
}

// follow goes on until the end. A reader that closes our stdout wants no more.
static int follow(const struct control_options *options, const struct control_listener *listener,
                  int fd, int signals)
{
    struct answer answer = {.data = malloc(FOLLOW_CAP), .cap = FOLLOW_CAP};
    struct pollfd events[3] = {
        {.fd = fd, .events = POLLIN},
        {.fd = signals, .events = POLLIN},
        {.fd = listener->on_key == NULL ? -1 : STDIN_FILENO, .events = POLLIN}};
    int exit_status = answer.data == NULL || signals < 0 ? CLI_FAILED : CLI_OK;
    bool goes_on = exit_status == CLI_OK;
    while (goes_on) {
        if (poll(events, 3, -1) < 0)
            continue; // no signal that counts
        if (events[1].revents != 0)
            goes_on = take_signal(listener, signals);
        if (goes_on && events[2].revents != 0)
            goes_on = take_key(listener, &events[2].fd);
        if (goes_on && events[0].revents != 0)
            goes_on = hear_more(options, listener, fd, &answer, &exit_status);
    }
    free(answer.data);
    return exit_status;
}

int control_follow(const struct control_options *options, const char *request,
                   const struct control_listener *listener)
{
    static const int ours[] = {SIGINT, SIGTERM, SIGHUP, SIGWINCH};
    int fd = -1;
    sigset_t set;
    (void)sigemptyset(&set);
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        (void)sigaddset(&set, ours[i]);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    int exit_status = begin(options, request, &fd);
    if (exit_status != CLI_OK)
        return exit_status;
    const int signals = signalfd(-1, &set, SFD_CLOEXEC);
    exit_status = follow(options, listener, fd, signals);
    end_listening(listener);
    (void)close(fd);
    if (signals >= 0)
        (void)close(signals);
    return exit_status;
}

const char *member_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text == NULL ? "" : text;
}

long long member_number(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}
