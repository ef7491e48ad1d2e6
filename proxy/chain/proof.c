// Lines: the name of the format, `index N`, the hashes, an empty line, and the checkpoint.
#include "proxy/chain/proof.h"

#include <inttypes.h>

#include "auth/base/base64.h"
#include "proxy/chain/seal.h"

#define FORMAT "c2sp.org/tlog-proof@v1\n"
#define INDEX  "index "

void proof_format(const struct proof *proof, struct text *out)
{
    text_append_format(out, FORMAT INDEX "%" PRIu64 "\n", proof->index);
    for (size_t i = 0; i < proof->path.count; i++) {
        base64_append(out, merkle_hash_slice(&proof->path.hashes[i]));
        text_append_string(out, "\n");
    }
    text_append_string(out, "\n");
    text_append(out, proof->note);
}

static struct slice take_line(struct slice *text)
{
    const struct slice line = slice_first(*text, slice_find(*text, '\n'));
    *text = slice_from(*text, line.len + 1);
    return line;
}

bool proof_parse(struct slice text, struct proof *out)
{
    *out = (struct proof){0};
    if (!slice_starts_with(text, SLICE_LITERAL(FORMAT)))
        return false;
    text = slice_from(text, sizeof FORMAT - 1);
    struct slice line = take_line(&text);
    if (!slice_starts_with(line, SLICE_LITERAL(INDEX)) ||
        !seq_parse(slice_from(line, sizeof INDEX - 1), &out->index))
        return false;
    while (text.len > 0 && (line = take_line(&text)).len > 0) {
        if (out->path.count == MERKLE_PATH_MAX)
            return false;
        struct merkle_hash *hash = &out->path.hashes[out->path.count++];
        if (!base64_read(line, hash->bytes, sizeof hash->bytes))
            return false;
    }
    out->note = text;
    return text.len > 0;
}

enum proof_result proof_check(struct slice text, struct slice line,
                              const struct note_verifier *verifier)
{
    struct proof proof;
    struct checkpoint checkpoint;
    struct seal seal;
    struct merkle_hash root;
    if (!proof_parse(text, &proof))
        return PROOF_MALFORMED;
    const enum note_result note = checkpoint_open(proof.note, verifier, &checkpoint);
    if (note != NOTE_GOOD)
        return note == NOTE_MALFORMED ? PROOF_MALFORMED : PROOF_UNSIGNED;
    const struct merkle_hash entry = merkle_hash_of(line);
    const struct merkle_hash leaf = merkle_leaf(merkle_hash_slice(&entry));
    const bool is_in = seal_parse(line, &seal) && seal.instance == checkpoint.instance &&
                       seal.seq == proof.index &&
                       merkle_path_root(&proof.path, proof.index, checkpoint.size, &leaf, &root) &&
                       merkle_hash_equal(&root, &checkpoint.root);
    return is_in ? PROOF_GOOD : PROOF_OTHER;
}
