// verb: the second word of a command that has several, such as `sallyport ca issue`. Knows no command.
#pragma once

#include <stddef.h>

struct cli_verb {
    const char *name;
    int (*run)(int argc, char **argv); // `argv[0]` is the verb; returns the exit status
};

// cli_run_verb runs the verb that `argv[1]` names and returns the exit status. `argv[0]` is the command. With --help or -h
// it prints `usage` on stdout.
int cli_run_verb(const char *usage, const struct cli_verb *verbs, size_t count, int argc,
                 char **argv);
