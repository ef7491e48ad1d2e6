// proof: that an entry is in a log (C2SP tlog-proof): its index, the path to the root, and a checkpoint with that root.
//
// Pure.
#pragma once

#include "proxy/chain/checkpoint.h"

enum { PROOF_CAP = 8192 }; // bytes of the longest, with the NUL

struct proof {
    uint64_t index;
    struct merkle_path path;
    struct slice note; // the checkpoint; borrowed
};

// proof_format writes one into at least PROOF_CAP bytes.
void proof_format(const struct proof *proof, struct text *out);

// proof_parse reads one. False: it is none. `extra` is not understood, and refused.
bool proof_parse(struct slice text, struct proof *out);

enum proof_result {
    PROOF_GOOD,
    PROOF_MALFORMED,
    PROOF_UNSIGNED, // the checkpoint is not of this key
    PROOF_OTHER,    // the entry is not in the log, or not at this index
};

// proof_check judges a proof for the line of a log: the entry is the line's hash, and its seal has the checkpoint's
// instance and the index as its number.
enum proof_result proof_check(struct slice text, struct slice line,
                              const struct note_verifier *verifier) MUST_USE;
