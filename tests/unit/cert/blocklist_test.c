// Blocks: how they are written, what a list holds, and whom it stops.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>

#include <openssl/pool.h>
#include <stdlib.h>

#include "auth/blocklist.h"
#include "auth/trust.h"
#include "tests/unit/cert/forge.h"

#define LIST(...) ((const struct forged *const[]){__VA_ARGS__, NULL})
#define ZEROS     "00000000000000000000000000000000000000000000000000000000000000"

struct spelling {
    const char *written;
    const char *kept; // NULL: refused
};

static void reads_each_kind_in_its_one_spelling(void **state)
{
    (void)state;
    static const struct spelling rows[] = {
        {"client:scrapers", "client:scrapers"},
        {"client:A.b_c-9", "client:A.b_c-9"},
        {"sha256:" ZEROS "aB", "sha256:" ZEROS "ab"},
        {"serial:4f01 issuer:CN=Clients CA", "serial:4f01 issuer:CN=Clients CA"},
        {"serial:004F01 issuer:CN=Clients CA", "serial:4f01 issuer:CN=Clients CA"},
        {"serial:F01 issuer:CN=a", "serial:0f01 issuer:CN=a"},
        {"serial:4F:01 issuer:CN=a", "serial:4f01 issuer:CN=a"},
        {"serial:0 issuer:CN=a", "serial:00 issuer:CN=a"},
        {"serial:01 issuer:CN=a , O=b issuer:c", "serial:01 issuer:CN=a,O=b issuer:c"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[BLOCK_TEXT_CAP];
        struct block block;
        struct errinfo info = {0};
        if (block_parse(slice_of_string(rows[i].written), text, &block, &info) != ERR_OK)
            fail_msg("%s: %s", rows[i].written, info.text);
        assert_string_equal(rows[i].kept, block.text);
        char again_text[BLOCK_TEXT_CAP];
        struct block again;
        assert_int_equal(ERR_OK,
                         block_parse(slice_of_string(block.text), again_text, &again, &info));
        assert_string_equal(block.text, again.text);
        assert_memory_equal(block.digest, again.digest, sizeof block.digest);
    }
}

static void refuses_what_is_none(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "scrapers",
        "client",
        "client:",
        "client:a b",
        "client:a/b",
        "client:\x7F",
        "client:abcdefghijklmnopqrstuvwxyz0123456",
        "Client:a",
        "user:a",
        "sha256:",
        "sha256:00",
        "sha256:" ZEROS "0",
        "sha256:" ZEROS "000",
        "sha256:" ZEROS "0g",
        "sha256: " ZEROS "00",
        "sha256:" ZEROS "0:",
        "serial:",
        "serial:01",
        "serial:01 ",
        "serial:01 issuer:",
        "serial:01  issuer:CN=a",
        "serial: issuer:CN=a",
        "serial:x issuer:CN=a",
        "serial:-1 issuer:CN=a",
        "serial:: issuer:CN=a",
        "serial::01 issuer:CN=a",
        "serial:01: issuer:CN=a",
        "serial:0::1 issuer:CN=a",
        "serial:" ZEROS "000 issuer:CN=a",
        "serial:01 issuer:nonsense",
        "serial:01 Issuer:CN=a",
        "issuer:CN=a serial:01",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[BLOCK_TEXT_CAP];
        struct block block;
        struct errinfo info = {0};
        if (block_parse(slice_of_string(rows[i]), text, &block, &info) == ERR_OK)
            fail_msg("should have been refused: `%s`", rows[i]);
        assert_true(info.text[0] != '\0');
    }
    char text[BLOCK_TEXT_CAP];
    struct block block;
    struct errinfo info;
    assert_int_equal(ERR_INPUT, block_parse(SLICE_LITERAL("client:a\0b"), text, &block, &info));
}

// make gives a block whose text the caller keeps.
static struct block make(const char *written, char text[BLOCK_TEXT_CAP])
{
    struct block block;
    struct errinfo info = {0};
    if (block_parse(slice_of_string(written), text, &block, &info) != ERR_OK)
        fail_msg("%s: %s", written, info.text);
    return block;
}

static void a_change_makes_another_list_and_leaves_the_first_alone(void **state)
{
    (void)state;
    char text_a[BLOCK_TEXT_CAP];
    char text_b[BLOCK_TEXT_CAP];
    const struct block a = make("client:a", text_a);
    const struct block b = make("sha256:" ZEROS "01", text_b);
    struct blocklist *one = NULL;
    struct blocklist *two = NULL;
    struct blocklist *three = NULL;
    assert_int_equal(ERR_OK, blocklist_add(NULL, &a, &one));
    assert_int_equal(ERR_OK, blocklist_add(one, &b, &two));
    assert_int_equal(ERR_OK, blocklist_remove(two, &a, &three));
    assert_int_equal(1, blocklist_count(one));
    assert_int_equal(2, blocklist_count(two));
    assert_int_equal(1, blocklist_count(three));
    assert_non_null(blocklist_find(one, &a));
    assert_null(blocklist_find(one, &b));
    assert_null(blocklist_find(three, &a));
    assert_string_equal(b.text, blocklist_at(three, 0)->text);
    blocklist_unref(one);
    assert_string_equal("a", block_client_name(blocklist_find(two, &a)));
    assert_null(block_client_name(blocklist_find(two, &b)));
    blocklist_unref(two);
    blocklist_unref(three);
}

static void nothing_stands_twice_and_what_is_not_there_cannot_go(void **state)
{
    (void)state;
    char text[BLOCK_TEXT_CAP];
    const struct block a = make("client:a", text);
    const struct block twice[] = {a, a};
    struct blocklist *list = NULL;
    struct blocklist *other = NULL;
    assert_int_equal(ERR_INPUT, blocklist_create(twice, 2, &list));
    assert_null(list);
    assert_int_equal(ERR_INPUT, blocklist_remove(NULL, &a, &list));
    assert_int_equal(ERR_OK, blocklist_create(twice, 1, &list));
    assert_int_equal(ERR_INPUT, blocklist_add(list, &a, &other));
    assert_null(other);
    blocklist_unref(list);
}

static void ends_at_its_bound(void **state)
{
    (void)state;
    struct block *blocks = calloc(BLOCKS_MAX + 1, sizeof *blocks);
    struct blocklist *list = NULL;
    struct blocklist *more = NULL;
    assert_non_null(blocks);
    for (size_t i = 0; i <= BLOCKS_MAX; i++) {
        blocks[i] = (struct block){.kind = BLOCK_SHA256, .text = "x"};
        blocks[i].digest[0] = (uint8_t)(i >> 8);
        blocks[i].digest[31] = (uint8_t)i;
    }
    assert_int_equal(ERR_LIMIT, blocklist_create(blocks, BLOCKS_MAX + 1, &list));
    assert_int_equal(ERR_OK, blocklist_create(blocks, BLOCKS_MAX, &list));
    assert_int_equal(ERR_LIMIT, blocklist_add(list, &blocks[BLOCKS_MAX], &more));
    for (size_t i = 0; i < BLOCKS_MAX; i++)
        assert_non_null(blocklist_find(list, &blocks[i]));
    assert_null(blocklist_find(list, &blocks[BLOCKS_MAX]));
    blocklist_unref(list);
    free(blocks);
}

// verified is a chain of three that was found good.
struct verified {
    const struct forged *leaf;
    const struct forged *middle;
    const struct forged *root;
    struct identity *identity;
};

static struct verified verify(struct workshop *workshop)
{
    struct verified made;
    const struct trust_options options = {.name = "staff", .max_depth = 3};
    made.root = forge(workshop, &(struct forge_plan){.cn = "Root", .is_ca = true, .serial = 10});
    made.middle = forge(
        workshop,
        &(struct forge_plan){.cn = "Middle", .is_ca = true, .issuer = made.root, .serial = 20});
    made.leaf = forge(workshop,
                      &(struct forge_plan){.cn = "alice", .issuer = made.middle, .serial = 0x4F01});
    struct trust *trust = forge_trust(workshop, &options, LIST(made.root), NULL);
    STACK_OF(CRYPTO_BUFFER) *chain = forge_chain(workshop, LIST(made.leaf, made.middle));
    struct trust_verdict verdict;
    assert_int_equal(ERR_OK, trust_verify(trust, chain, FORGE_NOW_S, &verdict));
    made.identity = verdict.identity;
    return made;
}

static bool stops(const struct verified *verified, const char *client, const char *written)
{
    char text[BLOCK_TEXT_CAP];
    const struct block block = make(written, text);
    struct blocklist *list = NULL;
    assert_int_equal(ERR_OK, blocklist_add(NULL, &block, &list));
    const struct chain_record *record = verified == NULL ? NULL : verified->identity->record;
    const bool is_stopped = blocklist_judge(list, client, record) != NULL;
    blocklist_unref(list);
    return is_stopped;
}

static void sha256_text(const struct forged *forged, char out[80])
{
    uint8_t digest[32];
    unsigned len = 0;
    struct text text;
    assert_int_equal(1, X509_digest(forged->cert, EVP_sha256(), digest, &len));
    text_init(&text, out, 80);
    text_append_string(&text, "sha256:");
    text_append_hex(&text, slice_of(digest, sizeof digest));
}

static void stops_by_name_and_by_every_certificate_of_the_chain(void **state)
{
    struct verified verified = verify(*state);
    char digest[80];
    assert_true(stops(&verified, "alice", "client:alice"));
    assert_true(stops(NULL, "anybody", "client:anybody"));
    sha256_text(verified.leaf, digest);
    assert_true(stops(&verified, NULL, digest));
    sha256_text(verified.middle, digest);
    assert_true(stops(&verified, NULL, digest));
    sha256_text(verified.root, digest);
    assert_true(stops(&verified, NULL, digest));
    assert_true(stops(&verified, NULL, "serial:4f01 issuer:CN=Middle"));
    assert_true(stops(&verified, NULL, "serial:0014 issuer:CN=Root"));
    identity_destroy(verified.identity);
}

static void stops_nobody_else(void **state)
{
    struct verified verified = verify(*state);
    assert_false(stops(&verified, "alice", "client:alic"));
    assert_false(stops(&verified, "alice", "client:Alice"));
    assert_false(stops(&verified, NULL, "client:alice")); // the name of a client, not the CN
    assert_false(stops(NULL, "anybody", "client:nobody"));
    assert_false(stops(NULL, NULL, "client:a"));
    assert_false(stops(&verified, "alice", "sha256:" ZEROS "00"));
    assert_false(stops(&verified, "alice", "serial:4f01 issuer:CN=Root"));
    assert_false(stops(&verified, "alice", "serial:4f02 issuer:CN=Middle"));
    assert_false(stops(&verified, "alice", "serial:4f01 issuer:CN=middle"));
    assert_null(blocklist_judge(NULL, "alice", verified.identity->record));
    identity_destroy(verified.identity);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_each_kind_in_its_one_spelling),
        cmocka_unit_test(refuses_what_is_none),
        cmocka_unit_test(a_change_makes_another_list_and_leaves_the_first_alone),
        cmocka_unit_test(nothing_stands_twice_and_what_is_not_there_cannot_go),
        cmocka_unit_test(ends_at_its_bound),
        cmocka_unit_test_setup_teardown(stops_by_name_and_by_every_certificate_of_the_chain,
                                        workshop_create, workshop_destroy),
        cmocka_unit_test_setup_teardown(stops_nobody_else, workshop_create, workshop_destroy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
