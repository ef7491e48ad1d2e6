// Finds the verb.
#include "proxy/cli/audit.h"

#include <stdio.h>
#include <string.h>

#include "proxy/cli/audit_verbs.h"
#include "proxy/cli/options.h"

static const char usage[] =
    "usage: sallyport audit VERB [OPTIONS] LOG...\n"
    "\n"
    "  verify  LOG...                    is every line a record, has every decision its close?\n"
    "  replay  --config FILE LOG...      which decisions would this configuration change?\n"
    "  suggest --client NAME LOG...      the smallest allowlist for what this client did\n"
    "\n"
    "LOG is a file of the key `audit.file`, `-` is stdin; rotated ones in their order, the oldest first.\n"
    "`sallyport audit VERB --help` tells about each.\n";

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} verbs[] = {{"verify", audit_verify}, {"replay", audit_replay}, {"suggest", audit_suggest}};

int audit_read_logs(const char *verb, int count, char **paths, const struct log_file_events *events)
{
    for (int i = 0; i < count; i++) {
        struct errinfo info = {0};
        if (log_file_read(paths[i], events, &info) == ERR_OK)
            continue;
        cli_say(verb, "%s", info.text);
        return CLI_UNLOADABLE;
    }
    return CLI_OK;
}

int audit_command(int argc, char **argv)
{
    if (argc < 2)
        return cli_fail_usage("audit", "which verb? verify, replay or suggest");
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        (void)fputs(usage, stdout);
        return cli_finish("audit");
    }
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(argv[1], verbs[i].name) == 0)
            return verbs[i].run(argc - 1, argv + 1);
    }
    return cli_fail_usage("audit", "no verb `%.40s`; it is one of verify, replay and suggest",
                          argv[1]);
}
