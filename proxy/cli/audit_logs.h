// audit_logs: the logs on the command line of a verb of `sallyport audit`, and how they are read. Knows no verb.
#pragma once

#include "proxy/cli/options.h"
#include "proxy/history/log_file.h"

// audit_read reads the command line of `verb`: `options`, and at least one log.
struct cli_line audit_read(const char *verb, const char *usage_of_verb,
                           const struct cli_option *options, int argc, char **argv) MUST_USE;

// audit_sort_logs puts the logs that `line` names in the order in which they were written, the oldest first
// (proxy/history/log_order.h), for which it reads them once; stdin cannot be looked at twice, and with it they stay as they
// are.
void audit_sort_logs(const struct cli_line *line);

// audit_read_logs reads the logs that `line` names one after the other for `verb`, and calls `on_line` with `arg` for
// each of their lines. CLI_OK, or CLI_UNLOADABLE when a log cannot be read; the reason is then on stderr.
int audit_read_logs(const char *verb, const struct cli_line *line, log_line_fn on_line,
                    void *arg) MUST_USE;
