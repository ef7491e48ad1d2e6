// client_index: which entries of `match` could fit an identity, found without looking at the others.
// Internal to auth.
//
// Each entry is filed under one of its parts, the one that the fewest entries share. An identity is
// looked up under every name that it has; what is found is compared by match_entry_fits, in file
// order. Built once, then immutable.
#pragma once

#include "auth/policy.h"

// client_index_create files every entry of the policy's clients into its arena. ERR_MEMORY.
enum err client_index_create(struct policy *policy, const struct client_index **out) MUST_USE;

// client_index_find gives the first client in file order that fits, or NULL: what policy_find_client
// says, of the policy that the index was made of.
const struct client *client_index_find(const struct client_index *index,
                                       const struct policy *policy,
                                       const struct identity *identity);
