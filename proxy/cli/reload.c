// Asks, and prints the findings as `check` does.
#include "proxy/cli/commands.h"

#include <stdio.h>

#include "proxy/cli/control_client.h"

static const char usage[] =
    "usage: sallyport reload (-c FILE | --control SOCKET) [--json]\n"
    "\n"
    "Makes the running proxy read its configuration, and everything that it names, again. It takes\n"
    "effect as a whole, or not at all; the command waits for it and says what is wrong.\n"
    "\n" CONTROL_OPTIONS_HELP "      --json             one object of JSON; see docs/CONTROL.md\n"
    "  -h, --help             this text\n"
    "\n"
    "Exit: 0 in force, 1 it is stopping, 2 usage, 3 it cannot be loaded, and the old one stays in\n"
    "force, 4 there is no proxy.\n";

// print_findings writes each as a compiler does.
static void print_findings(void *arg, const json_t *root)
{
    size_t i = 0;
    json_t *found = NULL;
    (void)arg;
    json_array_foreach(json_object_get(root, "findings"), i, found)
    {
        (void)fprintf(stderr, "%s", member_text(found, "file"));
        if (member_number(found, "line") > 0)
            (void)fprintf(stderr, ":%lld:%lld", member_number(found, "line"),
                          member_number(found, "column"));
        (void)fprintf(stderr, ": %s: %s\n", member_text(found, "severity"),
                      member_text(found, "message"));
        if (member_text(found, "hint")[0] != '\0')
            (void)fprintf(stderr, "    hint: %s\n", member_text(found, "hint"));
    }
}

int reload_command(int argc, char **argv)
{
    struct control_options options;
    const struct cli_line line =
        control_options_read(usage, CONTROL_TAKES_JSON, 0, argc, argv, &options);
    if (line.is_over)
        return line.exit_status;
    return control_ask(&options, "reload", true, print_findings, NULL);
}
