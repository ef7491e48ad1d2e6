// The one with the key at hand.
#include "proxy/chain/checkpoint_signer.h"

#include <openssl/mem.h>
#include <stdatomic.h>

struct signer_at_hand {
    struct checkpoint_signer signer; // first
    atomic_uint refs;
    struct note_signer key;
};

static void at_hand_ref(struct checkpoint_signer *signer)
{
    struct signer_at_hand *at_hand = (struct signer_at_hand *)signer;
    (void)atomic_fetch_add_explicit(&at_hand->refs, 1, memory_order_relaxed);
}

static void at_hand_unref(struct checkpoint_signer *signer)
{
    struct signer_at_hand *at_hand = (struct signer_at_hand *)signer;
    if (atomic_fetch_sub_explicit(&at_hand->refs, 1, memory_order_acq_rel) == 1)
        OPENSSL_free(at_hand); // BoringSSL wipes what it frees
}

static bool at_hand_sign(struct checkpoint_signer *signer, const struct checkpoint *checkpoint,
                         struct text *out)
{
    checkpoint_format(checkpoint, &((struct signer_at_hand *)signer)->key, out);
    return true;
}

static const struct checkpoint_signer_ops ops = {
    .ref = at_hand_ref, .unref = at_hand_unref, .sign = at_hand_sign};

struct checkpoint_signer *checkpoint_signer_create(const struct note_signer *key)
{
    struct signer_at_hand *at_hand = OPENSSL_malloc(sizeof *at_hand);
    if (at_hand == NULL)
        return NULL;
    at_hand->signer = (struct checkpoint_signer){.ops = &ops, .verifier = key->verifier};
    at_hand->key = *key;
    atomic_init(&at_hand->refs, 1);
    return &at_hand->signer;
}
