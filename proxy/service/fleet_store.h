// fleet_store: what the parts of the fleet have in common: the link to the store, the names of its keys, seals, and who we are.
//
// On main's loop. A store is not trusted: what has to be true stands sealed there, under a purpose and a name, so that it
// cannot be moved. Knows no part.
#pragma once

#include "proxy/fleet/fleet_blocks.h"
#include "proxy/fleet/fleet_key.h"
#include "proxy/service/state.h"
#include "proxy/store/store_link.h"

enum {
    FLEET_CALL_MS = 2000, // for an answer of the store
    FLEET_KEY_CAP = 192,  // bytes of the name of a key in the store, with the NUL
    FLEET_DIGEST_CAP = 2 * FLEET_SEAL_LEN + 1, // of a digest as text, with the NUL
    FLEET_NUMBER_CAP = 24,                     // of a number as text, with the NUL
    FLEET_SAY_EVERY_MS = 60000,                // one complaint about the store, at most
    FLEET_SAID_MAX = 8,                        // or some of a kind that changes
    FLEET_RESEAL_EVERY_MS =
        30000, // what is there is sealed by another secret of ours so often at most
};

// fleet_events is what the fleet has the process do.
struct fleet_events {
    // adopt_blocks: other proxies have changed blocks, or all were compared for the first time. False: no memory, not in force.
    bool (*adopt_blocks)(struct service *service);
    // keep_state: what outlives a restart has changed.
    bool (*keep_state)(struct service *service);
};

struct fleet_store {
    struct fleet_events events;
    struct service *service; // borrowed
    struct store_link *link; // owned by fleet.c; NULL: nothing is shared
    struct store_script page;
    struct store_script read;
    struct fleet_key *key; // owned; of the configuration in force; NULL: nothing is shared
    char prefix[STORE_PREFIX_CAP];
    char instance[FLEET_INSTANCE_CAP];
    bool is_ready;   // it answers, and its seals are ours: parts may ask
    bool is_foreign; // it answers, and its seals are not ours
    bool is_alone;   // an old process without the one that serves: it reads by itself whom to block
};

// fleet_store_key writes the name of a key in the store: the prefix, then `name`, then `more` ("" allowed).
struct slice fleet_store_key(const struct fleet_store *store, const char *name, const char *more,
                             char out[FLEET_KEY_CAP]);

// fleet_store_call asks the store as store_link_call does, with the usual deadline. False where the store is not ready.
bool fleet_store_call(const struct fleet_store *store, const struct slice *words, size_t count,
                      store_reply_function *on_reply, void *owner);

// fleet_store_script likewise runs a script, with the usual deadline.
bool fleet_store_script(const struct fleet_store *store, const struct store_script_call *call,
                        store_reply_function *on_reply, void *owner);

// fleet_store_is_kept tells whether all blocks of this fleet were compared with a store once, and what is kept here rests on that.
bool fleet_store_is_kept(const struct fleet_store *store);

// fleet_store_page asks for a part of the hash `key` (fleet_store_key), from `cursor` on, "0" at first: fleet_page_parse reads the
// answer. Entries of more than `most` bytes are removed from the store.
bool fleet_store_page(const struct fleet_store *store, struct slice key, struct slice cursor,
                      size_t most, store_reply_function *on_reply, void *owner);

// fleet_store_read asks for the string `key`. What is longer than `most` bytes, or of another kind, is removed, and the answer is
// the empty string.
bool fleet_store_read(const struct fleet_store *store, struct slice key, size_t most,
                      store_reply_function *on_reply, void *owner);

// fleet_store_silence says in half a sentence why nothing is heard from other proxies; NULL: the parts may ask.
const char *fleet_store_silence(const struct fleet_store *store);

// fleet_may_say tells whether a complaint may be said once more, and notes that it is. `*quiet_until_ms` begins at 0, monotonic.
bool fleet_may_say(int64_t *quiet_until_ms);

// fleet_pace is how often a complaint that changes was said. {0} is one that was not.
struct fleet_pace {
    int64_t since_ms; // monotonic; since when they are counted
    unsigned count;
};

// fleet_may_say_some tells whether it may be said once more, FLEET_SAID_MAX times in FLEET_SAY_EVERY_MS, and notes that it is.
bool fleet_may_say_some(struct fleet_pace *pace);

// fleet_store_init makes the scripts of fleet_store_page and fleet_store_read.
void fleet_store_init(struct fleet_store *store);

// fleet_make_name makes a random name of lower-case hexadecimal digits that fills `out` with its NUL. False: there is no randomness.
bool fleet_make_name(char *out, size_t cap) MUST_USE;

// fleet_store_make_instance names this process: as its audit records call it, eight digits, and then at random. False: there is no
// randomness.
bool fleet_store_make_instance(struct fleet_store *store) MUST_USE;

// fleet_script_init makes a script of a text in static memory.
void fleet_script_init(const char *text, struct store_script *out);

// fleet_store_seal seals `plain` under a purpose and a name. The caller frees the result; `*out_len` are its bytes. NULL without
// memory or randomness.
uint8_t *fleet_store_seal(const struct fleet_store *store, enum fleet_purpose purpose,
                          const char *name, struct slice plain, size_t *out_len) MUST_USE;

// fleet_store_open opens what was sealed so; the caller frees the result. NULL: it does not open, or there is no memory.
uint8_t *fleet_store_open(const struct fleet_store *store, enum fleet_purpose purpose,
                          const char *name, struct slice sealed, size_t *out_len) MUST_USE;

// fleet_store_open_by does so, and `*out_is_older` says that it was sealed by a secret that does not seal any more, or not yet.
uint8_t *fleet_store_open_by(const struct fleet_store *store, enum fleet_purpose purpose,
                             const char *name, struct slice sealed, size_t *out_len,
                             bool *out_is_older) MUST_USE;

// fleet_store_digest gives the digest of what stands in the store, by which a script compares it.
void fleet_store_digest(struct slice value, uint8_t out[FLEET_SEAL_LEN]);

// fleet_digest_text gives a digest as scripts are told it, 40 hexadecimal digits in `out`.
struct slice fleet_digest_text(const uint8_t digest[FLEET_SEAL_LEN], char out[FLEET_DIGEST_CAP]);

// fleet_number_text gives a number as scripts are told it, in `out`.
struct slice fleet_number_text(size_t number, char out[FLEET_NUMBER_CAP]);

// fleet_may_reseal tells whether what another secret of ours seals may be sealed again, and notes that it is. `*resealed_ms` begins
// at -FLEET_RESEAL_EVERY_MS, monotonic.
bool fleet_may_reseal(int64_t *resealed_ms);
