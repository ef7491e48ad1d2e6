// Asks; the answer comes at once.
#include "proxy/cli/commands.h"

#include "proxy/cli/control_client.h"

static const char usage[] =
    "usage: sallyport drain (-c FILE | --control SOCKET)\n"
    "\n"
    "Makes the running proxy accept nothing more, wait at most timeouts.drain for live tunnels to end,\n"
    "and then exit, as SIGTERM does. Returns at once; `status` works until the end.\n"
    "\n" CONTROL_OPTIONS_HELP "  -h, --help             this text\n"
    "\n"
    "Exit: 0 it drains, 1 refused, 2 usage, 3 FILE has no control socket, 4 there is no proxy.\n";

int drain_command(int argc, char **argv)
{
    struct control_options options;
    const struct cli_line line = control_options_read(usage, 0, 0, argc, argv, &options);
    if (line.is_over)
        return line.exit_status;
    return control_ask(&options, "drain", true, NULL, NULL);
}
