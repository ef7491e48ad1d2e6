// merkle: the Merkle tree of RFC 9162 (2.1) over SHA-256: grown leaf by leaf in bounded memory, and proofs that a leaf is
// in it.
//
// Pure. Does not know what an entry is.
#pragma once

#include "auth/base/slice.h"

enum { MERKLE_HASH_LEN = 32, MERKLE_NODES_MAX = 64, MERKLE_PATH_MAX = 64 };

struct merkle_hash {
    uint8_t bytes[MERKLE_HASH_LEN];
};

// merkle is a tree of `size` leaves. {0} is the empty tree.
struct merkle {
    uint64_t size;
    // of the perfect subtrees that it is made of, the largest first: as many as `size` has bits that are set
    struct merkle_hash nodes[MERKLE_NODES_MAX];
};

// merkle_hash_of gives the SHA-256 of bytes.
struct merkle_hash merkle_hash_of(struct slice bytes);

// merkle_hash_equal tells whether both are the same.
bool merkle_hash_equal(const struct merkle_hash *a, const struct merkle_hash *b);

// merkle_hash_slice gives the bytes, borrowed.
struct slice merkle_hash_slice(const struct merkle_hash *hash);

// merkle_leaf gives the hash of the leaf for an entry.
struct merkle_hash merkle_leaf(struct slice entry);

// merkle_append adds a leaf, given by its hash.
void merkle_append(struct merkle *tree, const struct merkle_hash *leaf);

// merkle_node_count gives the number of perfect subtrees of a tree of `size` leaves.
size_t merkle_node_count(uint64_t size);

// merkle_root gives the hash of the whole tree.
struct merkle_hash merkle_root(const struct merkle *tree);

// merkle_path is the siblings on the way from a leaf to the root, the lowest first.
struct merkle_path {
    size_t count;
    struct merkle_hash hashes[MERKLE_PATH_MAX];
};

// merkle_leaves is a tree of which the first part is known by its subtrees, and each later leaf by itself.
struct merkle_leaves {
    struct merkle before;             // borrowed nothing: a value
    const struct merkle_hash *leaves; // borrowed; those after `before`
    uint64_t count;
};

// merkle_prove gives the path of the leaf `index` in the tree of its first `size` leaves. False: the leaf is in `before`,
// or the tree has not so many leaves.
bool merkle_prove(const struct merkle_leaves *leaves, uint64_t index, uint64_t size,
                  struct merkle_path *out);

// merkle_path_root gives the root that a tree of `size` leaves has if `leaf` is at `index` and the path is right
// (RFC 9162, 2.1.3.2). False: no such tree has a path of this length.
bool merkle_path_root(const struct merkle_path *path, uint64_t index, uint64_t size,
                      const struct merkle_hash *leaf, struct merkle_hash *out);
