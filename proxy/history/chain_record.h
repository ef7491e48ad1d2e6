// chain_record: the record `checkpoint`, read back.
#pragma once

#include "proxy/chain/checkpoint.h"
#include "proxy/history/entry.h"

// chain_checkpoint_open reads the note of a `checkpoint` record, signed by one of the keys. `*out_tree` gets the subtrees
// that the record has, if they have the note's root, and is empty otherwise.
enum note_result chain_checkpoint_open(const struct history_entry *entry,
                                       const struct note_verifier *keys, size_t key_count,
                                       struct checkpoint *out, struct merkle *out_tree);
