// `sallyport serve`: loads the configuration, prints its warnings, then runs the service.
#include "proxy/cli/commands.h"

#include "proxy/cli/configuration.h"
#include "proxy/cli/options.h"
#include "proxy/service/service.h"

static const char usage[] =
    "usage: sallyport serve -c FILE\n"
    "\n"
    "Runs the proxy. When every listener is bound, prints `ready NAME=ADDRESS:PORT ...` on stdout,\n"
    "or on stderr where the audit goes to stdout (audit.file is \"-\").\n"
    "\n"
    "  -c, --config FILE   the configuration; see `sallyport check`. `-` is stdin: paths in it start\n"
    "                      at the working directory, and it cannot be reloaded\n"
    "  -h, --help          this text\n"
    "\n"
    "Signals: SIGTERM drains and exits, SIGINT exits, SIGHUP reloads the configuration,\n"
    "SIGUSR1 reopens the audit log.\n"
    "Exit: 0 stopped, 1 failed or tunnels had to be cut, 2 usage, 3 not loadable.\n";

int serve_command(int argc, char **argv)
{
    const char *path = NULL;
    struct snapshot *snapshot = NULL;
    const struct cli_option options[] = {
        {"config", .letter = 'c', .text = &path},
        {.name = NULL},
    };
    const struct cli_syntax syntax = {.command = "serve", .usage = usage, .options = options};
    const struct cli_line line = cli_read(&syntax, argc, argv);
    if (line.is_over)
        return line.exit_status;
    if (path == NULL)
        return cli_fail_usage("serve", "which configuration? -c FILE is required");
    const int status = cli_load_snapshot("serve", path, SEVERITY_WARNING, &snapshot);
    return status == CLI_OK ? service_run(snapshot) : status;
}
