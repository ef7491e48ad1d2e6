// introduction: what a parent with `identity: client_cert` is told of the client whose request it gets: the certificates that
// the client has shown, as the fields of RFC 9440.
//
// Pure. Whether the parent believes it is for the parent (`speaks_for`).
#pragma once

#include <openssl/pool.h>

#include "auth/base/text.h"

enum {
    INTRODUCTION_MAX = 48 * 1024
}; // bytes of the fields; with more a client cannot be introduced

// introduction_len gives the most bytes of the fields for these certificates, the client's own first; 0 for NULL: there is nobody
// to introduce.
size_t introduction_len(const STACK_OF(CRYPTO_BUFFER) *chain);

// introduction_append appends the fields. NULL: none.
void introduction_append(const STACK_OF(CRYPTO_BUFFER) *chain, struct text *out);
