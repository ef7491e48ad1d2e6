// The verbs of `sallyport audit`, a file each.
#pragma once

#include "proxy/cli/options.h"
#include "proxy/history/log_file.h"

// audit_read reads the command line of `verb`: `options`, and at least one log.
struct cli_line audit_read(const char *verb, const char *usage_of_verb,
                           const struct cli_option *options, int argc, char **argv) MUST_USE;

// audit_read_logs reads the logs that `line` names one after the other for `verb`. CLI_OK, or CLI_UNLOADABLE when
// one cannot be read, which has been said.
int audit_read_logs(const char *verb, const struct cli_line *line,
                    const struct log_file_events *events);

// Each takes its own options and the paths of the logs; `argv[0]` is the verb. They return the exit status.
int audit_verify(int argc, char **argv);
int audit_replay(int argc, char **argv);
int audit_suggest(int argc, char **argv);
