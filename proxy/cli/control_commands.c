// The commands that send one line to the running proxy and print its answer.
#include "proxy/cli/commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "auth/base/text.h"
#include "proxy/admin/control_request.h"
#include "proxy/cli/control_client.h"
#include "proxy/cli/fleet_view.h"
#include "proxy/cli/status.h"

#define FLEET_HELP                                                                                 \
    "      --fleet            all proxies that share a store (`shared`), this one last\n"          \
    "      --on INSTANCE      the one whose instance begins so; see `status --fleet`\n"

static const char status_usage[] =
    "usage: sallyport status (-c FILE | --control SOCKET) [--fleet] [--json]\n"
    "\n"
    "Shows the state of the running proxy: configuration and reloads, listeners, sessions and tunnels,\n"
    "clients, certificates and CRLs with the days left, blocks, the audit log. What needs attention is\n"
    "marked with `!`.\n"
    "\n" CONTROL_OPTIONS_HELP
    "      --fleet            the proxies that share a store (`shared`) instead, as they say themselves\n"
    "      --json             one object of JSON; see docs/CONTROL.md\n"
    "  -h, --help             this text\n"
    "\n"
    "Exit: 0 done, 1 refused, or the store does not answer (--fleet), 2 usage, 3 FILE has no control socket, 4 there is no proxy.\n";

static const char reload_usage[] =
    "usage: sallyport reload (-c FILE | --control SOCKET) [--json]\n"
    "\n"
    "Makes the running proxy read its configuration, and everything that it names, again. It takes\n"
    "effect as a whole, or not at all; the command waits for it and says what is wrong.\n"
    "\n" CONTROL_OPTIONS_HELP "      --json             one object of JSON; see docs/CONTROL.md\n"
    "  -h, --help             this text\n"
    "\n"
    "Exit: 0 in force, 1 it is stopping, 2 usage, 3 it cannot be loaded, and the old one stays in\n"
    "force, 4 there is no proxy.\n";

#define OPTIONS_HELP                                                                               \
    "  NAME                   a client of the configuration\n"                                     \
    "  sha256:HEX             a certificate by its digest (client.sha256 in the audit)\n"          \
    "      --issuer DN        a certificate by its issuer (RFC 4514) and\n"                        \
    "      --serial HEX       its serial\n" CONTROL_OPTIONS_HELP                                   \
    "  -h, --help             this text\n"

static const char block_usage[] =
    "usage: sallyport block (-c FILE | --control SOCKET) [--force] (NAME | sha256:HEX |\n"
    "                       --issuer DN --serial HEX)\n"
    "\n"
    "From now on the client, or every client with the certificate anywhere in its chain, is refused: new\n"
    "connections, resumptions and requests. Its live tunnels end within a second. The reason is\n"
    "`blocked`. Blocks survive reloads and restarts, until `unblock`. With `shared` they hold on every\n"
    "proxy of the fleet.\n"
    "\n" OPTIONS_HELP "      --force            block a NAME that no client has today\n"
    "\n"
    "Exit: 0 blocked, 1 not blocked, or only until the next restart, or on this proxy alone since the others of its\n"
    "fleet do not hear of it now (it says which), 2 usage, 3 FILE has no control socket, 4 there is no proxy.\n";

static const char unblock_usage[] =
    "usage: sallyport unblock (-c FILE | --control SOCKET) (NAME | sha256:HEX |\n"
    "                         --issuer DN --serial HEX)\n"
    "\n"
    "Undoes `sallyport block`, with `shared` on every proxy of the fleet. `sallyport status` lists the blocks.\n"
    "\n" OPTIONS_HELP "\n"
    "Exit: 0 not blocked any more, 1 it was not blocked, or will be again after a restart, or is not on this proxy alone\n"
    "since the others of its fleet do not hear of it now (it says which), 2 usage, 3 FILE has no control socket,\n"
    "4 there is no proxy.\n";

static const char kill_usage[] =
    "usage: sallyport kill (-c FILE | --control SOCKET) [--fleet | --on INSTANCE]\n"
    "                      (ID | session:ID | client:NAME) [--json]\n"
    "\n"
    "Ends the request or tunnel with this id (as in answers, the audit log and `top`), or a connection\n"
    "with all that is on it, or all requests and tunnels that a client has now, with the reason `killed`.\n"
    "The client may come again; to prevent that, use `sallyport block`.\n"
    "\n" CONTROL_OPTIONS_HELP FLEET_HELP
    "      --json             one object of JSON; see docs/CONTROL.md\n"
    "  -h, --help             this text\n"
    "\n"
    "Exit: 0 done, 1 nothing has this id, or nobody this name, or not all have done it, 2 usage, 3 FILE has no control socket,\n"
    "4 there is no proxy.\n";

static const char drain_usage[] =
    "usage: sallyport drain (-c FILE | --control SOCKET) [--fleet | --on INSTANCE] [--wait]\n"
    "                       [--lame-duck TIME]\n"
    "\n"
    "Makes the running proxy accept nothing more, wait at most timeouts.drain for live tunnels to end,\n"
    "and then exit, as SIGTERM does. Returns at once; `status` works until the end.\n"
    "\n" CONTROL_OPTIONS_HELP FLEET_HELP
    "      --wait             return when the proxy has ended\n"
    "      --lame-duck TIME   go on for so long first (1ms to 1h), but say that the proxy is not ready\n"
    "                         (/readyz), so that a balancer sends nobody any more\n"
    "  -h, --help             this text\n"
    "\n"
    "Exit: 0 it drains, or has (--wait), 1 refused, or something had to be cut (--wait), 2 usage,\n"
    "3 FILE has no control socket, 4 there is no proxy.\n";

static const char upgrade_usage[] =
    "usage: sallyport upgrade (-c FILE | --control SOCKET) [--wait TIME]\n"
    "\n"
    "Starts what the file of the running program is by now, with the configuration as it is by now, and\n"
    "hands over to it: no connection is refused, no tunnel ends. Returns when the new process serves,\n"
    "and the old one accepts nothing more and goes by the same configuration. If it cannot read that it\n"
    "drains. Otherwise it goes on with its tunnels until the last has ended. When the new process cannot\n"
    "be started, ends, or does not serve in time, the old one goes on as before, and this says why.\n"
    "\n" CONTROL_OPTIONS_HELP
    "      --wait TIME        how long it may take, 1ms to 1h (default: 60s)\n"
    "  -h, --help             this text\n"
    "\n"
    "Exit: 0 the new process serves, 1 the old one goes on, 2 usage, 3 FILE has no control socket,\n"
    "4 there is no proxy.\n";

// add_blocked adds the client or the certificate to be blocked. False: the arguments do not say which.
static bool add_blocked(const struct control_options *options, const struct cli_line *line,
                        struct text *request)
{
    text_append_string(request, options->is_forced ? " force " : " ");
    const bool has_certificate = options->issuer != NULL && options->serial != NULL;
    const bool has_part = options->issuer != NULL || options->serial != NULL;
    if (has_certificate && line->argument_count == 0) {
        text_append_format(request, "serial:%s issuer:%s", options->serial, options->issuer);
        return true;
    }
    if (has_part || line->argument_count != 1)
        return false;
    const struct slice word = slice_of_string(line->arguments[0]);
    if (slice_find(word, ':') == word.len)
        text_append_string(request, "client:");
    text_append(request, word);
    return true;
}

// has_kind tells whether the argument says itself what it names, as a line of the protocol does.
static bool has_kind(const char *argument)
{
    const struct slice who = slice_of_string(argument);
    return slice_starts_with(who, SLICE_LITERAL("client:")) ||
           slice_starts_with(who, SLICE_LITERAL("session:")) ||
           slice_starts_with(who, SLICE_LITERAL("id:"));
}

// add_killed adds the request or the client to be killed. False: the arguments do not say which.
static bool add_killed(const struct control_options *options, const struct cli_line *line,
                       struct text *request)
{
    (void)options;
    if (line->argument_count == 1)
        text_append_format(request, " %s%s",
                           has_kind(line->arguments[0]) ? "" : "id:", line->arguments[0]);
    else if (line->argument_count == 2 && strcmp(line->arguments[0], "client") == 0)
        text_append_format(request, " client:%s", line->arguments[1]);
    else
        return false;
    return true;
}

// add_drain adds how to drain.
static bool add_drain(const struct control_options *options, const struct cli_line *line,
                      struct text *request)
{
    (void)line;
    if (options->is_waiting)
        text_append_string(request, " wait");
    if (options->lame_duck_ms != 0)
        text_append_format(request, " lame_duck:%" PRId64 "ms", options->lame_duck_ms);
    return true;
}

// add_patience adds how long the new process may take, unless it is the usual time.
static bool add_patience(const struct control_options *options, const struct cli_line *line,
                         struct text *request)
{
    (void)line;
    if (options->wait_ms != 0)
        text_append_format(request, " %" PRId64, options->wait_ms);
    return true;
}

// print_findings writes each as a compiler does.
static void print_findings(void *arg, const json_t *root)
{
    size_t i = 0;
    json_t *found = NULL;
    (void)arg;
    json_array_foreach(json_object_get(root, "findings"), i, found)
    {
        char place[48] = "";
        if (member_number(found, "line") > 0)
            (void)snprintf(place, sizeof place, ":%lld:%lld", member_number(found, "line"),
                           member_number(found, "column"));
        cli_line("%s%s: %s: %s", member_text(found, "file"), place, member_text(found, "severity"),
                 member_text(found, "message"));
        if (member_text(found, "hint")[0] != '\0')
            cli_line("    hint: %s", member_text(found, "hint"));
    }
}

#define WHOM "whom? give NAME, sha256:HEX, or --issuer DN and --serial HEX"

static const struct row {
    const char *name; // of the command and of the request
    const char *usage;
    unsigned takes; // of enum control_takes
    int argument_max;
    bool (*add)(const struct control_options *options, const struct cli_line *line,
                struct text *request); // adds what the request is about; NULL: nothing
    const char *missing;               // what is said when it cannot
    bool is_silent;                    // the answer's message is printed only when it failed
    control_line_fn print;             // prints the answer; NULL: its message is all
} ROWS[] = {
    {"status", .usage = status_usage, .takes = CONTROL_TAKES_JSON | CONTROL_TAKES_FLEET,
     .is_silent = true, .print = status_print},
    {"reload", .usage = reload_usage, .takes = CONTROL_TAKES_JSON, .print = print_findings},
    {"block", .usage = block_usage, .takes = CONTROL_TAKES_CERTIFICATE | CONTROL_TAKES_FORCE,
     .argument_max = 1, .add = add_blocked, .missing = WHOM},
    {"unblock", .usage = unblock_usage, .takes = CONTROL_TAKES_CERTIFICATE, .argument_max = 1,
     .add = add_blocked, .missing = WHOM},
    {"kill", .usage = kill_usage,
     .takes = CONTROL_TAKES_JSON | CONTROL_TAKES_FLEET | CONTROL_TAKES_ON, .argument_max = 2,
     .add = add_killed, .missing = "what? give an ID, session:ID, or client:NAME"},
    {"drain", .usage = drain_usage,
     .takes = CONTROL_TAKES_DRAIN | CONTROL_TAKES_FLEET | CONTROL_TAKES_ON, .add = add_drain},
    {"upgrade", .usage = upgrade_usage, .takes = CONTROL_TAKES_WAIT, .add = add_patience},
};

int control_command(int argc, char **argv)
{
    struct control_options options;
    struct text request;
    char data[CONTROL_LINE_MAX + 1];
    const struct row *row = ROWS;
    while (strcmp(row->name, argv[0]) != 0)
        row++;
    const struct cli_line line =
        control_options_read(row->usage, row->takes, row->argument_max, argc, argv, &options);
    if (line.is_over)
        return line.exit_status;
    text_init(&request, data, sizeof data);
    text_append_string(&request, row->name);
    if (options.is_fleet && options.on != NULL)
        return cli_fail_usage(row->name, "--fleet or --on, not both");
    if (options.is_fleet)
        text_append_string(&request, " fleet");
    if (options.on != NULL)
        text_append_format(&request, " on:%s", options.on);
    if (row->add != NULL && !row->add(&options, &line, &request))
        return cli_fail_usage(row->name, "%s", row->missing);
    if (request.is_cut)
        return cli_fail_usage(row->name, "that is too long");
    const bool has_answers = options.is_fleet || options.on != NULL;
    return control_ask(&options, data, !row->is_silent, has_answers ? fleet_view_print : row->print,
                       NULL);
}
