// chain_settings: how an audit log is chained: `audit.chain` of the configuration.
#pragma once

#include "proxy/chain/checkpoint_signer.h"

struct chain_settings {
    struct checkpoint_signer *signer; // ref
    int64_t every_ms;                 // between checkpoints, while there are records
};

// chain_settings_create makes one, and takes over the reference to `signer`. NULL without memory, also where `signer` is NULL.
struct chain_settings *chain_settings_create(struct checkpoint_signer *signer,
                                             int64_t every_ms) MUST_USE;

// chain_settings_copy makes a copy with a reference of its own. NULL without memory.
struct chain_settings *chain_settings_copy(const struct chain_settings *settings) MUST_USE;

// chain_settings_destroy frees one of either. NULL is allowed.
void chain_settings_destroy(struct chain_settings *settings);

// chain_settings_equal tells whether both sign with the same key, as often. NULL is equal to NULL alone.
bool chain_settings_equal(const struct chain_settings *a, const struct chain_settings *b);
