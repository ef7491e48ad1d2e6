// A note, and the subtrees.
#include "proxy/history/chain_record.h"

#include "auth/base/base64.h"

static bool tree_read(const struct history_entry *entry, uint64_t size, struct merkle *out)
{
    const json_t *list = json_object_get(entry->root, "tree");
    *out = (struct merkle){.size = size};
    if (json_array_size(list) != merkle_node_count(size))
        return false;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *node = json_array_get(list, i);
        if (!base64_read(slice_of(json_string_value(node), json_string_length(node)),
                         out->nodes[i].bytes, sizeof out->nodes[i].bytes))
            return false;
    }
    return true;
}

enum note_result chain_checkpoint_open(const struct history_entry *entry,
                                       const struct note_verifier *keys, size_t key_count,
                                       struct checkpoint *out, struct merkle *out_tree)
{
    const char *text = history_text(entry->root, "note");
    enum note_result result = NOTE_MALFORMED;
    *out_tree = (struct merkle){0};
    for (size_t i = 0; text != NULL && i < key_count && result != NOTE_GOOD; i++) {
        const enum note_result one = checkpoint_open(slice_of_string(text), &keys[i], out);
        if (i == 0 || one == NOTE_GOOD || one == NOTE_FORGED)
            result = one;
    }
    if (result != NOTE_GOOD || !tree_read(entry, out->size, out_tree)) {
        *out_tree = (struct merkle){0};
        return result;
    }
    const struct merkle_hash root = merkle_root(out_tree);
    if (!merkle_hash_equal(&root, &out->root))
        *out_tree = (struct merkle){0};
    return result;
}
