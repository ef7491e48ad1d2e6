// verb: the second word of a command that has several, such as `sallyport ca issue`. Knows no command.
#pragma once

#include <stddef.h>

struct cli_verb {
    const char *name;
    int (*run)(int argc, char **argv); // `argv[0]` is the verb; gives the exit status
};

// cli_run_verb runs the verb that `argv[1]` names, and gives the exit status. --help and -h print `usage` on stdout;
// `argv[0]` is the command.
int cli_run_verb(const char *usage, const struct cli_verb *verbs, size_t count, int argc,
                 char **argv);
