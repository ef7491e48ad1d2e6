// inspection: the gate of one tunnel and what it needs: its rules, the target that was asked for, and the first flight so
// far, where its bytes have gone on in pieces.
//
// While it goes on, the way up of the tunnel is filled, looked at, and drained, in turns. It is private to tunnel.c, which
// moves the bytes; who asks for a verdict is exchange.c.
#pragma once

#include "proxy/net/flow.h"
#include "proxy/session/gate.h"

struct inspection {
    struct gate gate;           // may be read
    const struct target *asked; // borrowed
    struct buffer
        *passed; // borrowed from the pool; what has gone on of a first flight that is not whole
    bool only_observes; // all passes, whatever it is: the rules hold nothing, or in mode `report`
    enum reason would_end; // with only_observes: for what the tunnel would have ended
    bool is_asking;        // the gate's verdict waits for an answer
    bool is_named;         // the answer was yes: `named` may be carried
    struct target *named;  // owned; what the verdict asks about, with INNER_ASK_*; NULL before
};

// inspection_create holds what comes against `rules` and `asked`, which is borrowed. `is_report`: nothing is held, and
// `would_end` tells. NULL without memory.
struct inspection *inspection_create(const struct inner *rules, const struct target *asked,
                                     bool is_report) MUST_USE;

// inspection_set_rules does the same with one that goes on.
void inspection_set_rules(struct inspection *inspection, const struct inner *rules, bool is_report);

// inspection_answer says yes or no to what the verdict asks.
void inspection_answer(struct inspection *inspection, bool is_allowed);

// inspection_close gives the buffers back; what was seen stays. NULL is allowed, and for inspection_destroy, which frees it.
void inspection_close(struct inspection *inspection, struct buffer_pool *pool);
void inspection_destroy(struct inspection *inspection);

// inspection_passes looks at what is in the buffer of the way up, and tells whether it may go on. False: it is held; see
// `is_asking`. An inspection that only observes holds nothing: without memory it stops looking.
bool inspection_passes(struct inspection *inspection, struct flow *up);

// inspection_find_name looks at `bytes`, all that the client has said so far, before there is a way up: GATE_HOLDS: they
// are too few; GATE_JUDGES: `gate.verdict` has the name or the reason why there is none; GATE_PASSES: they say nothing.
// `has_end`: no more will come.
enum gate_step inspection_find_name(struct inspection *inspection, struct slice bytes, bool has_end,
                                    struct buffer_pool *pool);

// inspection_is_over tells whether what follows passes without a look.
bool inspection_is_over(const struct inspection *inspection);
