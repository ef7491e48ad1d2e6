// Arguments, the configuration with what is remarkable about it, then the service.
#include "proxy/cli/serve.h"

#include <getopt.h>
#include <stdio.h>
#include <time.h>

#include "proxy/config/snapshot.h"
#include "proxy/service/service.h"

enum { SERVE_OK = 0, SERVE_USAGE = 2, SERVE_UNLOADABLE = 3 };

static const char usage[] =
    "usage: sallyport serve -c FILE\n"
    "\n"
    "Runs the proxy. When every listener is bound, prints `ready NAME=ADDRESS:PORT ...` on stdout.\n"
    "\n"
    "  -c, --config FILE   the configuration; see `sallyport check`\n"
    "  -h, --help          this text\n"
    "\n"
    "Signals: SIGTERM drains and exits, SIGINT exits, SIGHUP reloads the configuration,\n"
    "SIGUSR1 reopens the audit log.\n"
    "Exit: 0 stopped, 1 failed or tunnels had to be cut, 2 usage, 3 not loadable.\n";

// print_findings shows what a person has to know before the service runs.
static void print_findings(const struct diagnostics *diagnostics)
{
    for (size_t i = 0; i < diagnostics->count; i++) {
        if (diagnostics->items[i].severity == SEVERITY_NOTE)
            continue;
        char text[DIAGNOSTIC_TEXT_CAP];
        diagnostic_format(&diagnostics->items[i], text, sizeof text);
        (void)fprintf(stderr, "%s\n", text);
    }
    if (diagnostics->dropped_count > 0)
        (void)fprintf(stderr, "... and %zu more\n", diagnostics->dropped_count);
}

static int serve(const char *path)
{
    struct diagnostics diagnostics;
    struct snapshot *snapshot = NULL;
    diagnostics_init(&diagnostics);
    const enum err error = snapshot_load(path, (int64_t)time(NULL), &diagnostics, &snapshot);
    print_findings(&diagnostics);
    diagnostics_deinit(&diagnostics);
    if (error != ERR_OK) {
        (void)fprintf(stderr,
                      "sallyport: %s cannot be loaded; `sallyport check -c %s` tells more\n", path,
                      path);
        return SERVE_UNLOADABLE;
    }
    return service_run(snapshot);
}

int serve_command(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const char *path = NULL;
    int option = 0;
    while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        if (option == 'h') {
            (void)fputs(usage, stdout);
            return SERVE_OK;
        }
        if (option != 'c') {
            (void)fputs(usage, stderr);
            return SERVE_USAGE;
        }
        path = optarg;
    }
    if (path == NULL || optind < argc) {
        (void)fputs(usage, stderr);
        return SERVE_USAGE;
    }
    return serve(path);
}
