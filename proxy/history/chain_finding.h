// chain_finding: what does not hold together in a log, and where; and what is asked of those who look for it.
#pragma once

#include <stddef.h>

#include "proxy/chain/checkpoint.h"

enum chain_finding_kind {
    CHAIN_REMOVED,
    CHAIN_ADDED,
    CHAIN_CHANGED,
    CHAIN_MOVED,
    CHAIN_UNPROVED, // there is no signature, or it does not fit
    CHAIN_NOTE,     // worth saying, and no fault
};

// chain_place is a line of a file.
struct chain_place {
    const char *path; // borrowed from the log_line; NULL: none
    size_t number;
};

struct chain_finding {
    enum chain_finding_kind kind;
    struct chain_place place;
    const char *text; // a sentence, borrowed for the call
};

typedef void (*chain_finding_fn)(void *arg, const struct chain_finding *finding);

struct chain_check_options {
    const struct note_verifier *keys; // borrowed; whose signatures count
    size_t key_count;                 // 0: nothing is signed, and checkpoints prove nothing
    bool may_lack_head; // older files are not here, and what that explains is no fault
    bool is_live;       // what is missing is said at once: nothing is known of later lines
    chain_finding_fn on_finding;
    void *arg; // borrowed
};
