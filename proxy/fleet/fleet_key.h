// fleet_key: seals what proxies of a fleet say to each other by a store, so that the store, and everybody who can write to it,
// can neither read nor make nor move it.
//
// The secrets come from `shared.key_file`. Each purpose has keys of its own (HKDF, RFC 5869). What is sealed is bound to its
// purpose, to the prefix of the store's keys, and to a name, such as that of a field: opened as anything else it is nothing.
// It is not bound to a time: what is old is found by numbers and expiries in what is sealed, which is the callers' matter.
// Immutable; any thread. Knows no store and no file.
#pragma once

#include "auth/base/err.h"
#include "auth/base/slice.h"

enum {
    FLEET_SECRET_LEN = 32,     // bytes
    FLEET_SECRETS_MAX = 3,     // the first one seals, all of them open
    FLEET_SEAL_OVERHEAD = 29,  // bytes that what is sealed is longer than what is in it
    FLEET_SEAL_NAME_MAX = 256, // bytes
    FLEET_KEY_MARK_CAP = 33,   // bytes, with the NUL
};

// fleet_secrets is what the file says.
struct fleet_secrets {
    uint8_t secrets[FLEET_SECRETS_MAX][FLEET_SECRET_LEN];
    size_t count; // at least 1
};

// The words are part of what is authenticated: they never change, nor are they used again.
#define FLEET_PURPOSE_TABLE(X)                                                                     \
    X(FLEET_PURPOSE_BLOCK, "block")     /* named by the block's field */                           \
    X(FLEET_PURPOSE_MEMBER, "member")   /* named by the instance that says it */                   \
    X(FLEET_PURPOSE_ORDER, "order")     /* named by the order's id */                              \
    X(FLEET_PURPOSE_ANSWER, "answer")   /* to an order; named by its id, `:`, and the instance */  \
    X(FLEET_PURPOSE_TICKETS, "tickets") /* named by nothing: there is one */                       \
    X(FLEET_PURPOSE_GREETING, "greeting") /* likewise: it shows whose seals a store has */

enum fleet_purpose {
#define X(symbol, name) symbol,
    FLEET_PURPOSE_TABLE(X)
#undef X
        FLEET_PURPOSE_COUNT
};

struct fleet_key;

// fleet_key_create derives the keys for a store whose keys begin with `prefix`. NULL without memory.
struct fleet_key *fleet_key_create(const struct fleet_secrets *secrets,
                                   struct slice prefix) MUST_USE;

// fleet_key_destroy wipes and frees them. NULL is allowed.
void fleet_key_destroy(struct fleet_key *key);

// fleet_key_seal encrypts `plain` to `out`, which has room for `cap` bytes and is other memory. False when it does not fit,
// when the name is too long, or without memory.
bool fleet_key_seal(const struct fleet_key *key, enum fleet_purpose purpose, struct slice name,
                    struct slice plain, uint8_t *out, size_t cap, size_t *out_len) MUST_USE;

// fleet_key_open decrypts what was sealed for the same purpose and name, under any of the secrets and the same prefix, to
// `out`, other memory with room for `cap` bytes. False for anything else; then nothing of it is in `out`.
bool fleet_key_open(const struct fleet_key *key, enum fleet_purpose purpose, struct slice name,
                    struct slice sealed, uint8_t *out, size_t cap, size_t *out_len) MUST_USE;

// fleet_key_open_by does so, and `*out_secret` says which of the secrets it was, 0 for the first one, which seals.
bool fleet_key_open_by(const struct fleet_key *key, enum fleet_purpose purpose, struct slice name,
                       struct slice sealed, uint8_t *out, size_t cap, size_t *out_len,
                       size_t *out_secret) MUST_USE;

// fleet_key_mark writes a word that stands for the first secret and the prefix, NUL-terminated, for a file that remembers what
// it belongs to. It tells nothing about the secret.
void fleet_key_mark(const struct fleet_key *key, char out[FLEET_KEY_MARK_CAP]);

// fleet_key_has_mark tells whether `mark` is that of any of the secrets, with the same prefix.
bool fleet_key_has_mark(const struct fleet_key *key, struct slice mark);

// fleet_key_is_akin tells whether two keys have a secret in common, with the same prefix: they are of one fleet.
bool fleet_key_is_akin(const struct fleet_key *a, const struct fleet_key *b);
