// included_parts: what counts of each included file. Values.
#pragma once

#include "auth/base/slice.h"

#define INCLUDED_STATE_TABLE(X)                                                                    \
    X(INCLUDED_GOOD, "good")                                                                       \
    X(INCLUDED_CONTESTED, "contested") /* in force, but for what another file had first */         \
    X(INCLUDED_HELD, "held")           /* refused; what it said before is in force */              \
    X(INCLUDED_REFUSED, "refused")     /* refused; its clients may do nothing */

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
    struct slice text;     // in force; `data` NULL: none, or it is not known
    bool is_bare;          // `text` is what it holds, and not what it said
    struct slice holdings; // what it holds (holdings.h); `data` NULL: nothing
    bool has_denied_lists; // a `deny` in `text` could use a list file
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
