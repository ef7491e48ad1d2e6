// Pairs are sorted; each key's numbers then stand side by side; a table of slots leads to them.
#include "auth/key_index.h"

#include <stdlib.h>

#include "auth/base/hash.h"

struct key_slot {
    uint64_t key;
    uint32_t start; // in ids
    uint32_t count; // 0: free
};

struct key_index {
    const uint32_t *ids;          // arena
    const struct key_slot *slots; // arena
    size_t mask;                  // number of slots - 1
};

enum err key_index_builder_add(struct key_index_builder *builder, uint64_t key, uint32_t id)
{
    if (builder->count == builder->cap) {
        const size_t cap = builder->cap == 0 ? 16 : builder->cap * 2;
        struct key_pair *grown = reallocarray(builder->pairs, cap, sizeof *grown);
        if (grown == NULL)
            return ERR_MEMORY;
        builder->pairs = grown;
        builder->cap = cap;
    }
    builder->pairs[builder->count++] = (struct key_pair){.key = key, .id = id};
    return ERR_OK;
}

void key_index_builder_deinit(struct key_index_builder *builder)
{
    free(builder->pairs);
    *builder = (struct key_index_builder){0};
}

static int compare_pairs(const void *left, const void *right)
{
    const struct key_pair *a = left;
    const struct key_pair *b = right;
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

static void put_slot(struct key_slot *slots, size_t mask, struct key_slot slot)
{
    size_t i = slot.key & mask;
    while (slots[i].count != 0)
        i = (i + 1) & mask;
    slots[i] = slot;
}

// fill writes the sorted pairs into ids and slots, which have room.
static void fill(const struct key_index_builder *builder, uint32_t *ids, struct key_slot *slots,
                 size_t mask)
{
    struct key_slot open = {0};
    uint32_t id_count = 0;
    for (size_t i = 0; i < builder->count; i++) {
        const struct key_pair *pair = &builder->pairs[i];
        if (open.count != 0 && pair->key != open.key) {
            put_slot(slots, mask, open);
            open = (struct key_slot){0};
        }
        if (open.count != 0 && ids[id_count - 1] == pair->id)
            continue;
        if (open.count == 0)
            open = (struct key_slot){.key = pair->key, .start = id_count};
        ids[id_count++] = pair->id;
        open.count++;
    }
    if (open.count != 0)
        put_slot(slots, mask, open);
}

const struct key_index *key_index_builder_finish(struct key_index_builder *builder,
                                                 struct arena *arena)
{
    size_t slot_count = 4;
    while (slot_count / 4 * 3 < builder->count)
        slot_count *= 2;
    struct key_index *index = arena_alloc(arena, 1, sizeof *index);
    uint32_t *ids = arena_alloc(arena, builder->count, sizeof *ids);
    struct key_slot *slots = arena_alloc(arena, slot_count, sizeof *slots);
    const bool is_good = index != NULL && ids != NULL && slots != NULL;
    if (is_good) {
        if (builder->count > 1)
            qsort(builder->pairs, builder->count, sizeof builder->pairs[0], compare_pairs);
        fill(builder, ids, slots, slot_count - 1);
        *index = (struct key_index){.ids = ids, .slots = slots, .mask = slot_count - 1};
    }
    key_index_builder_deinit(builder);
    return is_good ? index : NULL;
}

struct id_list key_index_find(const struct key_index *index, uint64_t key)
{
    for (size_t i = key & index->mask;; i = (i + 1) & index->mask) {
        const struct key_slot *slot = &index->slots[i];
        if (slot->count == 0)
            return (struct id_list){0};
        if (slot->key == key)
            return (struct id_list){.ids = index->ids + slot->start, .count = slot->count};
    }
}

uint64_t key_of_bytes(uint8_t kind, struct slice bytes)
{
    uint64_t hash = hash_add(hash_begin(), kind);
    for (size_t i = 0; i < bytes.len; i++)
        hash = hash_add(hash, bytes.data[i]);
    return hash_end(hash);
}
