// options: what all commands of the CA and the quick start share on the command line: exit codes,
// complaints about usage, numbers with units.
//
// stdout is data, stderr is talk. Knows no command.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "auth/base/err.h"

enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1,
    CLI_USAGE = 2,
    CLI_UNLOADABLE = 3,  // configuration, trust store, CRL, state or log
    CLI_UNREACHABLE = 4, // the proxy
};

// cli_say writes `sallyport COMMAND: ...` and a line end to stderr.
void cli_say(const char *command, const char *format, ...) PRINTF_LIKE(2, 3);

// cli_fail_usage says what is wrong and where help is, and gives CLI_USAGE.
int cli_fail_usage(const char *command, const char *format, ...) PRINTF_LIKE(2, 3);

// cli_fail_option does the same for what getopt_long returned with `opterr` 0: `:` a missing value,
// `?` an unknown option.
int cli_fail_option(const char *command, int found, char *const *argv);

// cli_finish flushes stdout and gives CLI_OK, or CLI_FAILED when the data did not get out.
int cli_finish(const char *command);

// cli_parse_ttl reads a duration such as `90d` or `12h` into whole seconds, at least one.
// ERR_INPUT or ERR_LIMIT with a sentence in `info`.
enum err cli_parse_ttl(const char *text, int64_t *out_s, struct errinfo *info) MUST_USE;

enum { CLI_DATE_CAP = 24 }; // bytes, with the NUL

// cli_format_date writes Unix seconds as `2026-12-01 10:00 UTC` and returns `out`.
const char *cli_format_date(int64_t seconds, char out[CLI_DATE_CAP]);
