// The verbs of `sallyport audit`, a file each.
#pragma once

#include <stddef.h>

// Each takes its own options and the paths of the logs; `argv[0]` is the verb. They return the exit status.
int audit_verify(int argc, char **argv);
int audit_replay(int argc, char **argv);
int audit_suggest(int argc, char **argv);
