// Finds the verb.
#include "proxy/cli/commands.h"

#include "proxy/cli/audit_verbs.h"
#include "proxy/cli/verb.h"

static const char usage[] =
    "usage: sallyport audit VERB [OPTIONS] LOG...\n"
    "\n"
    "  verify  LOG...                    is every line a record, has every decision its close? With a key:\n"
    "                                    was a line removed, added, changed or moved?\n"
    "  prove   ID --key FILE LOG...      the proof that a record is in a log, without the rest of it\n"
    "  keygen  [FILE]                    the key that signs a log\n"
    "  replay  --config FILE LOG...      which decisions would this configuration change?\n"
    "  suggest --client NAME LOG...      the smallest allowlist for what this client did\n"
    "\n"
    "LOG is a file of the key `audit.file`, `-` is stdin; rotated ones in their order, the oldest first.\n"
    "What gzip has compressed is read too.\n"
    "`sallyport audit VERB --help` describes each.\n";

int audit_command(int argc, char **argv)
{
    static const struct cli_verb verbs[] = {
        {"verify", audit_verify}, {"prove", audit_prove},     {"keygen", audit_keygen},
        {"replay", audit_replay}, {"suggest", audit_suggest},
    };
    return cli_run_verb(usage, verbs, sizeof verbs / sizeof *verbs, argc, argv);
}
