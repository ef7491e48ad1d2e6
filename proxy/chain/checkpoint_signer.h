// checkpoint_signer: who signs an audit log's checkpoints: a key at hand, or one that is kept somewhere else.
//
// Immutable and counted; any thread may hold one.
#pragma once

#include "proxy/chain/checkpoint.h"

struct checkpoint_signer;

struct checkpoint_signer_ops {
    void (*ref)(struct checkpoint_signer *signer);
    void (*unref)(struct checkpoint_signer *signer); // the last one frees, and wipes
    // sign writes the signed note into at least CHECKPOINT_CAP bytes. False: it does not sign this, or cannot now. May block.
    bool (*sign)(struct checkpoint_signer *signer, const struct checkpoint *checkpoint,
                 struct text *out);
};

struct checkpoint_signer {
    const struct checkpoint_signer_ops *ops; // static memory
    struct note_verifier verifier;           // the key's public half
};

// checkpoint_signer_create makes one of a key, which it copies; the caller wipes its own. NULL without memory.
struct checkpoint_signer *checkpoint_signer_create(const struct note_signer *key) MUST_USE;

// checkpoint_signer_ref takes another reference and returns its argument, checkpoint_signer_unref gives one back. NULL is
// allowed for both.
static inline struct checkpoint_signer *checkpoint_signer_ref(struct checkpoint_signer *signer)
{
    if (signer != NULL)
        signer->ops->ref(signer);
    return signer;
}

static inline void checkpoint_signer_unref(struct checkpoint_signer *signer)
{
    if (signer != NULL)
        signer->ops->unref(signer);
}

// checkpoint_signer_sign is ops->sign.
static inline bool MUST_USE checkpoint_signer_sign(struct checkpoint_signer *signer,
                                                   const struct checkpoint *checkpoint,
                                                   struct text *out)
{
    return signer->ops->sign(signer, checkpoint, out);
}
