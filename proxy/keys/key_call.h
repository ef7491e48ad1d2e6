// key_call: one question to the key holder, and its answer, on a thread that waits.
//
// Private to proxy/keys. For one thread at a time.
#pragma once

#include <stdatomic.h>

#include "proxy/keys/key_wire.h"

// Zeroed but for `fd`, which is -1: there is no holder.
struct key_call {
    int fd;                       // owned
    const atomic_bool *must_stop; // borrowed; true: nobody waits for answers any more
    int64_t patience_ms;          // for an answer; 0: ten seconds
    uint64_t number;
    struct key_inbox in;
    struct key_outbox out;
};

// key_call_ask sends a request, and a copy of the descriptor `beside` (-1: none), and waits for the answer, whose bytes are
// borrowed until the next call. ERR_EOF: the holder is gone, or says nonsense, or nothing: ask the next one. An answer
// KEY_ANSWER_FAILED is one.
enum err key_call_ask(struct key_call *call, struct key_message *request, int beside,
                      struct key_message *out) MUST_USE;

// key_call_try is key_call_ask up to `until_ms` (monotonic). ERR_TIMEOUT: there is no answer yet, and the holder is no worse for that. Only
// for what may be asked in vain: whatever comes late is passed over.
enum err key_call_try(struct key_call *call, struct key_message *request, int64_t until_ms,
                      struct key_message *out) MUST_USE;

// key_call_tell sends a message that has no answer.
void key_call_tell(struct key_call *call, const struct key_message *message);

// key_call_hang_up forgets the holder.
void key_call_hang_up(struct key_call *call);
