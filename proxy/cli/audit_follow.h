// audit_follow: a log that grows, read line by line until somebody interrupts. Knows no verb.
#pragma once

#include "proxy/cli/audit_logs.h"

// audit_follow reads the logs that `line` names, and goes on with the last one as it is written, over rotation, until
// SIGINT or SIGTERM. CLI_OK then; CLI_UNLOADABLE when a log cannot be read, with the reason on stderr.
int audit_follow(const char *verb, const struct cli_line *line, log_line_fn on_line,
                 void *arg) MUST_USE;
