// The verbs of `sallyport audit`, a file each.
#pragma once

#include "proxy/history/log_file.h"

// audit_read_logs reads the logs at `paths` one after the other for `verb`. CLI_OK, or CLI_UNLOADABLE when one cannot
// be read, which has been said.
int audit_read_logs(const char *verb, int count, char **paths,
                    const struct log_file_events *events);

// Each takes its own options and the paths of the logs; `argv[0]` is the verb. They return the exit status.
int audit_verify(int argc, char **argv);
int audit_replay(int argc, char **argv);
int audit_suggest(int argc, char **argv);
