// err: the one error type, and the one control-flow macro.
//
// A function that can fail for reasons outside the program returns `enum err`. Callers switch on
// few categories; the text that a person needs goes to a `struct errinfo`, only where a person will
// read it. Programmer errors are ASSERT's, which stays on in release builds.
#pragma once

#include <stddef.h>

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_index, first_arg)                                                       \
    __attribute__((format(printf, format_index, first_arg)))

#define ERR_TABLE(X)                                                                               \
    X(ERR_OK, "ok")           /* it worked */                                                      \
    X(ERR_AGAIN, "again")     /* nothing now; wait for the event and call again */                 \
    X(ERR_EOF, "eof")         /* the peer has said that nothing more comes */                      \
    X(ERR_INPUT, "input")     /* what came from outside is not acceptable */                       \
    X(ERR_LIMIT, "limit")     /* a fixed bound would be passed */                                  \
    X(ERR_DENIED, "denied")   /* policy or trust says no */                                        \
    X(ERR_SYSTEM, "system")   /* the operating system or the network refused */                    \
    X(ERR_TIMEOUT, "timeout") /* a deadline passed */                                              \
    X(ERR_MEMORY, "memory")   /* no memory */

enum err {
#define X(symbol, name) symbol,
    ERR_TABLE(X)
#undef X
};

// err_name gives the stable snake_case name of `error`; static memory.
const char *err_name(enum err error);

// TRY returns the error of `expr` from the calling function, if there is one.
#define TRY(expr)                                                                                  \
    do {                                                                                           \
        const enum err try_error_ = (expr);                                                        \
        if (try_error_ != ERR_OK)                                                                  \
            return try_error_;                                                                     \
    } while (0)

// errinfo is one sentence for a person: what is wrong, with which file or value, and what to do.
struct errinfo {
    char text[512]; // NUL-terminated, cut when too long
};

// errinfo_set writes the sentence and returns `error`, so that a failure is one line of code.
enum err errinfo_set(struct errinfo *info, enum err error, const char *format, ...)
    PRINTF_LIKE(3, 4);

// ASSERT stops the process with file and line when `cond` is false: the program itself is wrong.
// Input, network, files and memory are never asserted on.
#define ASSERT(cond) ((cond) ? (void)0 : assert_failed(__FILE__, __LINE__, #cond))

// assert_failed writes one line to stderr and aborts.
_Noreturn void assert_failed(const char *file, int line, const char *condition);
