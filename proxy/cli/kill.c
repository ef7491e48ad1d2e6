// Turns the arguments into one line.
#include "proxy/cli/commands.h"

#include <string.h>

#include "auth/base/text.h"
#include "proxy/admin/control_request.h"
#include "proxy/cli/control_client.h"

static const char usage[] =
    "usage: sallyport kill (-c FILE | --control SOCKET) (ID | client:NAME) [--json]\n"
    "\n"
    "Ends the request or tunnel with this id (as in answers, the audit log and `top`), or all those\n"
    "that a client has now, with the reason `killed`. The client may come again; to prevent that, use\n"
    "`sallyport block`.\n"
    "\n" CONTROL_OPTIONS_HELP "      --json             one object of JSON; see docs/CONTROL.md\n"
    "  -h, --help             this text\n"
    "\n"
    "Exit: 0 done, 1 nothing has this id, or nobody this name, 2 usage, 3 FILE has no control socket,\n"
    "4 there is no proxy.\n";

// has_kind tells whether the argument says itself what it names, as a line of the protocol does.
static bool has_kind(const char *argument)
{
    const struct slice who = slice_of_string(argument);
    return slice_starts_with(who, SLICE_LITERAL("client:")) ||
           slice_starts_with(who, SLICE_LITERAL("id:"));
}

int kill_command(int argc, char **argv)
{
    struct control_options options;
    struct text request;
    char data[CONTROL_LINE_MAX + 1];
    const struct cli_line line =
        control_options_read(usage, CONTROL_TAKES_JSON, 2, argc, argv, &options);
    if (line.is_over)
        return line.exit_status;
    text_init(&request, data, sizeof data);
    if (line.argument_count == 1)
        text_append_format(&request, "kill %s%s",
                           has_kind(line.arguments[0]) ? "" : "id:", line.arguments[0]);
    else if (line.argument_count == 2 && strcmp(line.arguments[0], "client") == 0)
        text_append_format(&request, "kill client:%s", line.arguments[1]);
    else
        return cli_fail_usage(options.command, "what? give an ID, or client:NAME");
    if (request.is_cut)
        return cli_fail_usage(options.command, "that is too long");
    return control_ask(&options, data, true, NULL, NULL);
}
