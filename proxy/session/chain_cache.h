// chain_cache: chains that were found good a short while ago, so that a client that comes again costs no
// signatures. Private to proxy/session, one table a worker.
//
// What is remembered is what cannot change: that this chain, byte for byte, was verified against this
// profile. What can change is asked again every time (trust_recheck): revocation, denied certificates,
// the expiry of lists, validity, lifetime, depth. Refusals are not remembered. A table belongs to one
// snapshot: with the next one it is emptied, and clients accepted under an older one are not looked up.
#pragma once

#include "auth/trust.h"

enum {
    CHAIN_CACHE_SETS = 256, // places of a table: sets of a few ways each
    CHAIN_CACHE_WAYS = 4,
};

struct cached_chain {
    uint8_t chain[32];         // SHA-256 of the whole presented chain, lengths included
    const struct trust *trust; // borrowed from the snapshot; only ever compared
    struct identity *identity; // owned with others; NULL: the place is free
    uint64_t used;             // when it was last of use, in look-ups
};

struct chain_cache {
    struct cached_chain *places; // owned; NULL until the first one
    uint64_t look_ups;
    uint64_t hits;
};

// chain_cache_verify judges as trust_verify does, and with the same result; a chain that it has seen, without
// signatures. `trust` must be of the table's snapshot.
enum err chain_cache_verify(struct chain_cache *cache, const struct trust *trust,
                            const STACK_OF(CRYPTO_BUFFER) *chain, int64_t now_s,
                            struct trust_verdict *out) MUST_USE;

// chain_cache_clear forgets everything, and gives the memory back. A zeroed table is allowed.
void chain_cache_clear(struct chain_cache *cache);
