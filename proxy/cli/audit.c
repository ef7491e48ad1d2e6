// Finds the verb.
#include "proxy/cli/commands.h"

#include "proxy/cli/audit_verbs.h"
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

int audit_command(int argc, char **argv)
{
    static const struct cli_verb verbs[] = {
        {"verify", audit_verify},
        {"replay", audit_replay},
        {"suggest", audit_suggest},
    };
    return cli_run_verb(usage, verbs, sizeof verbs / sizeof *verbs, argc, argv);
}
