// control_client: what the commands share that ask a running proxy: their options, the way to its control
// socket, one request, and the lines of the answer.
//
// Knows no command. See docs/CONTROL.md for the protocol.
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "proxy/cli/options.h"

// Options beside -c, --control and --help; which of them a command takes is a sum of these.
enum control_takes {
    CONTROL_TAKES_JSON = 1,
    CONTROL_TAKES_FORCE = 2,
    CONTROL_TAKES_CERTIFICATE = 4, // --issuer and --serial
    CONTROL_TAKES_COUNT = 8,
    CONTROL_TAKES_CLIENT = 16,
    CONTROL_TAKES_LIVE = 32,   // --interval and --once
    CONTROL_TAKES_FILTER = 64, // --reason and --denied
    CONTROL_TAKES_WAIT = 128,  // --wait TIME
    CONTROL_TAKES_DRAIN = 256, // --wait and --lame-duck
    CONTROL_TAKES_FLEET = 512, // --fleet
    CONTROL_TAKES_ON = 1024,   // --on INSTANCE
};

struct control_options {
    const char *command;     // its name
    const char *config_path; // borrowed from argv, like all below
    const char *socket_path;
    const char *issuer;
    const char *serial;
    const char *count;
    const char *client;
    const char *reason;
    int64_t interval_ms;  // 0: not given
    int64_t wait_ms;      // 0: as usual
    bool is_waiting;      // until the proxy has ended
    int64_t lame_duck_ms; // 0: not given
    const char *on;       // the beginning of an instance
    bool is_fleet;
    bool is_json;
    bool is_forced;
    bool is_once;
    bool is_denied;
};

// What --help says of the options that all have.
#define CONTROL_OPTIONS_HELP                                                                       \
    "  -c, --config FILE      the configuration of the proxy, which names its socket\n"            \
    "      --control SOCKET   its control socket\n"

// control_options_read reads a command line as cli_read does; `takes` says which options it may have, and one of
// -c and --control has to be there.
struct cli_line control_options_read(const char *usage, unsigned takes, int argument_max, int argc,
                                     char **argv, struct control_options *out) MUST_USE;

// control_line_fn is told of each line of an answer but the last; `root` is borrowed for the call.
typedef void (*control_line_fn)(void *arg, const json_t *root);

// control_patience_s gives how many seconds the answer to a request may take; 0: any. A proxy without descriptors does not even
// begin to answer.
int64_t control_patience_s(const struct control_options *options, const char *request);

// control_ask sends one line and hears the answer. Gives the exit status: that of the answer, or
// CLI_UNREACHABLE, which has been explained on stderr. The answer's message goes to stderr when it failed,
// or when `says_message`. With --json what was asked for goes to stdout as it is, or the last line where
// that is all there is; `on_line` (may be NULL) is not called then.
int control_ask(const struct control_options *options, const char *request, bool says_message,
                control_line_fn on_line, void *arg);

// control_listener is told of what comes while an answer goes on.
struct control_listener {
    bool (*on_line)(void *arg, struct slice line); // a line but the last; false: enough
    bool (*on_key)(void *arg, char key);           // false: enough; NULL: stdin is not read
    void (*on_resize)(void *arg);                  // the terminal has another size; or NULL
    void (*on_end)(void *arg); // before the last word is said, perhaps twice; or NULL
    void *arg;                 // borrowed
};

// control_follow sends one line and tells of the lines of the answer as they come, but for the last, until the
// answer or stdout ends, the listener has enough, or SIGINT, SIGTERM or SIGHUP comes, which is no failure. stdout is flushed
// after each piece. Gives the exit status.
int control_follow(const struct control_options *options, const char *request,
                   const struct control_listener *listener);

// member_text gives the string that is a member of an object, "" when there is none; member_number its integer, 0
// likewise.
const char *member_text(const json_t *object, const char *name);
long long member_number(const json_t *object, const char *name);
