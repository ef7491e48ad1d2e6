// The nodes are kept as a stack: two perfect subtrees of one height become one of the next.
#include "proxy/chain/merkle.h"

#include <openssl/sha.h>

#include "auth/base/err.h"

enum { LEAF_PREFIX = 0, NODE_PREFIX = 1 };

struct merkle_hash merkle_hash_of(struct slice bytes)
{
    struct merkle_hash out;
    (void)SHA256(bytes.data, bytes.len, out.bytes);
    return out;
}

bool merkle_hash_equal(const struct merkle_hash *a, const struct merkle_hash *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

struct slice merkle_hash_slice(const struct merkle_hash *hash)
{
    return slice_of(hash->bytes, sizeof hash->bytes);
}

struct merkle_hash merkle_leaf(struct slice entry)
{
    const uint8_t prefix = LEAF_PREFIX;
    struct merkle_hash out;
    SHA256_CTX context;
    (void)SHA256_Init(&context);
    (void)SHA256_Update(&context, &prefix, 1);
    (void)SHA256_Update(&context, entry.data, entry.len);
    (void)SHA256_Final(out.bytes, &context);
    return out;
}

static struct merkle_hash node_of(const struct merkle_hash *left, const struct merkle_hash *right)
{
    uint8_t data[1 + 2 * MERKLE_HASH_LEN] = {NODE_PREFIX};
    (void)bytes_copy(data + 1, MERKLE_HASH_LEN, merkle_hash_slice(left));
    (void)bytes_copy(data + 1 + MERKLE_HASH_LEN, MERKLE_HASH_LEN, merkle_hash_slice(right));
    return merkle_hash_of(slice_of(data, sizeof data));
}

size_t merkle_node_count(uint64_t size)
{
    return (size_t)__builtin_popcountll(size);
}

void merkle_append(struct merkle *tree, const struct merkle_hash *leaf)
{
    size_t count = merkle_node_count(tree->size);
    struct merkle_hash node = *leaf;
    for (uint64_t rest = tree->size; (rest & 1) != 0; rest >>= 1) {
        count--;
        node = node_of(&tree->nodes[count], &node);
    }
    ASSERT(count < MERKLE_NODES_MAX);
    tree->nodes[count] = node;
    tree->size++;
}

struct merkle_hash merkle_root(const struct merkle *tree)
{
    size_t count = merkle_node_count(tree->size);
    if (count == 0)
        return merkle_hash_of((struct slice){0});
    struct merkle_hash root = tree->nodes[--count];
    while (count > 0)
        root = node_of(&tree->nodes[--count], &root);
    return root;
}

// left_size gives the largest power of two below `size`, which is at least 2.
static uint64_t left_size(uint64_t size)
{
    return (uint64_t)1 << (63 - __builtin_clzll(size - 1));
}

// known_subtree finds one of the subtrees of what is before the known leaves; NULL: it is none.
static const struct merkle_hash *known_subtree(const struct merkle *before, uint64_t begin,
                                               uint64_t size)
{
    uint64_t at = 0;
    size_t index = 0;
    for (uint64_t bit = (uint64_t)1 << 63; bit != 0; bit >>= 1) {
        if ((before->size & bit) == 0)
            continue;
        if (at == begin && bit == size)
            return &before->nodes[index];
        at += bit;
        index++;
    }
    return NULL;
}

// subtree_hash gives the hash of the leaves [begin, begin + size): for the siblings of a leaf that is known by itself,
// each part before the known leaves is a subtree of `before`.
static bool subtree_hash(const struct merkle_leaves *leaves, uint64_t begin, uint64_t size,
                         struct merkle_hash *out)
{
    const struct merkle_hash *known = known_subtree(&leaves->before, begin, size);
    struct merkle_hash right;
    if (known != NULL) {
        *out = *known;
        return true;
    }
    if (size == 1 && begin < leaves->before.size)
        return false;
    if (size == 1) {
        *out = leaves->leaves[begin - leaves->before.size];
        return true;
    }
    const uint64_t left = left_size(size);
    if (!subtree_hash(leaves, begin, left, out) ||
        !subtree_hash(leaves, begin + left, size - left, &right))
        return false;
    *out = node_of(out, &right);
    return true;
}

// prove_in goes down from the subtree [begin, begin + size) to the leaf, and adds the siblings on the way back.
static bool prove_in(const struct merkle_leaves *leaves, uint64_t index, uint64_t begin,
                     uint64_t size, struct merkle_path *out)
{
    if (size == 1)
        return true;
    const uint64_t left = left_size(size);
    const bool is_left = index < begin + left;
    const uint64_t sibling = is_left ? begin + left : begin;
    const uint64_t sibling_size = is_left ? size - left : left;
    if (!prove_in(leaves, index, is_left ? begin : begin + left, is_left ? left : size - left, out))
        return false;
    return subtree_hash(leaves, sibling, sibling_size, &out->hashes[out->count++]);
}

bool merkle_prove(const struct merkle_leaves *leaves, uint64_t index, uint64_t size,
                  struct merkle_path *out)
{
    const uint64_t before = leaves->before.size;
    out->count = 0;
    return index >= before && index < size && size - before <= leaves->count &&
           prove_in(leaves, index, 0, size, out);
}

bool merkle_path_root(const struct merkle_path *path, uint64_t index, uint64_t size,
                      const struct merkle_hash *leaf, struct merkle_hash *out)
{
    if (index >= size || path->count > MERKLE_PATH_MAX)
        return false;
    uint64_t at = index;
    uint64_t last = size - 1;
    *out = *leaf;
    for (size_t i = 0; i < path->count; i++) {
        if (last == 0)
            return false;
        if ((at & 1) != 0 || at == last) {
            *out = node_of(&path->hashes[i], out);
            while ((at & 1) == 0 && at != 0) {
                at >>= 1;
                last >>= 1;
            }
        } else {
            *out = node_of(out, &path->hashes[i]);
        }
        at >>= 1;
        last >>= 1;
    }
    return last == 0;
}
