// The answer as a table for people. What needs attention stands first, marked with `!`.
#include "proxy/cli/commands.h"

#include <stdio.h>
#include <string.h>

#include "auth/base/text.h"
#include "proxy/admin/control_request.h"
#include "proxy/cli/control_client.h"

static const char status_usage[] =
    "usage: sallyport status (-c FILE | --control SOCKET) [--json]\n"
    "\n"
    "Shows the state of the running proxy: configuration and reloads, listeners, sessions and tunnels,\n"
    "clients, certificates and CRLs with the days left, blocks, the audit log. What needs attention is\n"
    "marked with `!`.\n"
    "\n" CONTROL_OPTIONS_HELP "      --json             one object of JSON; see docs/CONTROL.md\n"
    "  -h, --help             this text\n"
    "\n"
    "Exit: 0 done, 1 refused, 2 usage, 3 FILE has no control socket, 4 there is no proxy.\n";

static const char top_usage[] =
    "usage: sallyport top (-c FILE | --control SOCKET) [--count N] [--json]\n"
    "\n"
    "Lists the live tunnels that have moved the most bytes.\n"
    "\n" CONTROL_OPTIONS_HELP "      --count N          how many, 1 to 1000 (default: 20)\n"
    "      --json             one object of JSON; see docs/CONTROL.md\n"
    "  -h, --help             this text\n"
    "\n"
    "Exit: 0 done, 1 refused, 2 usage, 3 FILE has no control socket, 4 there is no proxy.\n";

static bool is_true(const struct node *map, const char *key)
{
    return strcmp(node_text(map, key), "true") == 0;
}

static const struct node *first_of(const struct node *map, const char *key)
{
    const struct node *list = node_get(map, key);
    return list == NULL ? NULL : list->child;
}

// print_warning ends a line with a member `warning`, if it says something.
static void print_warning(const struct node *map)
{
    if (node_is_null(map, "warning"))
        (void)printf("\n");
    else
        (void)printf("  ! %s\n", node_text(map, "warning"));
}

static void print_reload(const struct node *root)
{
    const struct node *reloads = node_get(root, "reloads");
    const struct node *last = node_get(reloads, "last");
    if (last == NULL || last->kind != NODE_MAP) {
        (void)printf("reloads      none\n");
        return;
    }
    (void)printf("reloads      %lld good, %lld failed; the last one at %s%s\n             %s\n",
                 node_number(reloads, "good"), node_number(reloads, "failed"),
                 node_text(last, "at"), is_true(last, "good") ? "" : "  ! failed",
                 node_text(last, "message"));
    if (!node_is_null(reloads, "failing_since"))
        (void)printf("             ! what is on the disk is refused since %s\n",
                     node_text(reloads, "failing_since"));
}

static void print_process(const struct node *root)
{
    const struct node *config = node_get(root, "config");
    const long long up_s = node_number(root, "uptime_s");
    const bool is_draining = !node_is_null(root, "draining_since");
    (void)printf("sallyport %s, pid %s, %s%s%s for %lldd %02lld:%02lld:%02lld\n",
                 node_text(root, "version"), node_text(root, "pid"), node_text(root, "state"),
                 is_draining ? " since " : "", is_draining ? node_text(root, "draining_since") : "",
                 up_s / 86400, up_s / 3600 % 24, up_s / 60 % 60, up_s % 60);
    (void)printf("config       %s (%s), generation %s, since %s\n", node_text(config, "path"),
                 node_text(config, "id"), node_text(config, "generation"),
                 node_text(config, "since"));
    print_reload(root);
    for (const struct node *at = first_of(root, "listeners"); at != NULL; at = at->next)
        (void)printf("listener     %s on %s, trust %s\n", node_text(at, "name"),
                     node_text(at, "address"), node_text(at, "trust"));
}

// print_numbers writes `name n, name n, ...` of a map.
static void print_numbers(const char *what, const struct node *map)
{
    (void)printf("%-12s", what);
    for (const struct node *at = map == NULL ? NULL : map->child; at != NULL; at = at->next)
        (void)printf("%s %s %s", at == map->child ? "" : ",", (const char *)at->key->text.data,
                     (const char *)at->text.data);
    (void)printf("\n");
}

static void print_clients(const struct node *root)
{
    for (const struct node *at = first_of(root, "clients"); at != NULL; at = at->next)
        (void)printf("client       %s: tunnels %s, sessions %s\n", node_text(at, "name"),
                     node_text(at, "tunnels"), node_text(at, "sessions"));
    if (node_number(root, "clients_not_listed") > 0)
        (void)printf("             and %s more clients\n", node_text(root, "clients_not_listed"));
    if (node_number(root, "sessions_of_no_client") > 0)
        (void)printf("client       (none fits): sessions %s\n",
                     node_text(root, "sessions_of_no_client"));
}

static void print_trust(const struct node *root)
{
    for (const struct node *at = first_of(root, "certificates"); at != NULL; at = at->next) {
        (void)printf("certificate  %s of %s: %s, %s days left", node_text(at, "kind"),
                     node_text(at, "of"), node_text(at, "subject"), node_text(at, "days_left"));
        print_warning(at);
    }
    for (const struct node *at = first_of(root, "crls"); at != NULL; at = at->next) {
        (void)printf("crl          of %s: %s, number %s, %s entries, %s days left",
                     node_text(at, "of"), node_text(at, "issuer"), node_text(at, "number"),
                     node_text(at, "entries"), node_text(at, "days_left"));
        print_warning(at);
    }
}

static void print_blocks(const struct node *root)
{
    const struct node *control = node_get(root, "control");
    for (const struct node *at = first_of(root, "blocks"); at != NULL; at = at->next) {
        (void)printf("block        %s since %s by uid %s", node_text(at, "block"),
                     node_text(at, "since"), node_text(at, "uid"));
        print_warning(at);
    }
    if (node_number(root, "blocks_not_listed") > 0)
        (void)printf("             and %s more blocks\n", node_text(root, "blocks_not_listed"));
    if (!node_is_null(control, "problem"))
        (void)printf("state        ! blocks hold only until the next restart: %s\n",
                     node_text(control, "problem"));
}

static void print_status(void *arg, struct slice line, const struct node *root)
{
    (void)arg;
    (void)line;
    const struct node *audit = node_get(root, "audit");
    print_process(root);
    print_numbers("sessions", node_get(root, "sessions"));
    print_numbers("requests", node_get(root, "requests"));
    print_numbers("counters", node_get(root, "counters"));
    print_numbers("limits", node_get(root, "limits"));
    print_clients(root);
    print_trust(root);
    print_blocks(root);
    (void)printf("audit        %s, %s waiting, %s lost%s%s%s%s\n", node_text(audit, "path"),
                 node_text(audit, "queued"), node_text(audit, "lost"),
                 is_true(audit, "failing") ? "  ! cannot be written" : "",
                 is_true(audit, "full") && !is_true(audit, "failing") ? "  ! full" : "",
                 node_number(audit, "lost") > 0 ? "  ! records are missing" : "",
                 node_number(audit, "removed") > 0 ? "  ! the file was removed" : "");
}

static void print_top(void *arg, struct slice line, const struct node *root)
{
    (void)arg;
    (void)line;
    (void)printf("%s tunnels open\n", node_text(root, "open"));
    if (first_of(root, "tunnels") != NULL)
        (void)printf("%-16s %15s %15s %8s  %s\n", "ID", "UP", "DOWN", "AGE s", "CLIENT -> TARGET");
    for (const struct node *at = first_of(root, "tunnels"); at != NULL; at = at->next) {
        const struct node *bytes = node_get(at, "bytes");
        (void)printf("%-16s %15s %15s %8lld  %s (%s) -> %s:%s (%s)\n", node_text(at, "id"),
                     node_text(bytes, "up"), node_text(bytes, "down"),
                     node_number(at, "age_ms") / 1000, node_text(at, "client"),
                     node_text(at, "source"), node_text(at, "host"), node_text(at, "port"),
                     node_text(at, "upstream"));
    }
}

int status_command(int argc, char **argv)
{
    struct control_options options;
    const struct cli_line line =
        control_options_read(status_usage, CONTROL_TAKES_JSON, 0, argc, argv, &options);
    if (line.is_over)
        return line.exit_status;
    return control_ask(&options, "status", false, print_status, NULL);
}

int top_command(int argc, char **argv)
{
    struct control_options options;
    struct text request;
    char data[CONTROL_LINE_MAX + 1];
    const struct cli_line line = control_options_read(
        top_usage, CONTROL_TAKES_JSON | CONTROL_TAKES_COUNT, 0, argc, argv, &options);
    if (line.is_over)
        return line.exit_status;
    text_init(&request, data, sizeof data);
    text_append_format(&request, "top%s%s", options.count == NULL ? "" : " ",
                       options.count == NULL ? "" : options.count);
    return control_ask(&options, data, false, print_top, NULL);
}
