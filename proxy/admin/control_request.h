// control_request: one request at the control socket: a line of text, parsed strictly. Pure.
//
//     COMMAND [force | fleet | on:INSTANCE] [ARGUMENT] LF
//
// Single spaces, no control characters, the argument is the rest of the line. See docs/CONTROL.md.
#pragma once

#include <stdbool.h>

#include "auth/base/err.h"
#include "auth/base/slice.h"

enum {
    CONTROL_LINE_MAX = 6144, // bytes of a request, without the line end
    CONTROL_INSTANCE_MAX = 16,
};

enum control_argument {
    CONTROL_ARGUMENT_NONE,
    CONTROL_ARGUMENT_OPTIONAL,
    CONTROL_ARGUMENT_REQUIRED
};

// A new command is a row here and one in proxy/service/control.c.
#define CONTROL_COMMAND_TABLE(X)                                                                   \
    X(CONTROL_STATUS, "status", CONTROL_ARGUMENT_NONE)                                             \
    X(CONTROL_TOP, "top", CONTROL_ARGUMENT_OPTIONAL)                                               \
    X(CONTROL_TAIL, "tail", CONTROL_ARGUMENT_NONE)                                                 \
    X(CONTROL_RELOAD, "reload", CONTROL_ARGUMENT_NONE)                                             \
    X(CONTROL_DRAIN, "drain", CONTROL_ARGUMENT_OPTIONAL)                                           \
    X(CONTROL_KILL, "kill", CONTROL_ARGUMENT_REQUIRED)                                             \
    X(CONTROL_BLOCK, "block", CONTROL_ARGUMENT_REQUIRED)                                           \
    X(CONTROL_UNBLOCK, "unblock", CONTROL_ARGUMENT_REQUIRED)                                       \
    X(CONTROL_UPGRADE, "upgrade", CONTROL_ARGUMENT_OPTIONAL)

enum control_command {
#define X(symbol, name, argument) symbol,
    CONTROL_COMMAND_TABLE(X)
#undef X
};

// control_command_name gives the word; static memory.
const char *control_command_name(enum control_command command);

struct control_request {
    enum control_command command;
    bool is_forced;
    bool is_fleet;                       // it is about all proxies that share a store
    char on[CONTROL_INSTANCE_MAX + 1];   // or about the one whose instance begins so; "": neither
    char argument[CONTROL_LINE_MAX + 1]; // NUL-terminated; "" without one
};

// control_request_parse reads a line without its line end. ERR_INPUT or ERR_LIMIT with a sentence in
// `info`.
enum err control_request_parse(struct slice line, struct control_request *out,
                               struct errinfo *info) MUST_USE;
