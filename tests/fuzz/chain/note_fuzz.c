// Fuzzes signed notes, keys, checkpoints and proofs: what a key has opened is in the note, a key that is read is written
// in the same way, and a path of any length gives a root or none.
#include "auth/base/err.h"
#include "proxy/chain/proof.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_keys(struct slice bytes)
{
    struct note_signer signer;
    struct note_verifier verifier;
    char data[NOTE_KEY_CAP];
    struct text text;
    text_init(&text, data, sizeof data);
    if (note_signer_parse(bytes, &signer)) {
        note_signer_format(&signer, &text);
        ASSERT(slice_starts_with(bytes, slice_of(data, strlen("PRIVATE+KEY+"))));
        ASSERT(note_signer_parse(text_slice(&text), &signer));
    } else if (note_verifier_parse(bytes, &verifier)) {
        note_verifier_format(&verifier, &text);
        ASSERT(note_verifier_parse(text_slice(&text), &verifier));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t seed[NOTE_SEED_LEN] = {7};
    const struct slice bytes = slice_of(data, size);
    struct note_signer signer;
    struct slice text;
    struct proof proof;
    struct checkpoint checkpoint;
    ASSERT(note_signer_init(SLICE_LITERAL("sallyport/gate-1"), seed, &signer));
    if (note_open(bytes, &signer.verifier, &text) == NOTE_GOOD)
        ASSERT(text.data == data && text.len > 0 && text.len < size);
    if (checkpoint_open(bytes, &signer.verifier, &checkpoint) == NOTE_GOOD)
        ASSERT(note_open(bytes, &signer.verifier, &text) == NOTE_GOOD);
    if (proof_parse(bytes, &proof)) {
        struct merkle_hash root;
        const struct merkle_hash leaf = merkle_leaf(bytes);
        (void)merkle_path_root(&proof.path, proof.index, size, &leaf, &root);
        ASSERT(proof.note.len > 0 && proof.path.count <= MERKLE_PATH_MAX);
    }
    ASSERT(proof_check(bytes, bytes, &signer.verifier) != PROOF_GOOD);
    check_keys(bytes);
    return 0;
}
