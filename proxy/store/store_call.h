// store_call: what a question to the store is made of: who takes the answer, and scripts.
#pragma once

#include "proxy/store/resp.h"

enum {
    STORE_MAX_CALLS = 4096,                 // under way at once
    STORE_MAX_UNSENT_LEN = 4 * 1024 * 1024, // bytes of calls under way
};

// store_reply_function takes the answer to a call, borrowed for the call; it may be an error of the server (RESP_ERROR). NULL:
// the connection was lost, or the deadline has passed: whether the store has done what was asked is not known. It may call
// store_link_call, but not destroy the link.
typedef void store_reply_function(void *owner, const struct resp *answer);

// store_script is a Lua script and its name.
struct store_script {
    const char *text; // static memory
    char sha1[41];    // of `text`, in lower case
};

// store_script_call is what a script is called with.
struct store_script_call {
    const struct store_script *script; // borrowed until the answer
    const struct slice *keys;          // copied; whole keys: the prefix is the caller's matter
    size_t key_count;
    const struct slice *arguments; // copied
    size_t argument_count;
};
