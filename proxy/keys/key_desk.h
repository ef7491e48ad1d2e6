// key_desk: where the serving process talks to the key holder: one question at a time, and the lists of keys that are open and of
// lines. It starts a holder; who starts the next one is the store's business. Private to proxy/keys.
//
// `calls` is held while an answer is waited for, `state` for moments, so that no worker ever waits behind a slow signature.
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "proxy/cage/sandbox.h"
#include "proxy/config/key_source.h"
#include "proxy/keys/key_call.h"
#include "proxy/keys/key_groups.h"

enum {
    KEY_LINES_MAX = 512,
    KEY_PATIENCE_MS = 10 * 1000, // for a holder to be there
};

struct key_line;

// kept_key is one opening of a key in the holder. Embedded in what stands for the key here.
struct kept_key {
    LIST_ENTRY(kept_key) link;
    struct key_desk *desk; // borrowed
    atomic_uint refs;
    uint8_t name[KEY_NAME_LEN];
    enum key_use use;
    char *path;                       // owned
    uint64_t generation;              // of the holder that it is open in
    bool is_lost;                     // the file has another key by now, and this one is nowhere
    struct private_key *tls;          // what it is embedded in, or NULL
    struct checkpoint_signer *signer; // likewise
};

LIST_HEAD(kept_keys, kept_key);

struct key_desk {
    struct key_source source; // first
    int keeper_fd;            // owned
    struct key_groups groups; // that count; none: the holder's own
    bool needs_sandbox;       // a holder without a whole one is of no use
    pthread_mutex_t calls;    // one question at a time
    pthread_cond_t renewed;   // with `calls`: there is another holder
    struct key_call call;
    uint64_t generation;    // of the holder, from 1; under `calls`
    atomic_int pid;         // 0: there is none
    int64_t started_ms;     // monotonic
    pthread_mutex_t state;  // of the lists; held for moments
    struct sandbox sandbox; // of the holder
    struct kept_keys keys;
    struct kept_keys closing; // to be closed in the holder, and freed
    size_t key_count;
    struct key_line *lines[KEY_LINES_MAX]; // borrowed
    size_t line_count;
    bool has_thread; // somebody starts holders in the place of those that end
    int wake_fd;     // an eventfd; owned
    atomic_bool must_stop;
    atomic_bool is_alive;
    atomic_size_t waiting; // signatures, on all lines
    atomic_uint_fast64_t restarts;
    atomic_uint_fast64_t signatures;
    atomic_uint_fast64_t failures;
};

// key_desk_init makes one without a holder, with a copy of the link to the keeper. False without memory, or a descriptor;
// key_desk_deinit must follow either way.
bool key_desk_init(struct key_desk *desk, int keeper_fd) MUST_USE;
void key_desk_deinit(struct key_desk *desk);

// key_desk_ask asks the holder, the next one too if that one ends, and waits for one to be there at most `patience_ms`; for the answer of
// one that is there it waits longer. `calls` is locked afterwards in any case: the answer's bytes are borrowed until key_desk_done. ERR_SYSTEM with a
// sentence: nobody answers.
enum err key_desk_ask(struct key_desk *desk, struct key_message *request, int64_t patience_ms,
                      struct key_message *out, struct errinfo *info) MUST_USE;
void key_desk_done(struct key_desk *desk);

// key_desk_say has the holder do something that can fail. `beside` is a descriptor that it gets a copy of; -1: none. Under `calls`.
enum err key_desk_say(struct key_desk *desk, struct key_message *request, int beside,
                      struct key_message *answer, struct errinfo *info) MUST_USE;

// key_desk_seal has the holder open no further folders, and learns its number, and what its sandbox is. ERR_SYSTEM with a sentence: it does
// not answer, cannot confine itself, or has no whole sandbox, and needs one. Under `calls`.
enum err key_desk_seal(struct key_desk *desk, struct errinfo *info) MUST_USE;

// key_desk_begin starts a holder. Under `calls`.
enum err key_desk_begin(struct key_desk *desk, struct errinfo *info) MUST_USE;

// key_desk_start starts the first holder, where there is none yet, and tells it which groups count.
enum err key_desk_start(struct key_desk *desk, struct errinfo *info) MUST_USE;

// key_desk_end forgets the holder. Under `calls`.
void key_desk_end(struct key_desk *desk);

// key_desk_wake has the store's thread look at the lists.
void key_desk_wake(struct key_desk *desk);
