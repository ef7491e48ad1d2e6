// Asks; the answer comes at once.
#include "proxy/cli/drain.h"

#include "proxy/cli/control_client.h"

static const char usage[] =
    "usage: sallyport drain (-c FILE | --control SOCKET)\n"
    "\n"
    "Makes the running proxy accept nothing more, let the live tunnels end, for timeouts.drain at\n"
    "most, and then exit: what SIGTERM does. Says so at once; `status` works on until the end.\n"
    "\n"
    "  -c, --config FILE      the configuration of the proxy, which says where its socket is\n"
    "      --control SOCKET   its control socket\n"
    "  -h, --help             this text\n"
    "\n"
    "Exit: 0 it drains, 1 refused, 2 usage, 3 FILE has no control socket, 4 there is no proxy.\n";

int drain_command(int argc, char **argv)
{
    struct control_options options;
    int exit_status = CLI_OK;
    if (!control_options_parse(argc, argv, usage, 0, &options, &exit_status))
        return exit_status;
    if (options.argument_count > 0)
        return cli_fail_usage(options.command, "unexpected argument '%s'", options.arguments[0]);
    return control_ask(&options, "drain", true, NULL, NULL);
}
