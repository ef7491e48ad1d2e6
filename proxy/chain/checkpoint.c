// Three lines or four.
#include "proxy/chain/checkpoint.h"

#include "auth/base/base64.h"
#include "proxy/chain/seal.h"

void checkpoint_format(const struct checkpoint *checkpoint, const struct note_signer *signer,
                       struct text *out)
{
    text_append_format(out, "%s/%08x\n%llu\n", signer->verifier.name, checkpoint->instance,
                       (unsigned long long)checkpoint->size);
    base64_append(out, merkle_hash_slice(&checkpoint->root));
    text_append_string(out, checkpoint->is_end ? "\nend\n" : "\n");
    note_sign(signer, out);
}

static struct slice take_line(struct slice *text)
{
    const struct slice line = slice_first(*text, slice_find(*text, '\n'));
    *text = slice_from(*text, line.len + 1);
    return line;
}

static bool text_read(struct slice text, const struct note_verifier *verifier,
                      struct checkpoint *out)
{
    const struct slice name = slice_of_string(verifier->name);
    struct slice origin = take_line(&text);
    const struct slice size = take_line(&text);
    const struct slice root = take_line(&text);
    out->is_end = slice_equal(text, SLICE_LITERAL("end\n"));
    if (!slice_starts_with(origin, name))
        return false;
    origin = slice_from(origin, name.len);
    return origin.len > 0 && origin.data[0] == '/' &&
           instance_parse(slice_from(origin, 1), &out->instance) && seq_parse(size, &out->size) &&
           base64_read(root, out->root.bytes, sizeof out->root.bytes) &&
           (text.len == 0 || out->is_end);
}

enum note_result checkpoint_open(struct slice note, const struct note_verifier *verifier,
                                 struct checkpoint *out)
{
    struct slice text;
    *out = (struct checkpoint){0};
    const enum note_result result = note_open(note, verifier, &text);
    if (result != NOTE_GOOD)
        return result;
    return text_read(text, verifier, out) ? NOTE_GOOD : NOTE_MALFORMED;
}
