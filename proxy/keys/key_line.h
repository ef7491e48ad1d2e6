// key_line: a socket to the key holder that belongs to one loop: signatures are asked for and waited for there. What is asked
// for in one pass of the loop goes out together.
//
// The holder has a hundred or so of a line's requests before it; the others wait here, where they end with who has asked.
//
// Where the holder or the socket ends, what was asked for is asked for again once there is another one.
#pragma once

#include <ev.h>

#include "proxy/tls/private_key.h"

struct key_line;
struct key_desk;

// key_line_create makes one on `loop`. It serves the thread on which the loop runs, from its first pass there on; that may be
// another one later, after the first has ended. The store has it connected. Any
// thread; the loop does not run elsewhere meanwhile. NULL without memory.
struct key_line *key_line_create(struct key_desk *desk, struct ev_loop *loop) MUST_USE;

// key_line_destroy has all that waits fail, without calling anybody. On the loop's thread, or while the loop does not run. NULL
// is allowed.
void key_line_destroy(struct key_line *line);

// ---- private to proxy/keys ----------------------------------------------------------------------

// signing_question is what is to be signed, with what. All borrowed.
struct signing_question {
    const uint8_t *name; // of the key
    uint16_t algorithm;
    struct slice message;
};

// signing_begin, signing_look and signing_end are the functions of a private_key_ops.
struct signing *signing_begin(struct key_desk *desk, const struct signing_question *question,
                              void (*on_done)(void *owner), void *owner);
enum signing_state signing_look(const struct signing *signing, struct slice *out);
void signing_end(struct signing *signing);

// key_line_give gives a line, if it is still there, the socket to the holder of a generation, and takes it over in any case.
void key_line_give(struct key_desk *desk, struct key_line *line, int fd, uint64_t generation);

// key_line_generation tells to which holder it has been connected last; 0: to none. Under the store's `state`.
uint64_t key_line_generation(const struct key_line *line);
