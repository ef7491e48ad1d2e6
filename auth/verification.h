// verification: does a signature fit, or had the library no memory to find out? Private to auth.
//
// BoringSSL says "no" for both. A "no" that is really "nobody knows" would make a revocation list count for nobody, so
// the two are told apart here, by the thread's error queue: every allocation of the library that fails leaves an error
// there.
#pragma once

#include <stdbool.h>

#include "auth/base/err.h"

enum verification {
    VERIFICATION_BAD,
    VERIFICATION_GOOD,
    VERIFICATION_UNKNOWN, // no memory; another time it may be either
};

// verification_begin empties the error queue before the library is asked. False without memory for the queue itself:
// then the answer is VERIFICATION_UNKNOWN, and verification_end is not called.
bool verification_begin(void);

// verification_error is for a reader that began with verification_begin and failed: `error`, or ERR_MEMORY when it is
// ERR_INPUT and the library lacked memory, so that nothing is called bad that could not be read. Empties the queue.
enum err verification_error(enum err error);

// verification_end gives the answer after the library has said `is_good`, and empties the queue again.
enum verification verification_end(bool is_good);
