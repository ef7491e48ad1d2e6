// store_link: the connection of this process to the Valkey or Redis that the fleet shares.
//
// One for the process, on main's loop. It keeps itself connected: by the list of places, AUTH, and a look at ROLE, so that
// only a master is used. What it hears is bounded and judged as an answer, not as true: callers do that. Calls wait for
// nobody: what cannot be asked now is refused, and nothing is asked twice. Knows nothing of what is stored.
#pragma once

#include "proxy/fetch/connection.h"
#include "proxy/metrics/histogram.h"
#include "proxy/store/store_call.h"
#include "proxy/store/store_settings.h"

enum {
    STORE_SILENCE_MS = 1000, // without an answer that is due: lost
    STORE_SENTENCE_CAP = 400,
};

#define STORE_STATE_TABLE(X)                                                                       \
    X(STORE_CONNECTING, "connecting") /* since the start; no attempt has failed yet */             \
    X(STORE_READY, "ready")           /* calls are taken */                                        \
    X(STORE_LOST, "lost")             /* no connection, or no answer in time; tries again */

enum store_state {
#define X(name, word) name,
    STORE_STATE_TABLE(X)
#undef X
};

// store_state_name gives the word for status and metrics.
const char *store_state_name(enum store_state state);

// store_facts is what people and metrics see.
struct store_facts {
    enum store_state state;
    int64_t since_ms;            // Unix time, of the state
    char place[TARGET_TEXT_CAP]; // host:port that is in use or was tried last; empty: none yet
    char sentence
        [STORE_SENTENCE_CAP]; // of the last fault, with what to do; when it is ready, of an error in the last minute; empty: none
    int64_t pause_ms;  // lost: from then until it is tried again; 0: at once, at another place
    uint64_t connects; // how often it became ready
    uint64_t calls;    // that were sent
    uint64_t failures; // of those: lost, late, or answered by an error
    uint64_t refusals; // calls that were not taken
    struct histogram latency; // of answers, by histogram_waits
};

struct store_link;

struct store_link_options {
    const struct fetch_path *path;         // borrowed; loop, resolver and buffers
    const struct store_settings *settings; // copied
    // the state has changed, or the store has answered with an error, which is the sentence then; from the loop, never from
    // within a function of this header; it must not destroy the link
    void (*on_change)(void *owner);
    void *owner; // borrowed
};

// store_link_create makes it and begins to connect. NULL without memory.
struct store_link *store_link_create(const struct store_link_options *options) MUST_USE;

// store_link_destroy closes it; no callback is called any more. NULL is allowed.
void store_link_destroy(struct store_link *link);

// store_link_facts gives what is known, borrowed until destroy.
const struct store_facts *store_link_facts(const struct store_link *link);

// store_link_call asks the store; the words are copied. `on_reply` is called exactly once with `owner` (borrowed), from the
// loop, never from within this function, at the latest about `deadline_ms`, monotonic. Calls are sent in their order, and
// answered in it. False: not taken, since the link is not ready, or as much is under way as may be; `on_reply` is not called.
bool store_link_call(struct store_link *link, const struct slice *argv, size_t argc,
                     int64_t deadline_ms, store_reply_function *on_reply, void *owner) MUST_USE;

// store_link_script calls a script by its name, and once more with its text where the server does not know it: then what was
// called after it comes before it. Otherwise as store_link_call.
bool store_link_script(struct store_link *link, const struct store_script_call *call,
                       int64_t deadline_ms, store_reply_function *on_reply, void *owner) MUST_USE;

// store_link_say is store_link_call at the end of all: it sends at once what can be sent, and nobody waits for an answer.
void store_link_say(struct store_link *link, const struct slice *argv, size_t argc);

// store_link_forgive: what it has answered with an error works again, so the sentence about that is over.
void store_link_forgive(struct store_link *link);

// store_link_forget drops the calls of this owner: they are not answered any more. What was sent is done nevertheless.
void store_link_forget(struct store_link *link, const void *owner);
