// store_calls: what is asked of the store and not answered yet, in order, and the bytes that are still to be sent.
//
// Answers have no numbers: the n-th answer belongs to the n-th call. So a call that nobody waits for any more stays until it
// is answered. Private to proxy/store; knows no sockets and no clock.
#pragma once

#include <sys/queue.h>

#include "proxy/store/store_call.h"

enum { STORE_SUBJECT_CAP = 96 };

struct store_call {
    TAILQ_ENTRY(store_call) link;
    store_reply_function *on_reply;    // NULL: nobody waits
    void *owner;                       // borrowed
    int64_t sent_ms;                   // monotonic
    int64_t deadline_ms;               // monotonic
    const struct store_script *script; // borrowed; NULL: none, or its text was sent
    char subject[STORE_SUBJECT_CAP];   // for people: what is asked, of which key; no secret
    size_t word_count;                 // of the command
    size_t tail_len;
    uint8_t tail[]; // with `script`: the words after its name, as they were sent
};

TAILQ_HEAD(store_call_list, store_call);

struct store_calls {
    struct store_call_list list;
    size_t count;
    size_t tails_len;
    uint8_t *bytes; // owned; what is sent or to be sent
    size_t cap;
    size_t len;
    size_t at; // what is before it is sent
};

// store_calls_init makes an empty one in the caller's storage.
void store_calls_init(struct store_calls *calls);

// store_calls_deinit frees it; nobody is called.
void store_calls_deinit(struct store_calls *calls);

// store_calls_add queues a command. `call` is copied: its `script`, and what concerns its caller. With a script the words
// are EVALSHA, its name, and the tail. False: as much is under way as may be, or there is no memory.
bool store_calls_add(struct store_calls *calls, const struct slice *words, size_t count,
                     const struct store_call *call) MUST_USE;

// store_calls_take gives the call that the next answer belongs to, which the caller frees; NULL: none waits.
struct store_call *store_calls_take(struct store_calls *calls);

// store_calls_repeat queues the script of `call`, which was taken, once more, with its text; `call` is taken over. False as
// store_calls_add: then `call` is still the caller's.
bool store_calls_repeat(struct store_calls *calls, struct store_call *call) MUST_USE;

// store_calls_forget has nobody wait any more for the calls of `owner`.
void store_calls_forget(struct store_calls *calls, const void *owner);

// store_calls_unsent gives the bytes to send, valid until something is added; store_calls_sent drops the first `len` of them.
struct slice store_calls_unsent(const struct store_calls *calls);
void store_calls_sent(struct store_calls *calls, size_t len);
