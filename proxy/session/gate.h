// gate: what the client of a tunnel says first, held against what it asked for.
//
// It is shown the client's bytes in order and answers whether they may go on. It reads records and names only as far as it
// has to: once the first flight is judged, and no second one can follow, it is open and looks at nothing. It moves no
// bytes and asks nobody: what the policy or DNS must answer, its owner asks.
#pragma once

#include "auth/inner.h"

enum gate_state {
    GATE_FIRST,  // waits for the whole first flight
    GATE_AFTER,  // a second hello may follow: after a HelloRetryRequest (RFC 8446 4.1.4)
    GATE_SECOND, // waits for the whole second hello
    GATE_OPEN,   // what follows is not looked at
};

enum gate_step {
    GATE_PASSES, // the bytes may go on
    GATE_HOLDS,  // they are too few to judge
    GATE_JUDGES, // `verdict` says what is to be asked, or why the tunnel ends; after a yes look at the same bytes again
};

// Zeroed but for `rules`: it has seen nothing. May be read.
struct gate {
    struct inner rules;
    enum gate_state state;
    struct inner_seen seen; // of the first flight
    size_t needed;          // bytes; with fewer it is not worth looking again
    size_t skip_len;        // bytes in front of the next record, of those that have not passed yet
    struct inner_verdict verdict;
};

// gate_look looks at `bytes`: with GATE_FIRST all that the client has sent, with the other states what has not passed yet.
// `has_end`: no more will come. `scratch` has CLIENT_HELLO_MAX_LEN bytes. After GATE_PASSES all of them count as passed.
enum gate_step gate_look(struct gate *gate, struct slice bytes, bool has_end,
                         const struct target *asked, uint8_t *scratch);

// gate_holds_down tells whether the target's bytes wait for the first flight.
bool gate_holds_down(const struct gate *gate);
