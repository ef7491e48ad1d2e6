// Remembered verdicts: the same chain costs no second verification, and nothing that could have changed
// is taken on trust.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>

#include <openssl/err.h>
#include <openssl/pool.h>
#include <stdlib.h>

#include "proxy/session/chain_cache.h"
#include "tests/unit/cert/forge_crl.h"

#define LIST(...) ((const struct forged *const[]){__VA_ARGS__, NULL})

// pki is a root, an intermediate below it, and a leaf below that.
struct pki {
    const struct forged *root;
    const struct forged *middle;
    const struct forged *leaf;
    STACK_OF(CRYPTO_BUFFER) *chain;
};

static struct pki make_pki(struct workshop *workshop)
{
    struct pki pki;
    pki.root = forge(workshop, &(struct forge_plan){.cn = "Root", .is_ca = true});
    pki.middle = forge(
        workshop,
        &(struct forge_plan){.cn = "Middle", .is_ca = true, .issuer = pki.root, .serial = 20});
    pki.leaf =
        forge(workshop, &(struct forge_plan){.cn = "alice", .issuer = pki.middle, .serial = 30});
    pki.chain = forge_chain(workshop, LIST(pki.leaf, pki.middle));
    return pki;
}

static struct trust *make_trust(struct workshop *workshop, const struct pki *pki)
{
    const struct trust_options options = {.name = "staff", .max_depth = 3};
    return forge_trust(workshop, &options, LIST(pki->root), LIST(pki->middle));
}

// judge gives the reason, and the identity to be destroyed.
static enum reason judge(struct chain_cache *cache, const struct trust *trust,
                         const STACK_OF(CRYPTO_BUFFER) *chain, int64_t now_s,
                         struct identity **out_identity)
{
    struct trust_verdict verdict;
    const enum err error = chain_cache_verify(cache, trust, chain, now_s, &verdict);
    assert_true((error == ERR_OK) == (verdict.identity != NULL));
    assert_true((error == ERR_OK) == (verdict.detail[0] == '\0'));
    assert_int_equal(ERR_peek_error(), 0);
    identity_destroy(verdict.presented);
    *out_identity = verdict.identity;
    return verdict.reason;
}

static enum reason judge_only(struct chain_cache *cache, const struct trust *trust,
                              const STACK_OF(CRYPTO_BUFFER) *chain, int64_t now_s)
{
    struct identity *identity = NULL;
    const enum reason reason = judge(cache, trust, chain, now_s, &identity);
    identity_destroy(identity);
    return reason;
}

static void a_chain_seen_before_gives_the_same_verdict(void **state)
{
    const struct pki pki = make_pki(*state);
    struct trust *trust = make_trust(*state, &pki);
    struct chain_cache cache = {0};
    struct trust_verdict first;
    struct trust_verdict second;
    assert_int_equal(chain_cache_verify(&cache, trust, pki.chain, FORGE_NOW_S, &first), ERR_OK);
    assert_int_equal(cache.hits, 0);
    assert_int_equal(chain_cache_verify(&cache, trust, pki.chain, FORGE_NOW_S, &second), ERR_OK);
    assert_int_equal(cache.hits, 1);
    assert_ptr_equal(first.identity, second.identity);
    assert_int_equal(first.not_after_s, second.not_after_s);
    assert_int_equal(first.depth, second.depth);
    assert_int_equal(second.reason, REASON_NONE);
    assert_null(second.presented);
    chain_cache_clear(&cache); // the owners keep what they have
    assert_true(dn_common_name(&first.identity->subject).len == 5);
    identity_destroy(first.identity);
    identity_destroy(second.identity);
}

static void another_profile_verifies_for_itself(void **state)
{
    const struct pki pki = make_pki(*state);
    const struct forged *other_root =
        forge(*state, &(struct forge_plan){.cn = "Other", .is_ca = true});
    struct trust *trust = make_trust(*state, &pki);
    const struct trust_options options = {.name = "other", .max_depth = 3};
    struct trust *other = forge_trust(*state, &options, LIST(other_root), LIST(pki.middle));
    struct chain_cache cache = {0};
    assert_int_equal(judge_only(&cache, trust, pki.chain, FORGE_NOW_S), REASON_NONE);
    assert_int_not_equal(judge_only(&cache, other, pki.chain, FORGE_NOW_S), REASON_NONE);
    assert_int_equal(judge_only(&cache, trust, pki.chain, FORGE_NOW_S), REASON_NONE);
    assert_int_equal(cache.hits, 1);
    chain_cache_clear(&cache);
}

static void any_other_byte_is_another_chain(void **state)
{
    const struct pki pki = make_pki(*state);
    struct trust *trust = make_trust(*state, &pki);
    struct chain_cache cache = {0};
    assert_int_equal(judge_only(&cache, trust, pki.chain, FORGE_NOW_S), REASON_NONE);
    const CRYPTO_BUFFER *leaf = sk_CRYPTO_BUFFER_value(pki.chain, 0);
    const size_t len = CRYPTO_BUFFER_len(leaf);
    uint8_t *bytes = malloc(len);
    assert_non_null(bytes);
    STACK_OF(CRYPTO_BUFFER) *chain = sk_CRYPTO_BUFFER_new_null();
    for (size_t at = 0; at < len; at += 7) {
        assert_true(bytes_copy(bytes, len, slice_of(CRYPTO_BUFFER_data(leaf), len)));
        bytes[at] ^= 1;
        assert_true(sk_CRYPTO_BUFFER_push(chain, CRYPTO_BUFFER_new(bytes, len, NULL)) != 0);
        assert_int_not_equal(judge_only(&cache, trust, chain, FORGE_NOW_S), REASON_NONE);
        CRYPTO_BUFFER_free(sk_CRYPTO_BUFFER_pop(chain));
    }
    assert_int_equal(cache.hits, 0);
    sk_CRYPTO_BUFFER_pop_free(chain, CRYPTO_BUFFER_free);
    free(bytes);
    chain_cache_clear(&cache);
}

// The leaf alone is another presentation than the leaf with its issuer, though both are good here.
static void certificates_sent_along_are_part_of_the_chain(void **state)
{
    const struct pki pki = make_pki(*state);
    struct trust *trust = make_trust(*state, &pki);
    STACK_OF(CRYPTO_BUFFER) *alone = forge_chain(*state, LIST(pki.leaf));
    struct chain_cache cache = {0};
    assert_int_equal(judge_only(&cache, trust, pki.chain, FORGE_NOW_S), REASON_NONE);
    assert_int_equal(judge_only(&cache, trust, alone, FORGE_NOW_S), REASON_NONE);
    assert_int_equal(cache.hits, 0);
    chain_cache_clear(&cache);
}

static void what_is_remembered_ends_with_its_validity(void **state)
{
    const struct pki pki = make_pki(*state);
    struct trust *trust = make_trust(*state, &pki);
    struct chain_cache cache = {0};
    const int64_t end_s = FORGE_NOW_S + FORGE_DAY_S;
    assert_int_equal(judge_only(&cache, trust, pki.chain, FORGE_NOW_S), REASON_NONE);
    assert_int_equal(judge_only(&cache, trust, pki.chain, end_s - 1), REASON_NONE);
    assert_int_equal(judge_only(&cache, trust, pki.chain, end_s + 1), REASON_EXPIRED);
    assert_int_equal(judge_only(&cache, trust, pki.chain, FORGE_NOW_S - 2 * FORGE_DAY_S),
                     REASON_NOT_YET_VALID);
    assert_int_equal(cache.hits, 1);
    chain_cache_clear(&cache);
}

static void a_list_that_runs_out_meanwhile_counts(void **state)
{
    const struct pki pki = make_pki(*state);
    const struct trust_options options = {.name = "staff", .max_depth = 3};
    struct trust *trust = NULL;
    struct errinfo info = {0};
    const struct forge_crl_plan root_list = {.issuer = pki.root};
    const struct forge_crl_plan list = {.issuer = pki.middle, .next_update_s = FORGE_NOW_S + 100};
    assert_int_equal(trust_create(&options, &trust), ERR_OK);
    assert_int_equal(trust_add_ca(trust, forge_pem(*state, LIST(pki.root)), &info), ERR_OK);
    assert_int_equal(trust_add_intermediates(trust, forge_pem(*state, LIST(pki.middle)), &info),
                     ERR_OK);
    assert_int_equal(trust_add_crl(trust, forge_crl(*state, &root_list), &info), ERR_OK);
    assert_int_equal(trust_add_crl(trust, forge_crl(*state, &list), &info), ERR_OK);
    assert_int_equal(trust_finish(trust, FORGE_NOW_S, &info), ERR_OK);
    struct chain_cache cache = {0};
    assert_int_equal(judge_only(&cache, trust, pki.chain, FORGE_NOW_S), REASON_NONE);
    assert_int_equal(judge_only(&cache, trust, pki.chain, FORGE_NOW_S + 50), REASON_NONE);
    assert_int_equal(cache.hits, 1);
    assert_int_equal(judge_only(&cache, trust, pki.chain, FORGE_NOW_S + 200), REASON_CRL_EXPIRED);
    assert_int_equal(cache.hits, 1);
    chain_cache_clear(&cache);
    trust_destroy(trust);
}

static void a_refusal_is_not_remembered(void **state)
{
    const struct pki pki = make_pki(*state);
    struct trust *trust = make_trust(*state, &pki);
    struct chain_cache cache = {0};
    const int64_t before_s = FORGE_NOW_S - 2 * FORGE_DAY_S;
    assert_int_equal(judge_only(&cache, trust, pki.chain, before_s), REASON_NOT_YET_VALID);
    assert_int_equal(judge_only(&cache, trust, pki.chain, FORGE_NOW_S), REASON_NONE);
    assert_int_equal(cache.hits, 0);
    chain_cache_clear(&cache);
}

static void an_emptied_table_verifies_again(void **state)
{
    const struct pki pki = make_pki(*state);
    struct trust *trust = make_trust(*state, &pki);
    struct chain_cache cache = {0};
    chain_cache_clear(&cache);
    assert_int_equal(judge_only(&cache, trust, pki.chain, FORGE_NOW_S), REASON_NONE);
    chain_cache_clear(&cache);
    assert_null(cache.places);
    assert_int_equal(judge_only(&cache, trust, pki.chain, FORGE_NOW_S), REASON_NONE);
    assert_int_equal(cache.hits, 0);
    chain_cache_clear(&cache);
}

// More chains than there are places: nothing breaks, and those seen last are still known.
static void the_table_is_bounded_and_keeps_what_was_used_last(void **state)
{
    enum { CLIENTS = 64, BYSTANDERS = CHAIN_CACHE_SETS * CHAIN_CACHE_WAYS };
    const struct pki pki = make_pki(*state);
    struct trust *trust = make_trust(*state, &pki);
    struct chain_cache cache = {0};
    STACK_OF(CRYPTO_BUFFER) *chains[CLIENTS];
    for (size_t i = 0; i < CLIENTS; i++) {
        const struct forged *leaf =
            forge(*state, &(struct forge_plan){.cn = "many", .issuer = pki.middle});
        chains[i] = forge_chain(*state, LIST(leaf));
        assert_int_equal(judge_only(&cache, trust, chains[i], FORGE_NOW_S), REASON_NONE);
    }
    // All but one of the places are somebody else's, and used long ago.
    struct identity *identity = NULL;
    assert_int_equal(judge(&cache, trust, chains[0], FORGE_NOW_S, &identity), REASON_NONE);
    for (size_t i = 0; i < BYSTANDERS; i++) {
        if (cache.places[i].identity == NULL)
            cache.places[i] =
                (struct cached_chain){.trust = trust, .identity = identity_share(identity)};
    }
    identity_destroy(identity);
    cache.hits = 0;
    for (size_t i = 0; i < CLIENTS; i++)
        assert_int_equal(judge_only(&cache, trust, chains[i], FORGE_NOW_S), REASON_NONE);
    assert_true(cache.hits >= CLIENTS - 1);
    for (size_t i = 0; i < 8; i++) {
        const struct forged *leaf =
            forge(*state, &(struct forge_plan){.cn = "more", .issuer = pki.middle});
        STACK_OF(CRYPTO_BUFFER) *chain = forge_chain(*state, LIST(leaf));
        assert_int_equal(judge_only(&cache, trust, chain, FORGE_NOW_S), REASON_NONE);
        const uint64_t hits = cache.hits;
        assert_int_equal(judge_only(&cache, trust, chain, FORGE_NOW_S), REASON_NONE);
        assert_int_equal(cache.hits, hits + 1);
    }
    chain_cache_clear(&cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, workshop_create, workshop_destroy)
        TEST(a_chain_seen_before_gives_the_same_verdict),
        TEST(another_profile_verifies_for_itself),
        TEST(any_other_byte_is_another_chain),
        TEST(certificates_sent_along_are_part_of_the_chain),
        TEST(what_is_remembered_ends_with_its_validity),
        TEST(a_list_that_runs_out_meanwhile_counts),
        TEST(a_refusal_is_not_remembered),
        TEST(an_emptied_table_verifies_again),
        TEST(the_table_is_bounded_and_keeps_what_was_used_last),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
