// `sallyport tail`: audit records as they are written.
//
// Each line is read as a record where somebody asks what is in it.
#include "proxy/cli/commands.h"

#include <stdio.h>
#include <string.h>

#include "auth/reason.h"
#include "proxy/cli/control_client.h"
#include "proxy/cli/tail_view.h"
#include "proxy/cli/terminal.h"

static const char usage[] =
    "usage: sallyport tail (-c FILE | --control SOCKET) [--client NAME] [--reason WORD] [--denied]\n"
    "                      [--json]\n"
    "\n"
    "Prints the audit records of the running proxy as they are written, until it is interrupted or the\n"
    "proxy ends. A slow reader gets them later; none is left out. On a terminal a record is a line for\n"
    "people, elsewhere a line of JSON.\n"
    "\n" CONTROL_OPTIONS_HELP
    "      --client NAME      only the requests of this client, as far as their beginning was seen\n"
    "      --reason WORD      only records with this reason; see docs/AUDIT.md\n"
    "      --denied           only what is denied: requests and handshakes\n"
    "      --json             JSON also on a terminal\n"
    "  -h, --help             this text\n"
    "\n"
    "Exit: 0 interrupted, or the proxy has ended, 1 the audit cannot be followed, 2 usage, 3 FILE has\n"
    "no control socket, 4 there is no proxy.\n";

struct tail {
    bool is_raw;      // records are printed as they are
    bool is_filtered; // some of them
    struct terminal terminal;
    struct tail_view *view; // owned
};

// is_reason tells whether records can have this word.
static bool is_reason(const char *word)
{
    for (enum reason reason = REASON_NONE; reason < REASON_COUNT; reason++) {
        if (reason != REASON_NONE && strcmp(reason_name(reason), word) == 0)
            return true;
    }
    return false;
}

static void print_raw(struct slice line)
{
    (void)printf("%.*s\n", (int)line.len, (const char *)line.data);
}

static void print_painted(const struct tail *tail, const struct history_entry *entry)
{
    struct text out = cli_text_begin();
    struct painter painter = {
        .text = &out, .columns = tail->terminal.columns, .has_colour = tail->terminal.has_colour};
    tail_view_paint(tail->view, entry, &painter);
    paint_end(&painter, "\n");
    text_flush(&out);
}

static bool on_line(void *arg, struct slice line)
{
    const struct tail *tail = arg;
    struct history_entry entry;
    struct errinfo info;
    if (tail->is_raw && !tail->is_filtered) {
        print_raw(line);
        return true;
    }
    if (history_entry_read(line, &entry, &info) != ERR_OK)
        return true; // of another version: nobody can say what it is about
    if (tail_view_wants(tail->view, &entry)) {
        if (tail->is_raw)
            print_raw(line);
        else
            print_painted(tail, &entry);
    }
    history_entry_deinit(&entry);
    return true;
}

static void on_resize(void *arg)
{
    struct tail *tail = arg;
    tail->terminal = terminal_look();
}

static int run(const struct control_options *options)
{
    const struct tail_filter filter = {
        .client = options->client, .reason = options->reason, .is_denied = options->is_denied};
    struct tail tail = {.terminal = terminal_look()};
    tail.is_raw = options->is_json || !tail.terminal.is_terminal;
    tail.is_filtered = filter.client != NULL || filter.reason != NULL || filter.is_denied;
    tail.view = tail_view_create(&filter);
    if (tail.view == NULL) {
        cli_say(options->command, "no memory");
        return CLI_FAILED;
    }
    const struct control_listener listener = {
        .on_line = on_line, .on_resize = on_resize, .arg = &tail};
    const int exit_status = control_follow(options, "tail", &listener);
    tail_view_destroy(tail.view);
    return exit_status;
}

int tail_command(int argc, char **argv)
{
    struct control_options options;
    const struct cli_line line = control_options_read(
        usage, CONTROL_TAKES_JSON | CONTROL_TAKES_CLIENT | CONTROL_TAKES_FILTER, 0, argc, argv,
        &options);
    if (line.is_over)
        return line.exit_status;
    if (options.reason != NULL && !is_reason(options.reason))
        return cli_fail_usage(argv[0],
                              "--reason: no record has the reason `%s`; docs/AUDIT.md "
                              "lists them",
                              options.reason);
    return run(&options);
}
