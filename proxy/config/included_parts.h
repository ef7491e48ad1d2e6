// included_parts: what counts of each included file. Values.
#pragma once

#include "auth/base/slice.h"

#define INCLUDED_STATE_TABLE(X)                                                                    \
    X(INCLUDED_GOOD, "good")                                                                       \
    X(INCLUDED_HELD, "held")       /* refused; what it said before is in force */                  \
    X(INCLUDED_REFUSED, "refused") /* refused; it has no clients */

enum { INCLUDED_DIGEST_LEN = 32 };

enum included_state {
#define X(symbol, name) symbol,
    INCLUDED_STATE_TABLE(X)
#undef X
        INCLUDED_STATES
};

// included_state_name gives the stable name.
const char *included_state_name(enum included_state state);

// included_part is what counts of an included file. It lives in an arena.
struct included_part {
    const char *path;
    enum included_state state;
    struct slice text;     // in force; `data` NULL: none, or only its digest is known
    const uint8_t *digest; // SHA-256 of the text in force; NULL: there is none
    size_t client_count;
};

// included_parts is all of them, in order.
struct included_parts {
    const struct included_part *items;
    size_t count;
    const char *problem; // why there may be files that are not among them; NULL: these are all
};

// included_parts_count gives how many are in this state.
size_t included_parts_count(const struct included_parts *parts, enum included_state state);
