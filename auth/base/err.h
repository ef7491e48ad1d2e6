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

enum err {
    ERR_OK,      // it worked
    ERR_AGAIN,   // nothing now; wait for the event and call again
    ERR_EOF,     // the peer has said that nothing more comes
    ERR_INPUT,   // what came from outside is not acceptable
    ERR_LIMIT,   // a fixed bound would be passed
    ERR_DENIED,  // policy or trust says no
    ERR_SYSTEM,  // the operating system or the network refused
    ERR_TIMEOUT, // a deadline passed
    ERR_MEMORY,  // no memory
};

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
