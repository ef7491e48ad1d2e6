// key_index: from a 64-bit key to the ascending list of numbers that were filed under it. Internal
// to auth.
//
// Keys are hashes: two things may share one, so what is found is a list of candidates, each of which
// the caller compares itself. Built once, then immutable.
#pragma once

#include "auth/base/arena.h"

struct key_index; // opaque; lives in the arena that it was built in

struct key_pair {
    uint64_t key;
    uint32_t id;
};

// key_index_builder collects pairs on the heap. A zeroed one is empty; fields are private.
struct key_index_builder {
    struct key_pair *pairs; // owned
    size_t count;
    size_t cap;
};

// key_index_builder_add files `id` under `key`.
enum err key_index_builder_add(struct key_index_builder *builder, uint64_t key,
                               uint32_t id) MUST_USE;

// key_index_builder_finish compiles the pairs into `arena` and empties the builder. NULL without
// memory.
const struct key_index *key_index_builder_finish(struct key_index_builder *builder,
                                                 struct arena *arena) MUST_USE;

// key_index_builder_deinit frees what an abandoned builder holds. A zeroed one is allowed.
void key_index_builder_deinit(struct key_index_builder *builder);

struct id_list {
    const uint32_t *ids; // ascending, each once; borrowed from the index
    size_t count;
};

// key_index_find gives what was filed under `key`; an empty list when nothing was.
struct id_list key_index_find(const struct key_index *index, uint64_t key);

// key_of_bytes makes a key of a kind and bytes, read forward.
uint64_t key_of_bytes(uint8_t kind, struct slice bytes);
