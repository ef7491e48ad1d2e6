// Finds the verb.
#include "proxy/cli/commands.h"

#include "proxy/cli/audit_verbs.h"
#include "proxy/cli/options.h"
#include "proxy/cli/verb.h"

static const char usage[] =
    "usage: sallyport audit VERB [OPTIONS] LOG...\n"
    "\n"
    "  verify  LOG...                    is every line a record, has every decision its close?\n"
    "  replay  --config FILE LOG...      which decisions would this configuration change?\n"
    "  suggest --client NAME LOG...      the smallest allowlist for what this client did\n"
    "\n"
    "LOG is a file of the key `audit.file`, `-` is stdin; rotated ones in their order, the oldest first.\n"
    "`sallyport audit VERB --help` describes each.\n";

struct cli_line audit_read(const char *verb, const char *usage_of_verb,
                           const struct cli_option *options, int argc, char **argv)
{
    const struct cli_syntax syntax = {.command = verb,
                                      .usage = usage_of_verb,
                                      .options = options,
                                      .argument_missing = "which log? name at least one file",
                                      .argument_max = CLI_ANY_NUMBER};
    return cli_read(&syntax, argc, argv);
}

int audit_read_logs(const char *verb, const struct cli_line *line,
                    const struct log_file_events *events)
{
    for (int i = 0; i < line->argument_count; i++) {
        struct errinfo info = {0};
        if (log_file_read(line->arguments[i], events, &info) == ERR_OK)
            continue;
        cli_say(verb, "%s", info.text);
        return CLI_UNLOADABLE;
    }
    return CLI_OK;
}

int audit_command(int argc, char **argv)
{
    static const struct cli_verb verbs[] = {
        {"verify", audit_verify},
        {"replay", audit_replay},
        {"suggest", audit_suggest},
    };
    return cli_run_verb(usage, verbs, sizeof verbs / sizeof *verbs, argc, argv);
}
