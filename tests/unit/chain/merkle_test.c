// The Merkle tree against the vectors that implementations of RFC 6962 share, and against a second, recursive one.
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auth/base/hex.h"
#include "proxy/chain/merkle.h"

enum { LEAVES = 130 };

static struct merkle_hash hash_of_hex(const char *text)
{
    struct merkle_hash out;
    size_t digits = 0;
    assert_true(hex_read(slice_of_string(text), out.bytes, sizeof out.bytes, &digits));
    return out;
}

static void assert_hash(struct merkle_hash found, const char *wanted)
{
    const struct merkle_hash hash = hash_of_hex(wanted);
    assert_memory_equal(found.bytes, hash.bytes, sizeof hash.bytes);
}

static void has_the_roots_of_rfc_6962(void **state)
{
    (void)state;
    static const char *const entries[] = {"",
                                          "00",
                                          "10",
                                          "2021",
                                          "3031",
                                          "40414243",
                                          "5051525354555657",
                                          "606162636465666768696a6b6c6d6e6f"};
    static const char *const roots[] = {
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};
    struct merkle tree = {0};
    assert_hash(merkle_root(&tree), roots[0]);
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        uint8_t bytes[16];
        size_t digits = 0;
        (void)hex_read(slice_of_string(entries[i]), bytes, sizeof bytes, &digits);
        const struct merkle_hash leaf = merkle_leaf(slice_of(bytes, digits / 2));
        merkle_append(&tree, &leaf);
        assert_int_equal(tree.size, i + 1);
        assert_hash(merkle_root(&tree), roots[i + 1]);
    }
}

// grow makes `count` leaves and the tree of the first `before`.
static void grow(struct merkle_hash *leaves, size_t count, size_t before, struct merkle *out)
{
    *out = (struct merkle){0};
    for (size_t i = 0; i < count; i++) {
        const uint8_t entry[] = {(uint8_t)i, (uint8_t)(i >> 8)};
        leaves[i] = merkle_leaf(slice_of(entry, sizeof entry));
        if (i < before)
            merkle_append(out, &leaves[i]);
    }
}

static struct merkle_hash root_of(const struct merkle_hash *leaves, size_t count)
{
    struct merkle tree = {0};
    for (size_t i = 0; i < count; i++)
        merkle_append(&tree, &leaves[i]);
    return merkle_root(&tree);
}

static void proves_each_leaf_of_each_tree(void **state)
{
    (void)state;
    static struct merkle_hash leaves[LEAVES];
    for (size_t before = 0; before < 20; before += 3) {
        struct merkle tree;
        grow(leaves, LEAVES, before, &tree);
        const struct merkle_leaves known = {
            .before = tree, .leaves = leaves + before, .count = LEAVES - before};
        for (uint64_t size = before + 1; size <= LEAVES; size += 1 + size / 16) {
            const struct merkle_hash root = root_of(leaves, size);
            for (uint64_t index = before; index < size; index++) {
                struct merkle_path path;
                struct merkle_hash found;
                assert_true(merkle_prove(&known, index, size, &path));
                assert_true(merkle_path_root(&path, index, size, &leaves[index], &found));
                assert_true(merkle_hash_equal(&found, &root));
            }
        }
    }
}

static void a_proof_is_of_one_leaf_at_one_place_in_one_tree(void **state)
{
    (void)state;
    static struct merkle_hash leaves[LEAVES];
    struct merkle none;
    struct merkle_path path;
    struct merkle_hash found;
    grow(leaves, LEAVES, 0, &none);
    const struct merkle_leaves known = {.leaves = leaves, .count = LEAVES};
    const struct merkle_hash root = root_of(leaves, 100);
    assert_true(merkle_prove(&known, 42, 100, &path));
    for (uint64_t index = 0; index < 100; index++) {
        if (index == 42)
            continue;
        assert_false(merkle_path_root(&path, index, 100, &leaves[42], &found) &&
                     merkle_hash_equal(&found, &root));
        assert_false(merkle_path_root(&path, 42, 100, &leaves[index], &found) &&
                     merkle_hash_equal(&found, &root));
    }
    for (size_t i = 0; i < path.count; i++) {
        struct merkle_path changed = path;
        changed.hashes[i].bytes[i % MERKLE_HASH_LEN] ^= 1;
        assert_true(merkle_path_root(&changed, 42, 100, &leaves[42], &found));
        assert_false(merkle_hash_equal(&found, &root));
    }
    path.count--;
    assert_false(merkle_path_root(&path, 42, 100, &leaves[42], &found));
    path.count += 2;
    assert_false(merkle_path_root(&path, 42, 100, &leaves[42], &found));
    path.count = MERKLE_PATH_MAX + 1;
    assert_false(merkle_path_root(&path, 42, 100, &leaves[42], &found));
    assert_false(merkle_path_root(&path, 100, 100, &leaves[42], &found));
    assert_false(merkle_path_root(&path, 0, 0, &leaves[42], &found));
}

static void nothing_is_proved_of_what_is_not_known(void **state)
{
    (void)state;
    static struct merkle_hash leaves[LEAVES];
    struct merkle tree;
    struct merkle_path path;
    grow(leaves, LEAVES, 10, &tree);
    const struct merkle_leaves known = {.before = tree, .leaves = leaves + 10, .count = 5};
    assert_false(merkle_prove(&known, 9, 15, &path));
    assert_false(merkle_prove(&known, 12, 16, &path));
    assert_false(merkle_prove(&known, 15, 15, &path));
    assert_true(merkle_prove(&known, 10, 15, &path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_the_roots_of_rfc_6962),
        cmocka_unit_test(proves_each_leaf_of_each_tree),
        cmocka_unit_test(a_proof_is_of_one_leaf_at_one_place_in_one_tree),
        cmocka_unit_test(nothing_is_proved_of_what_is_not_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
