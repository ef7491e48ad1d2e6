// options: what all commands share: reading the command line, error messages, exit codes.
//
// Data goes to stdout, messages go to stderr. Knows no command.
#pragma once

#include <limits.h>
#include <stdarg.h>
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

// cli_line writes a line to stderr, with its end; cli_line_list the same with a list of arguments. It is made printable
// (text_append_printable): nothing that a file or a peer says speaks to the terminal, or makes a second line. At most 8 KiB
// are written.
void cli_line(const char *format, ...) PRINTF_LIKE(1, 2);
void cli_line_list(const char *format, va_list args) PRINTF_LIKE(1, 0);

// cli_say writes `sallyport COMMAND: ...` as cli_line does.
void cli_say(const char *command, const char *format, ...) PRINTF_LIKE(2, 3);

// cli_fail prints the sentence in `info` and returns CLI_FAILED.
int cli_fail(const char *command, const struct errinfo *info);

// cli_fail_usage prints the message and where to find help, and returns CLI_USAGE.
int cli_fail_usage(const char *command, const char *format, ...) PRINTF_LIKE(2, 3);

// cli_text_begin starts a text that goes to stdout, however long it gets, in static memory: one at a time, on the main
// thread. text_flush ends it.
struct text cli_text_begin(void) MUST_USE;

// cli_json_begin starts a text as cli_text_begin does, with a JSON object in it. cli_json_end ends both, and the line.
struct text cli_json_begin(void) MUST_USE;
void cli_json_end(struct text *text);

// cli_finish flushes stdout. Returns CLI_OK, or CLI_FAILED when the data could not be written.
int cli_finish(const char *command);

// cli_take_fn reads the value of an option into `arg`. An error ends the command as wrong usage. The message is the
// option's name and the sentence in `info`.
typedef enum err (*cli_take_fn)(void *arg, const char *value, struct errinfo *info);

// cli_option is one option of a command: its name, and where its value goes: exactly one of the pointers is set. If an
// option is given twice the last one counts, unless `take` gathers them.
struct cli_option {
    const char *name;      // --NAME, or any unique beginning of it
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

// cli_syntax is the options and arguments that one command takes, borrowed for the call. Every command also takes --help
// and -h.
struct cli_syntax {
    const char *command;              // "ca renew": the beginning of every message
    const char *usage;                // for --help, on stdout; it names every option
    const struct cli_option *options; // ended by one without a name
    const char *argument_missing; // the message when there are no arguments; NULL: none is needed
    int argument_max;             // or CLI_ANY_NUMBER
};

// cli_line is the result of reading a command line.
struct cli_line {
    bool is_over;     // the command has ended: help or an error message was printed
    int exit_status;  // then
    char **arguments; // the words that are not options, in order; borrowed from argv
    int argument_count;
};

// cli_read reads a command line; `argv[0]` is the command. Options may come after arguments, and `--` ends the options.
// The caller checks for required options.
struct cli_line cli_read(const struct cli_syntax *syntax, int argc, char **argv) MUST_USE;

// cli_end gives the result of cli_read for a command that has ended.
struct cli_line cli_end(int exit_status) MUST_USE;

// cli_parse_number reads decimal digits and nothing else. ERR_INPUT; the sentence in `info` names the bounds.
enum err cli_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *out,
                          struct errinfo *info) MUST_USE;
