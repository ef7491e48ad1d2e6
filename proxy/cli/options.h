// options: the manners that all commands share: how a command line is read, what is said when something about
// it is wrong, exit codes, numbers with units.
//
// stdout is data, stderr is talk. Knows no command.
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "auth/base/text.h"

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

enum { CLI_PIECE_CAP = 1024 }; // bytes

// cli_text_init starts a text in `piece` that goes to stdout, however long it gets. text_flush ends it.
void cli_text_init(struct text *text, char piece[CLI_PIECE_CAP]);

// cli_finish flushes stdout and gives CLI_OK, or CLI_FAILED when the data did not get out.
int cli_finish(const char *command);

// cli_take_fn reads the value of an option into `arg`. Any error but ERR_OK ends the command, as wrong usage: the
// option's name is put before the sentence in `info`.
typedef enum err (*cli_take_fn)(void *arg, const char *value, struct errinfo *info);

// cli_option is one option of a command: its name, and where its value goes: exactly one of the pointers is set. If an
// option is given twice the last one counts, unless `take` gathers them.
struct cli_option {
    const char *name;      // --NAME; any beginning of it will do that no other has
    char letter;           // also -LETTER; 0: none
    bool *flag;            // it has no value; becomes true
    const char **text;     // its value as it is, borrowed from argv
    int64_t *number;       // decimal digits, from `min` to `max`
    int64_t *seconds;      // a duration such as `90d` or `12h`, at least a second, in whole seconds
    int64_t *milliseconds; // a duration such as `500ms`
    cli_take_fn take;      // reads its value
    void *arg;             // for `take`
    uint64_t min;          // for `number`
    uint64_t max;
};

enum { CLI_OPTIONS_MAX = 24, CLI_ANY_NUMBER = INT_MAX };

// cli_syntax is what may stand on the command line of one command, borrowed for the call. --help and -h are always
// understood.
struct cli_syntax {
    const char *command;              // "ca renew": stands before every complaint
    const char *usage;                // for --help, on stdout; each option stands in it
    const struct cli_option *options; // ended by one without a name
    const char *argument_missing;     // said when there are no arguments; NULL: none is needed
    int argument_max;                 // or CLI_ANY_NUMBER
};

// cli_line is what has been read: the arguments are the words beside the options.
struct cli_line {
    bool is_over;     // the command has ended: help was given, or a mistake has been said
    int exit_status;  // then
    char **arguments; // in their order, borrowed from argv
    int argument_count;
};

// cli_read reads a command line, `argv[0]` being the command. Options may stand after arguments, and `--` ends them.
// An option that is required and missing is the caller's matter.
struct cli_line cli_read(const struct cli_syntax *syntax, int argc, char **argv) MUST_USE;

// cli_end gives what cli_read gives when the command is over.
struct cli_line cli_end(int exit_status) MUST_USE;

// cli_parse_number reads decimal digits and nothing else. ERR_INPUT with a sentence in `info` that has the bounds.
enum err cli_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *out,
                          struct errinfo *info) MUST_USE;
