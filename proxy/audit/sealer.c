// The entry of a line in the tree is its SHA-256, the same that the next line has as `prev`: a line is hashed once, and
// where one line was changed or removed the next one still gives its entry.
#include "proxy/audit/sealer.h"

#include <openssl/rand.h>
#include <openssl/sha.h>

#include "proxy/chain/checkpoint.h"

void sealer_begin(struct sealer *sealer, struct seal_link after, struct chain_settings *chain,
                  int64_t now_ms)
{
    *sealer = (struct sealer){.after = after, .chain = chain, .tried_ms = now_ms};
    (void)RAND_bytes((uint8_t *)&sealer->instance, sizeof sealer->instance);
}

void sealer_deinit(struct sealer *sealer)
{
    chain_settings_destroy(sealer->chain);
    sealer->chain = NULL;
}

// add_line hashes a line for the next one and for the tree.
static void add_line(struct sealer *sealer, struct slice body, struct slice end)
{
    SHA256_CTX context;
    (void)SHA256_Init(&context);
    (void)SHA256_Update(&context, body.data, body.len);
    (void)SHA256_Update(&context, end.data, end.len);
    (void)SHA256_Final(sealer->last.bytes, &context);
    const struct merkle_hash leaf = merkle_leaf(merkle_hash_slice(&sealer->last));
    merkle_append(&sealer->tree, &leaf);
}

void sealer_seal(struct sealer *sealer, struct slice body, struct seal_text *out)
{
    const struct seal seal = {.instance = sealer->instance,
                              .seq = sealer->seq,
                              .is_chained = sealer->chain != NULL,
                              .prev = sealer->last,
                              .after = sealer->after};
    struct text text;
    text_init(&text, out->data, sizeof out->data);
    seal_append(&seal, &text);
    out->len = (uint32_t)text.len;
    sealer->seq++;
    if (sealer->chain != NULL)
        add_line(sealer, body, slice_of(out->data, out->len - 1));
}

bool sealer_has_unsigned(const struct sealer *sealer)
{
    return sealer->chain != NULL && sealer->seq > sealer->signed_seq;
}

bool sealer_is_due(const struct sealer *sealer, int64_t now_ms)
{
    return sealer_has_unsigned(sealer) && now_ms - sealer->tried_ms >= sealer->chain->every_ms;
}

struct audit_record *sealer_checkpoint(struct sealer *sealer, int64_t wall_ms, int64_t now_ms,
                                       bool is_end)
{
    char data[CHECKPOINT_CAP];
    struct text note;
    if (sealer->chain == NULL)
        return NULL;
    const struct checkpoint checkpoint = {.instance = sealer->instance,
                                          .size = sealer->tree.size,
                                          .root = merkle_root(&sealer->tree),
                                          .is_end = is_end};
    text_init(&note, data, sizeof data);
    sealer->tried_ms = now_ms;
    if (!checkpoint_signer_sign(sealer->chain->signer, &checkpoint, &note))
        return NULL;
    struct audit_record *record =
        audit_checkpoint_create(wall_ms, text_slice(&note), &sealer->tree);
    if (record == NULL)
        return NULL;
    sealer->signed_seq = sealer->seq + 1;
    return record;
}

struct seal_link sealer_link(const struct sealer *sealer, struct seal_link found)
{
    if (sealer->chain == NULL || sealer->seq == 0)
        return found;
    return (struct seal_link){.kind = SEAL_LINK_RECORD,
                              .instance = sealer->instance,
                              .seq = sealer->seq - 1,
                              .hash = sealer->last};
}
