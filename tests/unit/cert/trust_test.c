// The verdict on a client's chain: one test a way in which a chain can be good or bad.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>

#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/pool.h>
#include <pthread.h>
#include <stdlib.h>

#include "auth/trust.h"
#include "tests/unit/cert/forge.h"
#include "tests/unit/cert/forge_crl.h"

static const struct trust_options OPTIONS = {.name = "staff", .max_depth = TRUST_DEFAULT_MAX_DEPTH};

#define LIST(...) ((const struct forged *const[]){__VA_ARGS__, NULL})

static const struct forged *forge_ca(struct workshop *workshop, const char *cn)
{
    return forge(workshop, &(struct forge_plan){.cn = cn, .is_ca = true});
}

static const struct forged *forge_below(struct workshop *workshop, const char *cn,
                                        const struct forged *issuer)
{
    return forge(workshop, &(struct forge_plan){.cn = cn, .is_ca = true, .issuer = issuer});
}

static const struct forged *forge_client(struct workshop *workshop, const struct forged *issuer)
{
    return forge(workshop, &(struct forge_plan){.cn = "alice",
                                                .issuer = issuer,
                                                .sans = {"uri:spiffe://example.org/alice"}});
}

static void check_consistency(enum err error, const struct trust_verdict *verdict)
{
    assert_true((error == ERR_OK) == (verdict->identity != NULL));
    assert_true((error == ERR_OK) == (verdict->reason == REASON_NONE));
    assert_true((error == ERR_OK) == (verdict->detail[0] == '\0'));
    assert_true(error != ERR_OK || verdict->presented == NULL);
    assert_int_equal(ERR_peek_error(), 0); // nothing left for SSL_get_error to trip over
}

// reason_at gives the reason for the chain at a time; REASON_NONE when it is accepted.
static enum reason reason_at(const struct trust *trust, const STACK_OF(CRYPTO_BUFFER) *chain,
                             int64_t now_s)
{
    struct trust_verdict verdict;
    const enum err error = trust_verify(trust, chain, now_s, &verdict);
    check_consistency(error, &verdict);
    identity_destroy(verdict.identity);
    identity_destroy(verdict.presented);
    return verdict.reason;
}

static enum reason reason_of(struct workshop *workshop, const struct forged *const *cas,
                             const struct forged *const *chain)
{
    return reason_at(forge_trust(workshop, &OPTIONS, cas, NULL), forge_chain(workshop, chain),
                     FORGE_NOW_S);
}

#define assert_reason(found, expected)                                                             \
    assert_string_equal(reason_name(found), reason_name(expected))

// What is accepted.

static void accepts_a_client_of_an_anchor(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *ca = forge_ca(workshop, "Root");
    const struct trust *trust = forge_trust(workshop, &OPTIONS, LIST(ca), NULL);
    struct trust_verdict verdict;
    const STACK_OF(CRYPTO_BUFFER) *chain = forge_chain(workshop, LIST(forge_client(workshop, ca)));
    assert_int_equal(trust_verify(trust, chain, FORGE_NOW_S, &verdict), ERR_OK);
    check_consistency(ERR_OK, &verdict);
    assert_int_equal(verdict.depth, 0);
    assert_int_equal(verdict.not_after_s, FORGE_NOW_S + FORGE_DAY_S);
    assert_string_equal(verdict.identity->trust_name, "staff");
    assert_int_equal(verdict.identity->san_count, 1);
    identity_destroy(verdict.identity);
}

static void accepts_every_key_above_the_floor(void **state)
{
    static const enum forge_key keys[] = {FORGE_P256, FORGE_P521, FORGE_ED25519, FORGE_RSA_2048};
    struct workshop *workshop = *state;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const struct forged *ca =
            forge(workshop, &(struct forge_plan){.cn = "Root", .is_ca = true, .key = keys[i]});
        assert_reason(reason_of(workshop, LIST(ca), LIST(forge_client(workshop, ca))), REASON_NONE);
    }
}

static void accepts_intermediates_in_any_order(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *root = forge_ca(workshop, "Root");
    const struct forged *upper = forge_below(workshop, "Upper", root);
    const struct forged *lower = forge_below(workshop, "Lower", upper);
    const struct forged *leaf = forge_client(workshop, lower);
    const struct forged *stray = forge_ca(workshop, "Stray");
    assert_reason(reason_of(workshop, LIST(root), LIST(leaf, lower, upper)), REASON_NONE);
    assert_reason(reason_of(workshop, LIST(root), LIST(leaf, upper, lower)), REASON_NONE);
    assert_reason(reason_of(workshop, LIST(root), LIST(leaf, stray, root, upper, lower, lower)),
                  REASON_NONE);
}

static void tells_depth_and_the_earliest_end(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *root = forge_ca(workshop, "Root");
    const struct forged *lower =
        forge(workshop,
              &(struct forge_plan){
                  .cn = "Lower", .is_ca = true, .issuer = root, .not_after_s = FORGE_NOW_S + 60});
    struct trust_verdict verdict;
    assert_int_equal(trust_verify(forge_trust(workshop, &OPTIONS, LIST(root), NULL),
                                  forge_chain(workshop, LIST(forge_client(workshop, lower), lower)),
                                  FORGE_NOW_S, &verdict),
                     ERR_OK);
    assert_int_equal(verdict.depth, 1);
    assert_int_equal(verdict.not_after_s, FORGE_NOW_S + 60);
    identity_destroy(verdict.identity);
}

static void accepts_helpers_from_the_profile(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *root = forge_ca(workshop, "Root");
    const struct forged *lower = forge_below(workshop, "Lower", root);
    const STACK_OF(CRYPTO_BUFFER) *chain =
        forge_chain(workshop, LIST(forge_client(workshop, lower)));
    const struct trust *with = forge_trust(workshop, &OPTIONS, LIST(root), LIST(lower));
    const struct trust *beside = forge_trust(workshop, &OPTIONS, LIST(lower, root), NULL);
    const struct trust *without = forge_trust(workshop, &OPTIONS, LIST(root), NULL);
    assert_reason(reason_at(with, chain, FORGE_NOW_S), REASON_NONE);
    assert_reason(reason_at(beside, chain, FORGE_NOW_S), REASON_NONE);
    assert_reason(reason_at(without, chain, FORGE_NOW_S), REASON_UNKNOWN_CA);
}

static void accepts_an_anchor_that_is_not_self_issued(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *root = forge_ca(workshop, "Root");
    const struct forged *lower = forge_below(workshop, "Lower", root);
    const struct forged *leaf = forge_client(workshop, lower);
    const struct trust *trust = forge_trust(workshop, &OPTIONS, LIST(lower), NULL);
    assert_true(trust_certificate_at(trust, 0).is_anchor);
    assert_reason(reason_at(trust, forge_chain(workshop, LIST(leaf)), FORGE_NOW_S), REASON_NONE);
    assert_reason(reason_at(trust, forge_chain(workshop, LIST(leaf, lower, root)), FORGE_NOW_S),
                  REASON_NONE);
}

static void accepts_the_other_of_two_cross_signed_paths(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *ours = forge_ca(workshop, "Ours");
    const struct forged *theirs = forge_ca(workshop, "Theirs");
    const struct forged *lower = forge_below(workshop, "Lower", theirs);
    const struct forged *crossed =
        forge(workshop,
              &(struct forge_plan){.cn = "Lower", .is_ca = true, .issuer = ours, .key_of = lower});
    const struct forged *leaf = forge_client(workshop, lower);
    assert_reason(reason_of(workshop, LIST(ours), LIST(leaf, lower, crossed)), REASON_NONE);
    assert_reason(reason_of(workshop, LIST(ours), LIST(leaf, lower, theirs, crossed)), REASON_NONE);
    assert_reason(reason_of(workshop, LIST(ours), LIST(leaf, lower, theirs)), REASON_UNKNOWN_CA);
}

static void accepts_the_second_of_two_anchors_of_one_name(void **state)
{
    struct workshop *workshop = *state;
    const struct forge_plan plan = {.cn = "Root", .is_ca = true, .has_no_key_ids = true};
    const struct forged *old = forge(workshop, &plan);
    const struct forged *fresh = forge(workshop, &plan);
    const struct forged *leaf = forge(
        workshop, &(struct forge_plan){.cn = "alice", .issuer = fresh, .has_no_key_ids = true});
    const struct forged *expired =
        forge(workshop, &(struct forge_plan){.cn = "alice",
                                             .issuer = fresh,
                                             .has_no_key_ids = true,
                                             .not_after_s = FORGE_NOW_S - 1});
    assert_reason(reason_of(workshop, LIST(old, fresh), LIST(leaf)), REASON_NONE);
    assert_reason(reason_of(workshop, LIST(old, fresh), LIST(expired)), REASON_EXPIRED);
    assert_reason(reason_of(workshop, LIST(fresh, old), LIST(expired)), REASON_EXPIRED);
}

static void accepts_a_leaf_without_any_usage(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *ca = forge_ca(workshop, "Root");
    const struct forged *leaf =
        forge(workshop,
              &(struct forge_plan){
                  .cn = "alice", .issuer = ca, .has_no_purpose = true, .has_no_key_usage = true});
    assert_reason(reason_of(workshop, LIST(ca), LIST(leaf)), REASON_NONE);
}

// Who issued it.

static void refuses_a_client_without_a_certificate(void **state)
{
    struct workshop *workshop = *state;
    const struct trust *trust =
        forge_trust(workshop, &OPTIONS, LIST(forge_ca(workshop, "Root")), NULL);
    STACK_OF(CRYPTO_BUFFER) *empty = sk_CRYPTO_BUFFER_new_null();
    assert_reason(reason_at(trust, NULL, FORGE_NOW_S), REASON_NO_CERTIFICATE);
    assert_reason(reason_at(trust, empty, FORGE_NOW_S), REASON_NO_CERTIFICATE);
    sk_CRYPTO_BUFFER_free(empty);
}

static void refuses_another_ca_even_when_it_is_sent_along(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *ours = forge_ca(workshop, "Ours");
    const struct forged *theirs = forge_ca(workshop, "Theirs");
    const struct forged *leaf = forge_client(workshop, theirs);
    assert_reason(reason_of(workshop, LIST(ours), LIST(leaf)), REASON_UNKNOWN_CA);
    assert_reason(reason_of(workshop, LIST(ours), LIST(leaf, theirs)), REASON_UNKNOWN_CA);
    assert_reason(reason_of(workshop, LIST(ours), LIST(leaf, theirs, ours)), REASON_UNKNOWN_CA);
}

static void refuses_another_ca_of_the_same_name(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *ours = forge_ca(workshop, "Root");
    const struct forged *theirs = forge_ca(workshop, "Root");
    const struct forged *with_ids = forge_client(workshop, theirs);
    const struct forged *without_ids = forge(
        workshop, &(struct forge_plan){.cn = "alice", .issuer = theirs, .has_no_key_ids = true});
    assert_reason(reason_of(workshop, LIST(ours), LIST(with_ids)), REASON_UNKNOWN_CA);
    assert_reason(reason_of(workshop, LIST(ours), LIST(with_ids, theirs)), REASON_UNKNOWN_CA);
    assert_reason(reason_of(workshop, LIST(ours), LIST(without_ids)), REASON_BAD_SIGNATURE);
    assert_reason(reason_of(workshop, LIST(ours), LIST(without_ids, theirs)), REASON_BAD_SIGNATURE);
}

static void refuses_a_self_signed_leaf(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *ours = forge_ca(workshop, "Root");
    const struct forged *leaf = forge(workshop, &(struct forge_plan){.cn = "alice"});
    const struct forged *namesake =
        forge(workshop, &(struct forge_plan){.cn = "Root", .has_no_key_ids = true});
    assert_reason(reason_of(workshop, LIST(ours), LIST(leaf)), REASON_UNKNOWN_CA);
    assert_reason(reason_of(workshop, LIST(ours), LIST(leaf, ours)), REASON_UNKNOWN_CA);
    assert_reason(reason_of(workshop, LIST(ours), LIST(namesake)), REASON_BAD_SIGNATURE);
}

static void refuses_the_ca_itself_as_a_client(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *ca = forge_ca(workshop, "Root");
    assert_reason(reason_of(workshop, LIST(ca), LIST(ca)), REASON_BAD_PURPOSE);
}

static void never_takes_a_helper_for_an_anchor(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *ours = forge_ca(workshop, "Ours");
    const struct forged *theirs = forge_ca(workshop, "Theirs");
    const struct forged *lower = forge_below(workshop, "Lower", theirs);
    const STACK_OF(CRYPTO_BUFFER) *chain =
        forge_chain(workshop, LIST(forge_client(workshop, lower)));
    const STACK_OF(CRYPTO_BUFFER) *direct =
        forge_chain(workshop, LIST(forge_client(workshop, theirs)));
    const struct trust *trust = forge_trust(workshop, &OPTIONS, LIST(ours), LIST(theirs, lower));
    assert_reason(reason_at(trust, chain, FORGE_NOW_S), REASON_UNKNOWN_CA);
    assert_reason(reason_at(trust, direct, FORGE_NOW_S), REASON_UNKNOWN_CA);
}

static void names_a_missing_intermediate(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *root =
        forge(workshop, &(struct forge_plan){.cn = "Root", .o = "Example", .is_ca = true});
    const struct forged *akin =
        forge(workshop,
              &(struct forge_plan){.cn = "Lower", .o = "Example", .is_ca = true, .issuer = root});
    const struct forged *strange = forge_below(workshop, "Elsewhere", root);
    const struct forged *told =
        forge(workshop,
              &(struct forge_plan){.cn = "alice", .issuer = strange, .has_issuer_in_key_id = true});
    const struct forged *untold = forge_client(workshop, strange);
    assert_reason(reason_of(workshop, LIST(root), LIST(forge_client(workshop, akin))),
                  REASON_MISSING_INTERMEDIATE);
    assert_reason(reason_of(workshop, LIST(root), LIST(told)), REASON_MISSING_INTERMEDIATE);
    assert_reason(reason_of(workshop, LIST(root), LIST(untold)), REASON_UNKNOWN_CA);
}

static void does_not_call_a_foreign_root_a_missing_intermediate(void **state)
{
    struct workshop *workshop = *state;
    const struct forge_plan plan = {.cn = "Root", .o = "Example", .is_ca = true};
    const struct forged *ours = forge(workshop, &plan);
    const struct forged *namesake = forge(workshop, &plan);
    const struct forged *other =
        forge(workshop, &(struct forge_plan){.cn = "Other", .o = "Example", .is_ca = true});
    const struct forged *leaf = forge_client(workshop, other);
    const struct forged *of_namesake = forge(
        workshop,
        &(struct forge_plan){.cn = "alice", .issuer = namesake, .has_issuer_in_key_id = true});
    assert_reason(reason_of(workshop, LIST(ours), LIST(leaf, other)), REASON_UNKNOWN_CA);
    assert_reason(reason_of(workshop, LIST(ours), LIST(of_namesake)), REASON_UNKNOWN_CA);
    const struct forged *second =
        forge(workshop, &(struct forge_plan){.cn = "Second", .o = "Example", .is_ca = true});
    assert_reason(reason_of(workshop, LIST(second, ours), LIST(of_namesake)), REASON_UNKNOWN_CA);
}

static void refuses_a_broken_signature(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *ca = forge_ca(workshop, "Root");
    const struct forged *leaf = forge(
        workshop, &(struct forge_plan){.cn = "alice", .issuer = ca, .has_broken_signature = true});
    assert_reason(reason_of(workshop, LIST(ca), LIST(leaf)), REASON_BAD_SIGNATURE);
}

static void refuses_a_broken_signature_in_the_middle(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *root = forge_ca(workshop, "Root");
    const struct forged *lower = forge(
        workshop, &(struct forge_plan){
                      .cn = "Lower", .is_ca = true, .issuer = root, .has_broken_signature = true});
    assert_reason(reason_of(workshop, LIST(root), LIST(forge_client(workshop, lower), lower)),
                  REASON_BAD_SIGNATURE);
}

// When it is valid.

static void refuses_outside_its_validity(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *ca = forge_ca(workshop, "Root");
    const struct forged *leaf =
        forge(workshop, &(struct forge_plan){.cn = "alice",
                                             .issuer = ca,
                                             .not_before_s = FORGE_NOW_S - 100,
                                             .not_after_s = FORGE_NOW_S + 100});
    const struct trust *trust = forge_trust(workshop, &OPTIONS, LIST(ca), NULL);
    const STACK_OF(CRYPTO_BUFFER) *chain = forge_chain(workshop, LIST(leaf));
    assert_reason(reason_at(trust, chain, FORGE_NOW_S - 101), REASON_NOT_YET_VALID);
    assert_reason(reason_at(trust, chain, FORGE_NOW_S - 100), REASON_NONE);
    assert_reason(reason_at(trust, chain, FORGE_NOW_S + 99), REASON_NONE);
    assert_reason(reason_at(trust, chain, FORGE_NOW_S + 101), REASON_EXPIRED);
}

static void refuses_when_a_ca_has_expired_since(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *root = forge_ca(workshop, "Root");
    const struct forged *lower =
        forge(workshop,
              &(struct forge_plan){
                  .cn = "Lower", .is_ca = true, .issuer = root, .not_after_s = FORGE_NOW_S - 1});
    const struct forge_plan long_lived = {
        .cn = "alice", .issuer = root, .not_after_s = FORGE_NOW_S + 9 * FORGE_DAY_S};
    const struct trust *trust = forge_trust(workshop, &OPTIONS, LIST(root), NULL);
    assert_reason(reason_of(workshop, LIST(root), LIST(forge_client(workshop, lower), lower)),
                  REASON_EXPIRED);
    assert_reason(reason_at(trust, forge_chain(workshop, LIST(forge(workshop, &long_lived))),
                            FORGE_NOW_S + 2 * FORGE_DAY_S),
                  REASON_EXPIRED);
}

static void calls_an_expired_certificate_of_an_unknown_ca_unknown(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *leaf =
        forge(workshop, &(struct forge_plan){.cn = "alice",
                                             .issuer = forge_ca(workshop, "Theirs"),
                                             .key = FORGE_RSA_1024,
                                             .not_after_s = FORGE_NOW_S - 1});
    assert_reason(reason_of(workshop, LIST(forge_ca(workshop, "Ours")), LIST(leaf)),
                  REASON_UNKNOWN_CA);
}

static void refuses_what_was_issued_for_too_long(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *ca = forge_ca(workshop, "Root");
    const STACK_OF(CRYPTO_BUFFER) *chain = forge_chain(workshop, LIST(forge_client(workshop, ca)));
    struct trust_options options = OPTIONS;
    options.max_lifetime_s = 2 * FORGE_DAY_S;
    const struct trust *enough = forge_trust(workshop, &options, LIST(ca), NULL);
    options.max_lifetime_s--;
    const struct trust *less = forge_trust(workshop, &options, LIST(ca), NULL);
    assert_reason(reason_at(enough, chain, FORGE_NOW_S), REASON_NONE);
    assert_reason(reason_at(less, chain, FORGE_NOW_S), REASON_TOO_LONG_LIVED);
}

// What it is for.

static void refuses_a_servers_certificate(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *ca = forge_ca(workshop, "Root");
    const struct forged *server = forge(
        workshop, &(struct forge_plan){.cn = "s", .issuer = ca, .purpose_nid = NID_server_auth});
    const struct forged *any = forge(
        workshop,
        &(struct forge_plan){.cn = "s", .issuer = ca, .purpose_nid = NID_anyExtendedKeyUsage});
    assert_reason(reason_of(workshop, LIST(ca), LIST(server)), REASON_BAD_PURPOSE);
    assert_reason(reason_of(workshop, LIST(ca), LIST(any)), REASON_BAD_PURPOSE);
}

// The usage of the leaf, of the CA above it, and of what a profile takes.
static void takes_the_usages_that_are_chosen_and_no_other(void **state)
{
    struct workshop *workshop = *state;
    enum { C = USAGE_CLIENT_AUTH, N = USAGE_NONE, A = USAGE_ANY };
    enum { S = USAGE_SERVER_AUTH, NOTHING = -1 };
    const int client = NID_client_auth;
    const int server = NID_server_auth;
    const int any = NID_anyExtendedKeyUsage;
    const struct {
        uint32_t usages;
        int leaf; // NOTHING: without
        int ca;
        bool is_good;
    } rows[] = {
        {0, client, NOTHING, true},
        {0, NOTHING, NOTHING, true},
        {0, server, NOTHING, false},
        {0, any, NOTHING, false},
        {C | N, NOTHING, client, true},
        {C | N, client, server, false},
        {C, client, NOTHING, true},
        {C, NOTHING, NOTHING, false},
        {N, NOTHING, NOTHING, true},
        {N, client, NOTHING, false},
        {N, NOTHING, client, false},
        {A, any, NOTHING, true},
        {A, client, NOTHING, false},
        {A, any, any, true},
        {A, any, server, false},
        {S, server, NOTHING, true},
        {S, server, server, true},
        {S, server, client, false},
        {S, client, NOTHING, false},
        {S | C, client, server, true},
        {S | C, any, NOTHING, false},
        {S | A | C | N, NID_code_sign, NOTHING, false},
        {S | A | C | N, client, NID_code_sign, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct trust_options options = OPTIONS;
        const struct forge_plan ca_plan = {
            .cn = "Root", .is_ca = true, .purpose_nid = rows[i].ca == NOTHING ? 0 : rows[i].ca};
        const struct forged *ca = forge(workshop, &ca_plan);
        const struct forge_plan plan = {.cn = "a",
                                        .issuer = ca,
                                        .has_no_purpose = rows[i].leaf == NOTHING,
                                        .purpose_nid = rows[i].leaf == NOTHING ? 0 : rows[i].leaf};
        options.usages = rows[i].usages;
        const struct trust *trust = forge_trust(workshop, &options, LIST(ca), NULL);
        const enum reason reason =
            reason_at(trust, forge_chain(workshop, LIST(forge(workshop, &plan))), FORGE_NOW_S);
        if (reason != (rows[i].is_good ? REASON_NONE : REASON_BAD_PURPOSE))
            fail_msg("row %zu: %s", i, reason_name(reason));
    }
}

static void a_profile_that_takes_fewer_usages_refuses_whom_it_took(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *ca = forge_ca(workshop, "Root");
    const struct forged *server = forge(
        workshop, &(struct forge_plan){.cn = "s", .issuer = ca, .purpose_nid = NID_server_auth});
    struct trust_options options = OPTIONS;
    const struct trust *narrow = forge_trust(workshop, &options, LIST(ca), NULL);
    options.usages = USAGE_CLIENT_AUTH | USAGE_SERVER_AUTH;
    const struct trust *wide = forge_trust(workshop, &options, LIST(ca), NULL);
    struct trust_verdict verdict;
    const char *detail = NULL;
    assert_int_equal(trust_verify(wide, forge_chain(workshop, LIST(server)), FORGE_NOW_S, &verdict),
                     ERR_OK);
    const struct identity *identity = verdict.identity;
    assert_int_equal(trust_recheck(wide, identity, FORGE_NOW_S, &detail), REASON_NONE);
    assert_int_equal(trust_recheck(narrow, identity, FORGE_NOW_S, &detail), REASON_BAD_PURPOSE);
    identity_destroy(verdict.identity);
}

static void refuses_a_ca_without_a_name(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *root = forge_ca(workshop, "Root");
    const struct forged *nameless =
        forge(workshop, &(struct forge_plan){.is_ca = true, .issuer = root});
    assert_reason(reason_of(workshop, LIST(root), LIST(forge_client(workshop, nameless), nameless)),
                  REASON_BAD_CERTIFICATE);
    struct trust *trust = NULL;
    struct errinfo info = {0};
    assert_int_equal(trust_create(&OPTIONS, &trust), ERR_OK);
    assert_int_equal(trust_add_intermediates(trust, forge_pem(workshop, LIST(nameless)), &info),
                     ERR_INPUT);
    assert_non_null(strstr(info.text, "without a name"));
    trust_destroy(trust);
}

static void refuses_a_key_that_may_not_sign(void **state)
{
    enum { KEY_ENCIPHERMENT = 1 << 2, KEY_AGREEMENT = 1 << 4 };
    static const int usages[] = {KEY_ENCIPHERMENT, KEY_AGREEMENT};
    struct workshop *workshop = *state;
    const struct forged *ca = forge_ca(workshop, "Root");
    for (size_t i = 0; i < sizeof usages / sizeof usages[0]; i++) {
        const struct forged *leaf =
            forge(workshop, &(struct forge_plan){.cn = "a", .issuer = ca, .key_usage = usages[i]});
        assert_reason(reason_of(workshop, LIST(ca), LIST(leaf)), REASON_BAD_PURPOSE);
    }
}

static void refuses_a_ca_for_servers_only(void **state)
{
    struct workshop *workshop = *state;
    const struct forge_plan plan = {.cn = "Root", .is_ca = true, .purpose_nid = NID_server_auth};
    const struct forged *root = forge(workshop, &plan);
    const struct trust *trust = forge_trust(workshop, &OPTIONS, LIST(root), NULL);
    assert_non_null(trust_certificate_at(trust, 0).warning);
    assert_reason(
        reason_at(trust, forge_chain(workshop, LIST(forge_client(workshop, root))), FORGE_NOW_S),
        REASON_BAD_PURPOSE);
    const struct forged *good = forge_ca(workshop, "Good");
    struct forge_plan below = plan;
    below.issuer = good;
    const struct forged *lower = forge(workshop, &below);
    assert_reason(reason_of(workshop, LIST(good), LIST(forge_client(workshop, lower), lower)),
                  REASON_BAD_PURPOSE);
}

static void refuses_a_leaf_that_plays_the_ca(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *root = forge_ca(workshop, "Root");
    const struct forge_plan plans[] = {
        {.cn = "mallory", .issuer = root},
        {.cn = "mallory", .issuer = root, .has_no_key_usage = true},
        {.cn = "mallory", .issuer = root, .key_usage = 1 << 5},
        {.cn = "mallory", .issuer = root, .has_no_basic_constraints = true, .key_usage = 1 << 5},
    };
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
        const struct forged *mallory = forge(workshop, &plans[i]);
        const struct forged *leaf = forge_client(workshop, mallory);
        assert_reason(reason_of(workshop, LIST(root), LIST(leaf, mallory)), REASON_BAD_PURPOSE);
    }
}

// How strong it is.

static void refuses_weak_keys_and_signatures_anywhere(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *root = forge_ca(workshop, "Root");
    const struct forge_plan leaves[] = {
        {.cn = "a", .issuer = root, .key = FORGE_RSA_1024},
        {.cn = "a", .issuer = root, .key = FORGE_P224},
        {.cn = "a", .issuer = root, .is_sha1 = true},
        {.cn = "a", .issuer = root, .has_explicit_curve = true},
    };
    for (size_t i = 0; i < sizeof leaves / sizeof leaves[0]; i++)
        assert_reason(reason_of(workshop, LIST(root), LIST(forge(workshop, &leaves[i]))),
                      REASON_WEAK_KEY);
    const struct forge_plan cas[] = {
        {.cn = "Lower", .is_ca = true, .issuer = root, .key = FORGE_RSA_1024},
        {.cn = "Lower", .is_ca = true, .issuer = root, .is_sha1 = true},
    };
    for (size_t i = 0; i < sizeof cas / sizeof cas[0]; i++) {
        const struct forged *lower = forge(workshop, &cas[i]);
        assert_reason(reason_of(workshop, LIST(root), LIST(forge_client(workshop, lower), lower)),
                      REASON_WEAK_KEY);
    }
}

static void excepts_the_anchors_own_signature_but_not_its_key(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *old =
        forge(workshop, &(struct forge_plan){.cn = "Root", .is_ca = true, .is_sha1 = true});
    const struct forged *weak =
        forge(workshop, &(struct forge_plan){.cn = "Root", .is_ca = true, .key = FORGE_RSA_1024});
    assert_reason(reason_of(workshop, LIST(old), LIST(forge_client(workshop, old))), REASON_NONE);
    assert_reason(reason_of(workshop, LIST(weak), LIST(forge_client(workshop, weak))),
                  REASON_WEAK_KEY);
}

// How long it is.

static void refuses_more_intermediates_than_allowed(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *root = forge_ca(workshop, "Root");
    const struct forged *one = forge_below(workshop, "One", root);
    const struct forged *two = forge_below(workshop, "Two", one);
    const STACK_OF(CRYPTO_BUFFER) *chain =
        forge_chain(workshop, LIST(forge_client(workshop, two), two, one));
    static const enum reason expected[] = {REASON_CHAIN_TOO_LONG, REASON_CHAIN_TOO_LONG,
                                           REASON_NONE};
    for (uint32_t depth = 0; depth < 3; depth++) {
        const struct trust_options options = {.name = "staff", .max_depth = depth};
        const struct trust *trust = forge_trust(workshop, &options, LIST(root), NULL);
        assert_reason(reason_at(trust, chain, FORGE_NOW_S), expected[depth]);
    }
}

static void refuses_what_a_pathlen_forbids(void **state)
{
    struct workshop *workshop = *state;
    const struct forge_plan tight = {.cn = "Root", .is_ca = true, .has_pathlen = true};
    const struct forged *tight_root = forge(workshop, &tight);
    const struct forged *below = forge_below(workshop, "Below", tight_root);
    assert_reason(reason_of(workshop, LIST(tight_root), LIST(forge_client(workshop, tight_root))),
                  REASON_NONE);
    assert_reason(reason_of(workshop, LIST(tight_root), LIST(forge_client(workshop, below), below)),
                  REASON_CHAIN_TOO_LONG);
    const struct forged *root = forge_ca(workshop, "Wide");
    struct forge_plan upper_plan = tight;
    upper_plan.cn = "Upper";
    upper_plan.issuer = root;
    const struct forged *upper = forge(workshop, &upper_plan);
    const struct forged *lower = forge_below(workshop, "Lower", upper);
    assert_reason(
        reason_of(workshop, LIST(root), LIST(forge_client(workshop, lower), lower, upper)),
        REASON_CHAIN_TOO_LONG);
}

static void does_not_count_a_cas_own_new_key_as_an_intermediate(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *root =
        forge(workshop, &(struct forge_plan){.cn = "Root", .is_ca = true, .has_pathlen = true});
    const struct forged *renewed = forge_below(workshop, "Root", root);
    assert_reason(reason_of(workshop, LIST(root), LIST(forge_client(workshop, renewed), renewed)),
                  REASON_NONE);
}

static void refuses_a_path_that_is_too_long_to_follow(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *root = forge_ca(workshop, "Root");
    const struct forged *chain[13] = {NULL};
    const struct forged *issuer = root;
    for (size_t i = 11; i > 0; i--) {
        static const char *const names[] = {"0", "1", "2", "3", "4", "5",
                                            "6", "7", "8", "9", "a", "b"};
        issuer = forge_below(workshop, names[i], issuer);
        chain[i] = issuer;
    }
    chain[0] = forge_client(workshop, issuer);
    const struct trust_options options = {.name = "staff", .max_depth = 100};
    const struct trust *trust = forge_trust(workshop, &options, LIST(root), NULL);
    assert_reason(reason_at(trust, forge_chain(workshop, chain), FORGE_NOW_S),
                  REASON_CHAIN_TOO_LONG);
}

// What it may name.

static void applies_name_constraints(void **state)
{
    static const struct {
        const char *permitted;
        const char *excluded;
        const char *san;
        enum reason expected;
    } rows[] = {
        {"dns:example.org", NULL, "dns:a.example.org", REASON_NONE},
        {"dns:example.org", NULL, "dns:a.example.net", REASON_NAME_CONSTRAINT},
        {"dns:example.org", NULL, "dns:*.example.org", REASON_NAME_CONSTRAINT},
        {"dns:example.org", NULL, "dns:a.example.org.", REASON_NAME_CONSTRAINT},
        {NULL, "dns:example.org", "dns:a.example.org", REASON_NAME_CONSTRAINT},
        {NULL, "dns:example.org", "dns:a.example.org.", REASON_NAME_CONSTRAINT},
        {NULL, "dns:example.org", "dns:a.example.net", REASON_NONE},
        {"uri:example.org", NULL, "uri:spiffe://example.org/a", REASON_NONE},
        {"uri:example.org", NULL, "uri:spiffe://evil.org/a", REASON_NAME_CONSTRAINT},
        {"uri:.example.org", NULL, "uri:spiffe://evil.org/x.example.org:1", REASON_NAME_CONSTRAINT},
        {NULL, "uri:evil.org", "uri:spiffe://evil.org/a:b", REASON_NAME_CONSTRAINT},
        {NULL, "uri:evil.org", "uri:spiffe://evil.org?a", REASON_NAME_CONSTRAINT},
        {NULL, "uri:evil.org", "uri:spiffe://x@evil.org/a", REASON_NAME_CONSTRAINT},
        {NULL, "uri:evil.org", "uri:urn:a", REASON_NAME_CONSTRAINT},
        {"dns:example.org", NULL, "uri:https://example.net:8443/a", REASON_NONE},
        {"email:example.org", NULL, "email:a@example.org", REASON_NONE},
        {"email:example.org", NULL, "email:a@b@example.org", REASON_NAME_CONSTRAINT},
        {"email:example.org", NULL, "email:a@example.net", REASON_NAME_CONSTRAINT},
        {"email:example.org", NULL, "email:*@example.org", REASON_NONE}, // a letter like another
        {"email:example.org", NULL, "email:a*b@example.org", REASON_NONE},
        {"email:*@example.org", NULL, "email:*@example.org", REASON_NONE},
        {"email:*@example.org", NULL, "email:a@example.org", REASON_NAME_CONSTRAINT},
        {NULL, "email:*@example.org", "email:*@example.org", REASON_NAME_CONSTRAINT},
        {NULL, "email:example.net", "email:*@example.net", REASON_NAME_CONSTRAINT},
        {"email:example.org", NULL, "email:a@*.example.org", REASON_NAME_CONSTRAINT},
        {"email:example.org", NULL, "email:a@*", REASON_NAME_CONSTRAINT},
        {"ip4:10.0.0.0", NULL, "ip4:10.0.0.0", REASON_NAME_CONSTRAINT}, // not understood: refused
    };
    struct workshop *workshop = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct forged *ca =
            forge(workshop, &(struct forge_plan){.cn = "Root",
                                                 .is_ca = true,
                                                 .permitted = {rows[i].permitted},
                                                 .excluded = {rows[i].excluded}});
        const struct forged *leaf = forge(
            workshop, &(struct forge_plan){.cn = "alice", .issuer = ca, .sans = {rows[i].san}});
        const enum reason found = reason_of(workshop, LIST(ca), LIST(leaf));
        if (found != rows[i].expected)
            fail_msg("row %zu, %s: %s", i, rows[i].san, reason_name(found));
    }
}

static void applies_the_trust_domain_of_the_profile(void **state)
{
    static const struct {
        const char *sans[3];
        enum reason expected;
    } rows[] = {
        {{"uri:spiffe://example.org/a"}, REASON_NONE},
        {{"dns:a.example"}, REASON_NONE},
        {{"uri:https://example.net/a"}, REASON_NONE},
        {{"uri:spiffe://example.net/a"}, REASON_WRONG_TRUST_DOMAIN},
        {{"uri:spiffe://example.org"}, REASON_WRONG_TRUST_DOMAIN},
        {{"uri:SPIFFE://example.org/a"}, REASON_WRONG_TRUST_DOMAIN},
        {{"uri:spiffe://example.org/a", "uri:urn:a"}, REASON_WRONG_TRUST_DOMAIN},
    };
    struct workshop *workshop = *state;
    const struct forged *ca = forge_ca(workshop, "Root");
    struct trust_options options = OPTIONS;
    const struct trust *free_of_it = forge_trust(workshop, &options, LIST(ca), NULL);
    options.trust_domain = "example.org";
    struct trust *bound = forge_trust(workshop, &options, LIST(ca), NULL);
    struct errinfo info = {0};
    struct trust *revised = NULL;
    assert_int_equal(trust_revise(bound, &revised), ERR_OK);
    assert_int_equal(trust_finish(revised, FORGE_NOW_S, &info), ERR_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct forged *leaf = forge(
            workshop, &(struct forge_plan){
                          .cn = "a", .issuer = ca, .sans = {rows[i].sans[0], rows[i].sans[1]}});
        const STACK_OF(CRYPTO_BUFFER) *chain = forge_chain(workshop, LIST(leaf));
        struct trust_verdict verdict;
        const char *detail = NULL;
        assert_reason(reason_at(bound, chain, FORGE_NOW_S), rows[i].expected);
        assert_reason(reason_at(revised, chain, FORGE_NOW_S), rows[i].expected);
        assert_int_equal(trust_verify(free_of_it, chain, FORGE_NOW_S, &verdict), ERR_OK);
        assert_reason(trust_recheck(bound, verdict.identity, FORGE_NOW_S, &detail),
                      rows[i].expected);
        assert_int_equal(strstr(detail, "example.org") != NULL, rows[i].expected != REASON_NONE);
        identity_destroy(verdict.identity);
    }
    trust_destroy(revised);
}

// A live tunnel survives crl_missing, so that must not hide the other reason.
static void the_trust_domain_comes_before_missing_lists_when_judged_again(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *ca = forge_ca(workshop, "Root");
    const struct forged *other = forge_ca(workshop, "Other");
    const STACK_OF(CRYPTO_BUFFER) *chain = forge_chain(workshop, LIST(forge_client(workshop, ca)));
    struct trust_options options = OPTIONS;
    struct trust *before = forge_trust(workshop, &options, LIST(ca, other), NULL);
    options.trust_domain = "example.net";
    struct errinfo info = {0};
    struct trust *after = NULL;
    assert_int_equal(trust_create(&options, &after), ERR_OK);
    assert_int_equal(trust_add_ca(after, forge_pem(workshop, LIST(ca, other)), &info), ERR_OK);
    const struct forge_crl_plan list = {.issuer = other};
    assert_int_equal(trust_add_crl(after, forge_crl(workshop, &list), &info), ERR_OK);
    assert_int_equal(trust_finish(after, FORGE_NOW_S, &info), ERR_OK);
    struct trust_verdict verdict;
    const char *detail = NULL;
    assert_int_equal(trust_verify(before, chain, FORGE_NOW_S, &verdict), ERR_OK);
    assert_reason(trust_recheck(after, verdict.identity, FORGE_NOW_S, &detail),
                  REASON_WRONG_TRUST_DOMAIN);
    identity_destroy(verdict.identity);
    trust_destroy(after);
}

// How it is written.

static void refuses_what_cannot_be_read(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *ca = forge_ca(workshop, "Root");
    const struct slice nul_san = SLICE_LITERAL("\x30\x03\x82\x01"); // cut off
    const struct forge_plan plans[] = {
        {.cn = "a", .issuer = ca, .san_der = nul_san},
        {.cn = "a", .issuer = ca, .san_der = SLICE_LITERAL("\x30\0")},
        {.cn = "a",
         .issuer = ca,
         .san_der = SLICE_LITERAL("\x30\x03\x82\x01x"),
         .has_san_twice = true},
        {.cn = "a", .issuer = ca, .has_unknown_critical = true},
        {.cn = "a", .issuer = ca, .serial = -5},
        {.cn = "a", .issuer = ca, .has_pathlen = true},
    };
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++)
        assert_reason(reason_of(workshop, LIST(ca), LIST(forge(workshop, &plans[i]))),
                      REASON_BAD_CERTIFICATE);
}

static void refuses_junk_and_other_spellings_of_der(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *ca = forge_ca(workshop, "Root");
    const struct trust *trust = forge_trust(workshop, &OPTIONS, LIST(ca), NULL);
    uint8_t *der = NULL;
    const int len = i2d_X509(forge_client(workshop, ca)->cert, &der);
    assert_true(len > 300 && der[0] == 0x30 && der[1] == 0x82);
    for (int variant = 0; variant < 4; variant++) {
        uint8_t bytes[2048] = {0};
        assert_true(bytes_copy(bytes, sizeof bytes, slice_of(der, (size_t)len)));
        size_t bytes_len = (size_t)len;
        if (variant == 1)
            bytes_len++; // a byte after it
        else if (variant == 2)
            bytes_len--; // cut off
        else if (variant == 3)
            bytes[4] = 0; // no SEQUENCE any more
        STACK_OF(CRYPTO_BUFFER) *chain = sk_CRYPTO_BUFFER_new_null();
        assert_true(sk_CRYPTO_BUFFER_push(chain, CRYPTO_BUFFER_new(bytes, bytes_len, NULL)) != 0);
        assert_reason(reason_at(trust, chain, FORGE_NOW_S),
                      variant == 0 ? REASON_NONE : REASON_BAD_CERTIFICATE);
        sk_CRYPTO_BUFFER_pop_free(chain, CRYPTO_BUFFER_free);
    }
    OPENSSL_free(der);
}

static void refuses_a_long_form_of_a_short_length(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *ca = forge_ca(workshop, "Root");
    const struct trust *trust = forge_trust(workshop, &OPTIONS, LIST(ca), NULL);
    uint8_t *der = NULL;
    const size_t len = (size_t)i2d_X509(forge_client(workshop, ca)->cert, &der);
    // The signature is the last element: 03 LEN 00 ... becomes 03 81 LEN 00 ...
    size_t at = len - 1;
    while (!(der[at] == 0x03 && (size_t)der[at + 1] == len - at - 2 && der[at + 2] == 0))
        at--;
    uint8_t bytes[2048];
    assert_true(bytes_copy(bytes, sizeof bytes, slice_of(der, at + 1)));
    bytes[at + 1] = 0x81;
    assert_true(
        bytes_copy(bytes + at + 2, sizeof bytes - at - 2, slice_of(der + at + 1, len - at - 1)));
    const size_t inner_len = len + 1 - 4;
    bytes[2] = (uint8_t)(inner_len >> 8);
    bytes[3] = (uint8_t)inner_len;
    CRYPTO_BUFFER *buffer = CRYPTO_BUFFER_new(bytes, len + 1, NULL);
    X509 *tolerated = X509_parse_from_buffer(buffer);
    assert_non_null(tolerated); // the library would take it: the test is of our own rule
    X509_free(tolerated);
    STACK_OF(CRYPTO_BUFFER) *chain = sk_CRYPTO_BUFFER_new_null();
    assert_true(sk_CRYPTO_BUFFER_push(chain, buffer) != 0);
    assert_reason(reason_at(trust, chain, FORGE_NOW_S), REASON_BAD_CERTIFICATE);
    sk_CRYPTO_BUFFER_pop_free(chain, CRYPTO_BUFFER_free);
    OPENSSL_free(der);
}

static void refuses_a_subject_that_is_not_utf8(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *ca = forge_ca(workshop, "Root");
    const struct trust *trust = forge_trust(workshop, &OPTIONS, LIST(ca), NULL);
    // UTF8String of a character that has no PrintableString form, then its bytes broken.
    const struct forged *leaf =
        forge(workshop, &(struct forge_plan){.cn = "al\xC3\xA9xyz", .issuer = ca});
    uint8_t *der = NULL;
    const int len = i2d_X509(leaf->cert, &der);
    bool is_found = false;
    for (int i = 0; i + 1 < len; i++) {
        if (der[i] == 0xC3 && der[i + 1] == 0xA9 && der[i + 2] == 'x') {
            der[i + 1] = 'z';
            is_found = true;
        }
    }
    assert_true(is_found);
    STACK_OF(CRYPTO_BUFFER) *chain = sk_CRYPTO_BUFFER_new_null();
    assert_true(sk_CRYPTO_BUFFER_push(chain, CRYPTO_BUFFER_new(der, (size_t)len, NULL)) != 0);
    assert_reason(reason_at(trust, chain, FORGE_NOW_S), REASON_BAD_CERTIFICATE);
    sk_CRYPTO_BUFFER_pop_free(chain, CRYPTO_BUFFER_free);
    OPENSSL_free(der);
}

static void keeps_what_an_unverified_certificate_claims_apart(void **state)
{
    struct workshop *workshop = *state;
    const struct trust *trust =
        forge_trust(workshop, &OPTIONS, LIST(forge_ca(workshop, "Ours")), NULL);
    const struct forged *leaf = forge_client(workshop, forge_ca(workshop, "Theirs"));
    struct trust_verdict verdict;
    assert_int_equal(trust_verify(trust, forge_chain(workshop, LIST(leaf)), FORGE_NOW_S, &verdict),
                     ERR_DENIED);
    assert_null(verdict.identity);
    assert_non_null(verdict.presented);
    assert_string_equal(verdict.presented->trust_name, "");
    assert_true(slice_equal(dn_common_name(&verdict.presented->subject), SLICE_LITERAL("alice")));
    identity_destroy(verdict.presented);
}

// How much work it is.

static void refuses_more_certificates_than_sixteen(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *ca = forge_ca(workshop, "Root");
    const struct forged *leaf = forge_client(workshop, ca);
    const struct forged *certs[18] = {NULL};
    for (size_t i = 0; i < 16; i++)
        certs[i] = leaf;
    assert_reason(reason_of(workshop, LIST(ca), certs), REASON_NONE);
    certs[16] = leaf;
    assert_reason(reason_of(workshop, LIST(ca), certs), REASON_WORK_LIMIT);
}

// make_wide_san gives a SAN extension of `count` DNS names; owned by the caller.
static uint8_t *make_wide_san(size_t count, size_t *out_len)
{
    const size_t inner_len = count * 4;
    uint8_t *der = malloc(inner_len + 5);
    assert_non_null(der);
    size_t len = 0;
    der[len++] = 0x30;
    der[len++] = 0x83;
    der[len++] = (uint8_t)(inner_len >> 16);
    der[len++] = (uint8_t)(inner_len >> 8);
    der[len++] = (uint8_t)inner_len;
    assert_true(inner_len >= 0x10000); // else the length would not be DER
    for (size_t i = 0; i < count; i++) {
        der[len++] = 0x82;
        der[len++] = 2;
        der[len++] = (uint8_t)('a' + i % 26);
        der[len++] = (uint8_t)('a' + i / 26 % 26);
    }
    *out_len = len;
    return der;
}

static void refuses_more_bytes_than_the_limit(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *ca = forge_ca(workshop, "Root");
    size_t len = 0;
    uint8_t *der = make_wide_san(20000, &len);
    const struct forged *leaf = forge(
        workshop, &(struct forge_plan){.cn = "alice", .issuer = ca, .san_der = slice_of(der, len)});
    free(der);
    assert_reason(reason_of(workshop, LIST(ca), LIST(leaf)), REASON_WORK_LIMIT);
}

static void stops_in_a_maze_of_names(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *ca = forge_ca(workshop, "Root");
    const struct forge_plan plan = {.cn = "Maze", .is_ca = true, .has_no_key_ids = true};
    const struct forged *certs[17] = {NULL};
    for (size_t i = 1; i < 16; i++)
        certs[i] = forge(workshop, &plan);
    certs[0] = forge(
        workshop, &(struct forge_plan){.cn = "alice", .issuer = certs[1], .has_no_key_ids = true});
    assert_reason(reason_of(workshop, LIST(ca), certs), REASON_WORK_LIMIT);
}

static void stops_after_many_signatures(void **state)
{
    struct workshop *workshop = *state;
    const struct forge_plan plan = {.cn = "Root", .is_ca = true, .has_no_key_ids = true};
    const struct forged *anchors[42] = {NULL};
    for (size_t i = 0; i < 41; i++)
        anchors[i] = forge(workshop, &plan);
    const struct forged *leaf =
        forge(workshop,
              &(struct forge_plan){.cn = "alice", .issuer = anchors[40], .has_no_key_ids = true});
    assert_reason(reason_of(workshop, anchors, LIST(leaf)), REASON_WORK_LIMIT);
    assert_reason(reason_of(workshop, anchors + 9, LIST(leaf)), REASON_NONE); // the 32nd
}

static void counts_expensive_signatures_for_more(void **state)
{
    struct workshop *workshop = *state;
    const struct forge_plan plan = {
        .cn = "Root", .is_ca = true, .has_no_key_ids = true, .key = FORGE_P521};
    const struct forged *anchors[13] = {NULL};
    for (size_t i = 0; i < 12; i++)
        anchors[i] = forge(workshop, &plan);
    const struct forged *leaf =
        forge(workshop,
              &(struct forge_plan){.cn = "alice", .issuer = anchors[11], .has_no_key_ids = true});
    assert_reason(reason_of(workshop, anchors, LIST(leaf)), REASON_WORK_LIMIT);
    assert_reason(reason_of(workshop, anchors + 2, LIST(leaf)), REASON_NONE);
}

static void never_stops_in_the_first_path(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *certs[10] = {NULL};
    const struct forged *issuer = NULL;
    for (size_t i = 9; i > 0; i--) {
        const char name[] = {(char)('a' + i), '\0'};
        issuer = forge(
            workshop,
            &(struct forge_plan){.cn = name, .is_ca = true, .issuer = issuer, .key = FORGE_P521});
        certs[i] = issuer;
    }
    certs[0] = forge_client(workshop, issuer);
    const struct forged *root = certs[9];
    certs[9] = NULL;
    const struct trust_options options = {.name = "staff", .max_depth = 8};
    const struct trust *trust = forge_trust(workshop, &options, LIST(root), NULL);
    assert_reason(reason_at(trust, forge_chain(workshop, certs), FORGE_NOW_S), REASON_NONE);
}

// The profile.

static enum err load(const char *pem, struct errinfo *info)
{
    struct trust *trust = NULL;
    assert_int_equal(trust_create(&OPTIONS, &trust), ERR_OK);
    const enum err error = trust_add_ca(trust, slice_of_string(pem), info);
    assert_int_equal(ERR_peek_error(), 0);
    trust_destroy(trust);
    return error;
}

static void refuses_files_that_hold_no_ca(void **state)
{
    (void)state;
    struct errinfo info;
    assert_int_equal(load("", &info), ERR_INPUT);
    assert_int_equal(load("hello\n", &info), ERR_INPUT);
    assert_int_equal(load("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", &info),
                     ERR_INPUT);
    assert_int_equal(load("-----BEGIN CERTIFICATE-----\nAAAA\n", &info), ERR_INPUT);
    assert_int_equal(load("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", &info),
                     ERR_INPUT);
    assert_non_null(strstr(info.text, "private key"));
    assert_int_equal(load("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", &info),
                     ERR_INPUT);
}

static void refuses_certificates_that_are_no_ca(void **state)
{
    struct workshop *workshop = *state;
    const struct forge_plan plans[] = {
        {.cn = "alice"},
        {.cn = "Root", .has_no_basic_constraints = true, .key_usage = 1 << 5},
        {.cn = "Root", .is_ca = true, .key_usage = 1},
        {.cn = "Root", .is_ca = true, .has_unknown_critical = true},
    };
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
        struct trust *trust = NULL;
        struct errinfo info = {0};
        const struct slice pem = forge_pem(workshop, LIST(forge(workshop, &plans[i])));
        assert_int_equal(trust_create(&OPTIONS, &trust), ERR_OK);
        assert_int_equal(trust_add_ca(trust, pem, &info), ERR_INPUT);
        assert_int_equal(trust_add_intermediates(trust, pem, &info), ERR_INPUT);
        assert_true(info.text[0] != '\0');
        trust_destroy(trust);
    }
}

static enum err finish(struct workshop *workshop, const struct forged *const *cas,
                       const struct forged *const *helpers)
{
    struct trust *trust = NULL;
    struct errinfo info = {0};
    assert_int_equal(trust_create(&OPTIONS, &trust), ERR_OK);
    if (cas != NULL)
        assert_int_equal(trust_add_ca(trust, forge_pem(workshop, cas), &info), ERR_OK);
    if (helpers != NULL)
        assert_int_equal(trust_add_intermediates(trust, forge_pem(workshop, helpers), &info),
                         ERR_OK);
    const enum err error = trust_finish(trust, FORGE_NOW_S, &info);
    assert_true((error == ERR_OK) == (info.text[0] == '\0'));
    trust_destroy(trust);
    return error;
}

static void refuses_a_profile_without_a_valid_anchor(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *root = forge_ca(workshop, "Root");
    const struct forged *lower = forge_below(workshop, "Lower", root);
    const struct forged *expired = forge(
        workshop, &(struct forge_plan){.cn = "Old", .is_ca = true, .not_after_s = FORGE_NOW_S - 1});
    const struct forged *early =
        forge(workshop,
              &(struct forge_plan){.cn = "New", .is_ca = true, .not_before_s = FORGE_NOW_S + 1});
    assert_int_equal(finish(workshop, NULL, NULL), ERR_INPUT);
    assert_int_equal(finish(workshop, NULL, LIST(root)), ERR_INPUT);
    assert_int_equal(finish(workshop, LIST(lower), LIST(root)), ERR_INPUT);
    assert_int_equal(finish(workshop, LIST(expired), NULL), ERR_INPUT);
    assert_int_equal(finish(workshop, LIST(early), NULL), ERR_INPUT);
    assert_int_equal(finish(workshop, LIST(expired, early), LIST(root)), ERR_INPUT);
    assert_int_equal(finish(workshop, LIST(root), LIST(expired)), ERR_OK);
}

// An expired root, a helper that it issued, and a good root: the helper must not take the root's place.
static void leaves_an_anchor_out_that_is_not_valid_and_makes_no_other(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *root = forge_ca(workshop, "Root");
    const struct forged *old = forge(
        workshop, &(struct forge_plan){.cn = "Old", .is_ca = true, .not_after_s = FORGE_NOW_S - 1});
    const struct forged *early =
        forge(workshop,
              &(struct forge_plan){.cn = "New", .is_ca = true, .not_before_s = FORGE_NOW_S + 1});
    const struct forged *below_old = forge_below(workshop, "Below", old);
    const struct forged *good = forge_client(workshop, root);
    const struct trust *trust =
        forge_trust(workshop, &OPTIONS, LIST(below_old, old, early, root), NULL);
    const struct {
        bool is_anchor;
        bool is_left_out;
        bool has_warning;
    } wanted[] = {
        {false, false, false}, {true, true, true}, {true, true, true}, {true, false, false}};
    for (size_t i = 0; i < 4; i++) {
        const struct trust_certificate found = trust_certificate_at(trust, i);
        assert_int_equal(found.is_anchor, wanted[i].is_anchor);
        assert_int_equal(found.is_left_out, wanted[i].is_left_out);
        assert_int_equal(found.warning != NULL, wanted[i].has_warning);
    }
    const struct forged *const *const refused[] = {
        LIST(forge_client(workshop, old)), LIST(forge_client(workshop, below_old), below_old, old),
        LIST(forge_client(workshop, early)), LIST(forge_client(workshop, below_old))};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        assert_reason(reason_at(trust, forge_chain(workshop, refused[i]), FORGE_NOW_S),
                      REASON_UNKNOWN_CA);
    assert_reason(reason_at(trust, forge_chain(workshop, LIST(good)), FORGE_NOW_S), REASON_NONE);
    STACK_OF(CRYPTO_BUFFER) *names = trust_client_ca_names(trust);
    assert_int_equal(sk_CRYPTO_BUFFER_num(names), 1);
    sk_CRYPTO_BUFFER_pop_free(names, CRYPTO_BUFFER_free);
}

static void describes_its_certificates(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *root = forge_ca(workshop, "Root");
    const struct forged *soft = forge(
        workshop,
        &(struct forge_plan){.cn = "Soft", .is_ca = true, .has_soft_basic_constraints = true});
    const struct forged *lower = forge_below(workshop, "Lower", root);
    const struct trust *trust =
        forge_trust(workshop, &OPTIONS, LIST(lower, root, root, soft), LIST(lower));
    assert_int_equal(trust_certificate_count(trust), 4); // one root, the helper in both lists
    assert_string_equal(trust_certificate_at(trust, 0).subject, "CN=Lower");
    assert_false(trust_certificate_at(trust, 0).is_anchor);
    assert_true(trust_certificate_at(trust, 1).is_anchor);
    assert_null(trust_certificate_at(trust, 1).warning);
    assert_non_null(trust_certificate_at(trust, 2).warning);
    assert_false(trust_certificate_at(trust, 3).is_anchor);
    assert_string_equal(trust_name(trust), "staff");
}

static void names_its_anchors_to_clients(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *root = forge_ca(workshop, "Root");
    const struct forged *again = forge_ca(workshop, "Root");
    const struct forged *lower = forge_below(workshop, "Lower", root);
    const struct trust *trust = forge_trust(workshop, &OPTIONS, LIST(root, again, lower), NULL);
    STACK_OF(CRYPTO_BUFFER) *names = trust_client_ca_names(trust);
    assert_int_equal(sk_CRYPTO_BUFFER_num(names), 1);
    const CRYPTO_BUFFER *name = sk_CRYPTO_BUFFER_value(names, 0);
    struct dn dn;
    assert_int_equal(dn_from_der(slice_of(CRYPTO_BUFFER_data(name), CRYPTO_BUFFER_len(name)), &dn),
                     ERR_OK);
    assert_true(slice_equal(dn_common_name(&dn), SLICE_LITERAL("Root")));
    sk_CRYPTO_BUFFER_pop_free(names, CRYPTO_BUFFER_free);
}

// A thread's share of verifies_on_many_threads_at_once.
struct share {
    const struct trust *trust;
    const STACK_OF(CRYPTO_BUFFER) *good;
    const STACK_OF(CRYPTO_BUFFER) *bad;
    size_t right_count;
};

enum { THREADS = 4, ROUNDS = 50 };

static void *verify_share(void *argument)
{
    struct share *share = argument;
    for (size_t i = 0; i < ROUNDS; i++) {
        struct trust_verdict good;
        struct trust_verdict bad;
        const bool is_good = trust_verify(share->trust, share->good, FORGE_NOW_S, &good) == ERR_OK;
        const bool is_bad = trust_verify(share->trust, share->bad, FORGE_NOW_S, &bad) == ERR_DENIED;
        share->right_count += is_good && is_bad && bad.reason == REASON_UNKNOWN_CA;
        identity_destroy(good.identity);
        identity_destroy(bad.presented);
    }
    return NULL;
}

static void verifies_on_many_threads_at_once(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *root = forge_ca(workshop, "Root");
    const struct forged *lower = forge_below(workshop, "Lower", root);
    const struct forged *stranger = forge_client(workshop, forge_ca(workshop, "Theirs"));
    const struct trust *trust = forge_trust(workshop, &OPTIONS, LIST(root), LIST(lower));
    struct share shares[THREADS];
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        shares[i] = (struct share){
            .trust = trust,
            .good = forge_chain(workshop, LIST(forge_client(workshop, lower))),
            .bad = forge_chain(workshop, LIST(stranger)),
        };
        assert_int_equal(pthread_create(&threads[i], NULL, verify_share, &shares[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(shares[i].right_count, ROUNDS);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, workshop_create, workshop_destroy)
    const struct CMUnitTest tests[] = {
        TEST(accepts_a_client_of_an_anchor),
        TEST(accepts_every_key_above_the_floor),
        TEST(accepts_intermediates_in_any_order),
        TEST(tells_depth_and_the_earliest_end),
        TEST(accepts_helpers_from_the_profile),
        TEST(accepts_an_anchor_that_is_not_self_issued),
        TEST(accepts_the_other_of_two_cross_signed_paths),
        TEST(accepts_the_second_of_two_anchors_of_one_name),
        TEST(accepts_a_leaf_without_any_usage),
        TEST(refuses_a_client_without_a_certificate),
        TEST(refuses_another_ca_even_when_it_is_sent_along),
        TEST(refuses_another_ca_of_the_same_name),
        TEST(refuses_a_self_signed_leaf),
        TEST(refuses_the_ca_itself_as_a_client),
        TEST(never_takes_a_helper_for_an_anchor),
        TEST(names_a_missing_intermediate),
        TEST(does_not_call_a_foreign_root_a_missing_intermediate),
        TEST(refuses_a_broken_signature),
        TEST(refuses_a_broken_signature_in_the_middle),
        TEST(refuses_outside_its_validity),
        TEST(refuses_when_a_ca_has_expired_since),
        TEST(calls_an_expired_certificate_of_an_unknown_ca_unknown),
        TEST(refuses_what_was_issued_for_too_long),
        TEST(refuses_a_servers_certificate),
        TEST(takes_the_usages_that_are_chosen_and_no_other),
        TEST(a_profile_that_takes_fewer_usages_refuses_whom_it_took),
        TEST(refuses_a_ca_without_a_name),
        TEST(refuses_a_key_that_may_not_sign),
        TEST(refuses_a_ca_for_servers_only),
        TEST(refuses_a_leaf_that_plays_the_ca),
        TEST(refuses_weak_keys_and_signatures_anywhere),
        TEST(excepts_the_anchors_own_signature_but_not_its_key),
        TEST(refuses_more_intermediates_than_allowed),
        TEST(refuses_what_a_pathlen_forbids),
        TEST(does_not_count_a_cas_own_new_key_as_an_intermediate),
        TEST(refuses_a_path_that_is_too_long_to_follow),
        TEST(applies_name_constraints),
        TEST(applies_the_trust_domain_of_the_profile),
        TEST(the_trust_domain_comes_before_missing_lists_when_judged_again),
        TEST(refuses_what_cannot_be_read),
        TEST(refuses_junk_and_other_spellings_of_der),
        TEST(refuses_a_long_form_of_a_short_length),
        TEST(refuses_a_subject_that_is_not_utf8),
        TEST(keeps_what_an_unverified_certificate_claims_apart),
        TEST(refuses_more_certificates_than_sixteen),
        TEST(refuses_more_bytes_than_the_limit),
        TEST(stops_in_a_maze_of_names),
        TEST(stops_after_many_signatures),
        TEST(counts_expensive_signatures_for_more),
        TEST(never_stops_in_the_first_path),
        TEST(refuses_files_that_hold_no_ca),
        TEST(refuses_certificates_that_are_no_ca),
        TEST(refuses_a_profile_without_a_valid_anchor),
        TEST(leaves_an_anchor_out_that_is_not_valid_and_makes_no_other),
        TEST(describes_its_certificates),
        TEST(names_its_anchors_to_clients),
        TEST(verifies_on_many_threads_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
