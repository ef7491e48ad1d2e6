// checkpoint: what a log's Merkle tree was at one moment, as a signed note (C2SP tlog-checkpoint): origin, size, root,
// and for the last one of an instance the line `end`.
//
// Pure. An origin is the key's name, a slash, and the instance.
#pragma once

#include "proxy/chain/merkle.h"
#include "proxy/chain/note.h"

enum { CHECKPOINT_CAP = 640 }; // bytes of the longest that we write, with the NUL

struct checkpoint {
    uint32_t instance;
    uint64_t size; // leaves
    struct merkle_hash root;
    bool is_end; // the instance ends after it
};

// checkpoint_format writes and signs one into at least CHECKPOINT_CAP bytes.
void checkpoint_format(const struct checkpoint *checkpoint, const struct note_signer *signer,
                       struct text *out);

// checkpoint_open reads one that `verifier` has signed. NOTE_MALFORMED also for a note whose text is no checkpoint of a
// log of this key.
enum note_result checkpoint_open(struct slice note, const struct note_verifier *verifier,
                                 struct checkpoint *out) MUST_USE;
