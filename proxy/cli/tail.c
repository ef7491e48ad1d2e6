// Prints what comes until somebody has had enough.
#include "proxy/cli/commands.h"

#include "proxy/cli/control_client.h"

static const char usage[] =
    "usage: sallyport tail (-c FILE | --control SOCKET)\n"
    "\n"
    "Prints the audit records of the running proxy as they are written, one line of JSON each, until\n"
    "it is interrupted or the proxy ends. A slow reader gets them later; none is left out.\n"
    "\n" CONTROL_OPTIONS_HELP "      --json             changes nothing: records are JSON\n"
    "  -h, --help             this text\n"
    "\n"
    "Exit: 0 interrupted, or the proxy has ended, 1 the audit cannot be followed, 2 usage, 3 FILE has\n"
    "no control socket, 4 there is no proxy.\n";

int tail_command(int argc, char **argv)
{
    struct control_options options;
    const struct cli_line line =
        control_options_read(usage, CONTROL_TAKES_JSON, 0, argc, argv, &options);
    if (line.is_over)
        return line.exit_status;
    return control_follow(&options, "tail");
}
