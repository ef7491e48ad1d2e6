// findings: what loading a configuration has found, as lines of the log.
#pragma once

#include "proxy/config/diagnostics.h"

// findings_log writes each error and warning on one line that begins with `what`, such as `reload: `; notes are for `check`.
void findings_log(const struct diagnostics *diagnostics, const char *what);
