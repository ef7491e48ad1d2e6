// `sallyport serve`: loads the configuration, and runs the service with it or says what is wrong.
#include "proxy/cli/commands.h"

#include <stdio.h>
#include <time.h>

#include "proxy/cli/options.h"
#include "proxy/config/loader.h"
#include "proxy/config/source.h"
#include "proxy/log/log.h"
#include "proxy/service/findings.h"
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

// refuse says what is wrong with a configuration: to a person as `check` does, to the journal with the priority of each
// line.
static int refuse(const char *path, const struct diagnostics *findings)
{
    if (log_goes_to_journal()) {
        findings_log(findings, "");
        log_error(LOG_START_FAILED, "%s cannot be loaded; `sallyport check -c %s` says more",
                  source_label(path), path);
        return CLI_UNLOADABLE;
    }
    diagnostics_print(findings, stderr, SEVERITY_WARNING);
    cli_say("serve", "%s cannot be loaded; `sallyport check -c %s` says more", source_label(path),
            path);
    return CLI_UNLOADABLE;
}

int serve_command(int argc, char **argv)
{
    const char *path = NULL;
    struct snapshot *snapshot = NULL;
    struct diagnostics findings;
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
    log_configure(&(struct log_options){.level = LOG_LEVEL_INFO});
    diagnostics_init(&findings);
    const enum err error = snapshot_load(path, (int64_t)time(NULL), &findings, &snapshot);
    const int status = error == ERR_OK ? service_run(snapshot, &findings) : refuse(path, &findings);
    diagnostics_deinit(&findings);
    return status;
}
