// A profile with revocation lists, denied certificates and `strict`: the verdict, and the same
// asked again of the record alone.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>

#include <openssl/err.h>
#include <openssl/nid.h>
#include <openssl/pool.h>
#include <pthread.h>
#include <stdlib.h>

#include "auth/revocation.h"
#include "auth/chain_record.h"
#include "auth/trust.h"
#include "tests/unit/cert/forge_crl.h"

#define LIST(...) ((const struct forged *const[]){__VA_ARGS__, NULL})
#define CRL(...)  (&(const struct forge_crl_plan){__VA_ARGS__})

// pki is a root, an intermediate below it, and a leaf below that.
struct pki {
    const struct forged *root;
    const struct forged *middle;
    const struct forged *leaf;
    STACK_OF(CRYPTO_BUFFER) *chain;
};

enum { ROOT_SERIAL = 10, MIDDLE_SERIAL = 20, LEAF_SERIAL = 30 };

static struct pki make_pki(struct workshop *workshop)
{
    struct pki pki;
    pki.root =
        forge(workshop, &(struct forge_plan){.cn = "Root", .is_ca = true, .serial = ROOT_SERIAL});
    pki.middle = forge(
        workshop, &(struct forge_plan){
                      .cn = "Middle", .is_ca = true, .issuer = pki.root, .serial = MIDDLE_SERIAL});
    pki.leaf = forge(workshop, &(struct forge_plan){.cn = "alice",
                                                    .issuer = pki.middle,
                                                    .serial = LEAF_SERIAL,
                                                    .sans = {"uri:spiffe://example.org/alice"}});
    pki.chain = forge_chain(workshop, LIST(pki.leaf, pki.middle));
    return pki;
}

// profile is what a test asks of a trust profile over that pki.
struct profile {
    struct trust_options options;
    const struct forge_crl_plan *crls[4];
    const struct forged *denied;         // by its digest
    const struct forged *denied_by_name; // by issuer and serial
    const struct forged *other_anchor;   // in place of the root
    int64_t now_s;                       // 0: FORGE_NOW_S
};

static void deny_by_name(struct trust *trust, const struct forged *forged)
{
    struct identity *identity = NULL;
    uint8_t serial[IDENTITY_SERIAL_MAX + 1] = {0}; // with a zero in front
    assert_int_equal(identity_create(forged->cert, NULL, &identity), ERR_OK);
    const struct slice plain = identity->serial;
    assert_true(bytes_copy(serial + 1, sizeof serial - 1, plain));
    assert_int_equal(trust_deny_serial(trust, &identity->issuer, slice_of(serial, plain.len + 1)),
                     ERR_OK);
    identity_destroy(identity);
}

// make_trust gives a finished profile; to be destroyed by the test.
static struct trust *make_trust(struct workshop *workshop, const struct pki *pki,
                                const struct profile *profile)
{
    struct trust_options options = profile->options;
    struct trust *trust = NULL;
    struct errinfo info = {0};
    options.name = "staff";
    if (options.max_depth == 0)
        options.max_depth = TRUST_DEFAULT_MAX_DEPTH;
    const struct forged *anchor = profile->other_anchor == NULL ? pki->root : profile->other_anchor;
    assert_int_equal(trust_create(&options, &trust), ERR_OK);
    assert_int_equal(trust_add_ca(trust, forge_pem(workshop, LIST(anchor)), &info), ERR_OK);
    assert_int_equal(trust_add_intermediates(trust, forge_pem(workshop, LIST(pki->middle)), &info),
                     ERR_OK);
    for (size_t i = 0; i < 4 && profile->crls[i] != NULL; i++) {
        const struct slice der = forge_crl(workshop, profile->crls[i]);
        const struct slice bytes = i % 2 == 0 ? der : forge_crl_pem(workshop, der);
        if (trust_add_crl(trust, bytes, &info) != ERR_OK)
            fail_msg("%s", info.text);
    }
    if (profile->denied != NULL) {
        struct identity *identity = NULL;
        assert_int_equal(identity_create(profile->denied->cert, NULL, &identity), ERR_OK);
        assert_int_equal(trust_deny_sha256(trust, identity->sha256), ERR_OK);
        identity_destroy(identity);
    }
    if (profile->denied_by_name != NULL)
        deny_by_name(trust, profile->denied_by_name);
    if (trust_finish(trust, profile->now_s == 0 ? FORGE_NOW_S : profile->now_s, &info) != ERR_OK)
        fail_msg("%s", info.text);
    return trust;
}

static enum reason verify(const struct trust *trust, const struct pki *pki, int64_t now_s)
{
    struct trust_verdict verdict;
    const enum err error = trust_verify(trust, pki->chain, now_s, &verdict);
    assert_true((error == ERR_OK) == (verdict.identity != NULL));
    assert_true((error == ERR_OK) == (verdict.detail[0] == '\0'));
    assert_int_equal(ERR_peek_error(), 0);
    identity_destroy(verdict.identity);
    identity_destroy(verdict.presented);
    return verdict.reason;
}

// open_identity gives the identity of the chain under a profile without any list.
static struct identity *open_identity(struct workshop *workshop, const struct pki *pki)
{
    struct trust *open = make_trust(workshop, pki, &(struct profile){.now_s = 0});
    struct trust_verdict verdict;
    assert_int_equal(trust_verify(open, pki->chain, FORGE_NOW_S, &verdict), ERR_OK);
    trust_destroy(open);
    return verdict.identity;
}

// reason_at gives the verdict at a time, and checks that the record alone gives the same.
static enum reason reason_at(struct workshop *workshop, const struct pki *pki,
                             const struct profile *profile, int64_t now_s)
{
    struct identity *identity = open_identity(workshop, pki);
    struct trust *trust = make_trust(workshop, pki, profile);
    const char *detail = NULL;
    const enum reason reason = verify(trust, pki, now_s);
    assert_int_equal(trust_recheck(trust, identity, now_s, &detail), reason);
    assert_true((detail[0] == '\0') == (reason == REASON_NONE));
    trust_destroy(trust);
    identity_destroy(identity);
    return reason;
}

static enum reason reason_now(struct workshop *workshop, const struct pki *pki,
                              const struct profile *profile)
{
    return reason_at(workshop, pki, profile, FORGE_NOW_S);
}

static void accepts_when_every_ca_has_a_list(void **state)
{
    const struct pki pki = make_pki(*state);
    const struct profile profile = {
        .crls = {CRL(.issuer = pki.root, .serials = {LEAF_SERIAL, 99}),
                 CRL(.issuer = pki.middle, .serials = {MIDDLE_SERIAL, ROOT_SERIAL, 99})}};
    assert_int_equal(reason_now(*state, &pki, &profile), REASON_NONE);
}

static void refuses_a_revoked_leaf_and_a_revoked_intermediate(void **state)
{
    const struct pki pki = make_pki(*state);
    const struct profile leaf = {
        .crls = {CRL(.issuer = pki.root), CRL(.issuer = pki.middle, .serials = {LEAF_SERIAL})}};
    const struct profile middle = {
        .crls = {CRL(.issuer = pki.root, .serials = {MIDDLE_SERIAL}), CRL(.issuer = pki.middle)}};
    assert_int_equal(reason_now(*state, &pki, &leaf), REASON_REVOKED);
    assert_int_equal(reason_now(*state, &pki, &middle), REASON_REVOKED);
}

static void refuses_when_one_ca_has_no_list(void **state)
{
    const struct pki pki = make_pki(*state);
    const struct forged *other = forge(*state, &(struct forge_plan){.cn = "Other", .is_ca = true});
    const struct profile profiles[] = {
        {.crls = {CRL(.issuer = pki.root)}},
        {.crls = {CRL(.issuer = pki.middle)}},
        {.crls = {CRL(.issuer = other)}},
        {.crls = {CRL(.issuer = pki.root), CRL(.issuer = pki.middle, .is_for_cas = true)}},
        {.crls = {CRL(.issuer = pki.root, .is_for_leaves = true), CRL(.issuer = pki.middle)}},
    };
    for (size_t i = 0; i < sizeof profiles / sizeof profiles[0]; i++)
        assert_int_equal(reason_now(*state, &pki, &profiles[i]), REASON_CRL_MISSING);
}

static void a_list_for_one_kind_of_certificates_is_enough_for_that_kind(void **state)
{
    const struct pki pki = make_pki(*state);
    const struct profile profile = {.crls = {CRL(.issuer = pki.root, .is_for_cas = true),
                                             CRL(.issuer = pki.middle, .is_for_leaves = true)}};
    assert_int_equal(reason_now(*state, &pki, &profile), REASON_NONE);
}

static void an_expired_list_refuses_unless_it_is_kept(void **state)
{
    const struct pki pki = make_pki(*state);
    const int64_t end_s = FORGE_NOW_S + 100;
    struct profile profile = {
        .crls = {CRL(.issuer = pki.root), CRL(.issuer = pki.middle, .next_update_s = end_s)}};
    assert_int_equal(reason_at(*state, &pki, &profile, end_s), REASON_NONE);
    assert_int_equal(reason_at(*state, &pki, &profile, end_s + 1), REASON_CRL_EXPIRED);
    profile.options.keeps_expired_crls = true;
    assert_int_equal(reason_at(*state, &pki, &profile, end_s + 1), REASON_NONE);
    // Missing is not expired.
    profile.crls[1] = NULL;
    assert_int_equal(reason_at(*state, &pki, &profile, end_s + 1), REASON_CRL_MISSING);
}

static void an_expired_list_revokes_whom_it_names(void **state)
{
    const struct pki pki = make_pki(*state);
    const struct profile profile = {.crls = {CRL(.issuer = pki.middle, .serials = {LEAF_SERIAL},
                                                 .next_update_s = FORGE_NOW_S - 100)}};
    assert_int_equal(reason_now(*state, &pki, &profile), REASON_REVOKED);
}

static void the_latest_date_counts_in_any_order(void **state)
{
    const struct pki pki = make_pki(*state);
    const struct forge_crl_plan old = {.issuer = pki.middle,
                                       .number = 9,
                                       .this_update_s = FORGE_NOW_S - 2 * FORGE_DAY_S,
                                       .serials = {LEAF_SERIAL}};
    const struct forge_crl_plan new = {.issuer = pki.middle, .number = 5};
    const struct profile profiles[] = {{.crls = {CRL(.issuer = pki.root), &old, &new}},
                                       {.crls = {CRL(.issuer = pki.root), &new, &old}}};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(reason_now(*state, &pki, &profiles[i]), REASON_NONE);
        struct trust *trust = make_trust(*state, &pki, &profiles[i]);
        assert_null(trust_crl_at(trust, 0).warning);
        assert_non_null(strstr(trust_crl_at(trust, 1).warning, "lower"));
        trust_destroy(trust);
    }
    const struct forge_crl_plan newest = {
        .issuer = pki.middle, .number = 6, .serials = {LEAF_SERIAL}}; // of the same date
    const struct profile later = {.crls = {&newest, CRL(.issuer = pki.root), &new}};
    assert_int_equal(reason_now(*state, &pki, &later), REASON_REVOKED);
}

static void a_list_of_a_namesake_with_another_key_covers_nobody(void **state)
{
    const struct pki pki = make_pki(*state);
    const struct forged *impostor =
        forge(*state, &(struct forge_plan){.cn = "Middle", .is_ca = true});
    struct trust *trust = make_trust(*state, &pki, &(struct profile){.now_s = 0});
    trust_destroy(trust);
    const struct trust_options options = {.name = "staff", .max_depth = 3};
    struct errinfo info = {0};
    assert_int_equal(trust_create(&options, &trust), ERR_OK);
    assert_int_equal(trust_add_ca(trust, forge_pem(*state, LIST(pki.root, impostor)), &info),
                     ERR_OK);
    assert_int_equal(trust_add_crl(trust, forge_crl(*state, CRL(.issuer = pki.root)), &info),
                     ERR_OK);
    assert_int_equal(trust_add_crl(trust, forge_crl(*state, CRL(.issuer = impostor)), &info),
                     ERR_OK);
    assert_int_equal(trust_finish(trust, FORGE_NOW_S, &info), ERR_OK);
    assert_int_equal(verify(trust, &pki, FORGE_NOW_S), REASON_CRL_MISSING);
    trust_destroy(trust);
}

// make_alone gives a finished profile that knows the root only.
static struct trust *make_alone(struct workshop *workshop, const struct pki *pki,
                                const struct trust_options *options,
                                const struct forge_crl_plan *const *plans)
{
    struct trust *trust = NULL;
    struct errinfo info = {0};
    assert_int_equal(trust_create(options, &trust), ERR_OK);
    assert_int_equal(trust_add_ca(trust, forge_pem(workshop, LIST(pki->root)), &info), ERR_OK);
    for (size_t i = 0; plans[i] != NULL; i++) {
        if (trust_add_crl(trust, forge_crl(workshop, plans[i]), &info) != ERR_OK)
            fail_msg("%s", info.text);
    }
    if (trust_finish(trust, FORGE_NOW_S, &info) != ERR_OK)
        fail_msg("%s", info.text);
    return trust;
}

#define PLANS(...) ((const struct forge_crl_plan *const[]){__VA_ARGS__, NULL})

// The usual PKI: the root is configured, clients send the intermediate, both have lists.
static void a_list_of_an_intermediate_counts_once_a_chain_brings_it(void **state)
{
    const struct pki pki = make_pki(*state);
    const struct trust_options options = {.name = "staff", .max_depth = 3};
    const struct forged *namesake =
        forge(*state, &(struct forge_plan){.cn = "Middle", .is_ca = true});
    const struct forge_crl_plan root = {.issuer = pki.root};
    const struct {
        const struct forge_crl_plan *const *plans;
        enum reason reason;
    } rows[] = {
        {PLANS(&root, CRL(.issuer = pki.middle)), REASON_NONE},
        {PLANS(&root, CRL(.issuer = pki.middle, .serials = {99})), REASON_NONE},
        {PLANS(&root, CRL(.issuer = pki.middle, .serials = {LEAF_SERIAL})), REASON_REVOKED},
        {PLANS(&root, CRL(.issuer = pki.middle), CRL(.issuer = namesake, .serials = {LEAF_SERIAL})),
         REASON_NONE},
        {PLANS(&root, CRL(.issuer = namesake)), REASON_CRL_MISSING},
        {PLANS(&root, CRL(.issuer = pki.middle, .has_broken_signature = true)), REASON_CRL_MISSING},
        {PLANS(&root, CRL(.issuer = pki.middle, .next_update_s = FORGE_NOW_S - 1)),
         REASON_CRL_EXPIRED},
        {PLANS(&root), REASON_CRL_MISSING},
    };
    struct identity *identity = open_identity(*state, &pki);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct trust *trust = make_alone(*state, &pki, &options, rows[i].plans);
        const char *detail = NULL;
        // The record alone is enough, before and after a chain was seen.
        for (size_t k = 0; k < 2; k++) {
            assert_int_equal(trust_recheck(trust, identity, FORGE_NOW_S, &detail), rows[i].reason);
            assert_int_equal(verify(trust, &pki, FORGE_NOW_S), rows[i].reason);
        }
        assert_int_equal(trust_crl_at(trust, 0).state, TRUST_CRL_COUNTS);
        assert_true(trust_crl_count(trust) == 1 || trust_crl_at(trust, 1).state == TRUST_CRL_WAITS);
        trust_destroy(trust);
    }
    identity_destroy(identity);
}

// More lists of a namesake than are verified for one chain hide the issuer's own: nobody is let in on what was seen
// of them, and once the answers are remembered the serial is found.
static void a_list_that_was_not_reached_lets_nobody_in(void **state)
{
    enum { NAMESAKES = REVOCATION_MAX_CHECKS + 1 };
    const struct pki pki = make_pki(*state);
    const struct trust_options options = {.name = "staff", .max_depth = 3};
    const struct forged *namesake =
        forge(*state, &(struct forge_plan){.cn = "Middle", .is_ca = true});
    const struct forge_crl_plan own = {.issuer = pki.middle,
                                       .is_for_cas = true,
                                       .serials = {LEAF_SERIAL},
                                       .this_update_s = FORGE_NOW_S - 1000};
    struct forge_crl_plan others[NAMESAKES];
    const struct forge_crl_plan *plans[NAMESAKES + 4] = {CRL(.issuer = pki.root),
                                                         CRL(.issuer = pki.middle), &own};
    for (int i = 0; i < NAMESAKES; i++) {
        others[i] = (struct forge_crl_plan){.issuer = namesake,
                                            .is_for_cas = true,
                                            .has_no_key_id = true,
                                            .number = i + 1,
                                            .serials = {LEAF_SERIAL},
                                            .this_update_s = FORGE_NOW_S - 10};
        plans[3 + i] = &others[i];
    }
    struct trust *trust = make_alone(*state, &pki, &options, plans);
    assert_int_equal(verify(trust, &pki, FORGE_NOW_S), REASON_CRL_MISSING);
    assert_int_equal(verify(trust, &pki, FORGE_NOW_S), REASON_REVOKED);
    trust_destroy(trust);
}

static void a_list_of_an_intermediate_that_may_sign_none_never_counts(void **state)
{
    enum { KEY_CERT_SIGN = 1 << 5 };
    struct pki pki = make_pki(*state);
    pki.middle = forge(
        *state, &(struct forge_plan){
                    .cn = "Mute", .is_ca = true, .issuer = pki.root, .key_usage = KEY_CERT_SIGN});
    pki.leaf = forge(*state, &(struct forge_plan){.cn = "alice", .issuer = pki.middle});
    pki.chain = forge_chain(*state, LIST(pki.leaf, pki.middle));
    const struct trust_options options = {.name = "staff", .max_depth = 3};
    struct trust *trust = make_alone(*state, &pki, &options,
                                     PLANS(CRL(.issuer = pki.root), CRL(.issuer = pki.middle)));
    assert_int_equal(verify(trust, &pki, FORGE_NOW_S), REASON_CRL_MISSING);
    trust_destroy(trust);
}

static void with_the_scope_leaf_no_ca_needs_a_list(void **state)
{
    const struct pki pki = make_pki(*state);
    const struct trust_options options = {
        .name = "staff", .max_depth = 3, .is_crl_for_leaves = true};
    const struct {
        const struct forge_crl_plan *const *plans;
        enum reason reason;
    } rows[] = {
        {PLANS(CRL(.issuer = pki.middle)), REASON_NONE},
        {PLANS(CRL(.issuer = pki.middle), CRL(.issuer = pki.root, .serials = {MIDDLE_SERIAL})),
         REASON_REVOKED},
        {PLANS(CRL(.issuer = pki.middle, .serials = {LEAF_SERIAL})), REASON_REVOKED},
        {PLANS(CRL(.issuer = pki.root)), REASON_CRL_MISSING},
        {PLANS(CRL(.issuer = pki.middle),
               CRL(.issuer = pki.root, .next_update_s = FORGE_NOW_S - 1)),
         REASON_NONE},
        {PLANS(CRL(.issuer = pki.middle, .next_update_s = FORGE_NOW_S - 1)), REASON_CRL_EXPIRED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct trust *trust = make_alone(*state, &pki, &options, rows[i].plans);
        assert_int_equal(verify(trust, &pki, FORGE_NOW_S), rows[i].reason);
        trust_destroy(trust);
    }
}

// pointed gives the pki with a leaf that names these distribution points.
static struct pki make_pointed(struct workshop *workshop, const char *one, const char *other,
                               struct slice der)
{
    struct pki pki = make_pki(workshop);
    pki.leaf = forge(workshop, &(struct forge_plan){.cn = "alice",
                                                    .issuer = pki.middle,
                                                    .serial = LEAF_SERIAL,
                                                    .crl_points = {one, other},
                                                    .crl_points_der = der});
    pki.chain = forge_chain(workshop, LIST(pki.leaf, pki.middle));
    return pki;
}

#define ONE "http://pki.example.org/1.crl"
#define TWO "http://pki.example.org/2.crl"

static void a_list_of_a_distribution_point_covers_who_names_it(void **state)
{
    // A point with the URI of ONE, for some reasons only; with a CRL issuer; relative.
    const struct slice odd[] = {
        SLICE_LITERAL("\x30\x28\x30\x26\xa0\x20\xa0\x1e\x86\x1c" ONE "\x81\x02\x06\x40"),
        SLICE_LITERAL("\x30\x2a\x30\x28\xa0\x20\xa0\x1e\x86\x1c" ONE "\xa2\x04\xa4\x02\x30\x00"),
        SLICE_LITERAL("\x30\x12\x30\x10\xa0\x0e\xa1\x0c\x30\x0a\x06\x03\x55\x04\x03\x0c\x03"
                      "abc"),
    };
    const struct {
        const char *names[2]; // of the certificate
        const char *lists[3]; // of the lists of its issuer; "" is one of all
        struct slice der;
        enum reason reason;
    } rows[] = {
        {{ONE}, {ONE}, {0}, REASON_NONE},
        {{TWO, ONE}, {ONE}, {0}, REASON_NONE},
        {{ONE}, {TWO, ONE}, {0}, REASON_NONE},
        {{ONE}, {""}, {0}, REASON_NONE},
        {{ONE}, {TWO}, {0}, REASON_CRL_MISSING},
        {{ONE}, {"HTTP://pki.example.org/1.crl"}, {0}, REASON_CRL_MISSING}, // bytewise
        {{NULL}, {ONE}, {0}, REASON_NONE}, // all lists name the same
        {{NULL}, {ONE, TWO}, {0}, REASON_CRL_MISSING},
        {{NULL}, {ONE, TWO, ""}, {0}, REASON_NONE},
        {{NULL}, {ONE}, odd[0], REASON_CRL_MISSING},
        {{NULL}, {ONE}, odd[1], REASON_CRL_MISSING},
        {{NULL}, {ONE}, odd[2], REASON_CRL_MISSING},
        {{NULL}, {ONE, ""}, odd[2], REASON_NONE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct pki pki =
            make_pointed(*state, rows[i].names[0], rows[i].names[1], rows[i].der);
        struct forge_crl_plan plans[3];
        struct profile profile = {.crls = {CRL(.issuer = pki.root)}};
        for (size_t k = 0; k < 3 && rows[i].lists[k] != NULL; k++) {
            plans[k] = (struct forge_crl_plan){.issuer = pki.middle};
            plans[k].points[0] = rows[i].lists[k][0] == '\0' ? NULL : rows[i].lists[k];
            profile.crls[k + 1] = &plans[k];
        }
        const enum reason reason = reason_now(*state, &pki, &profile);
        if (reason != rows[i].reason)
            fail_msg("row %zu: %s", i, reason_name(reason));
    }
}

static void a_part_of_the_lists_speaks_only_for_whom_it_names(void **state)
{
    enum { NAMES_POINT = 1, IS_LEARNED = 2, IS_WRITTEN = 4, IS_AWAITED = 8 };
    static const struct {
        int what;
        enum reason reason;
    } rows[] = {
        {IS_WRITTEN, REASON_NONE},
        {IS_LEARNED, REASON_CRL_MISSING},
        {IS_LEARNED | NAMES_POINT, REASON_NONE},
        {IS_LEARNED | IS_WRITTEN, REASON_NONE},
        {IS_WRITTEN | IS_AWAITED, REASON_CRL_MISSING},
        {IS_WRITTEN | IS_AWAITED | NAMES_POINT, REASON_NONE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const int what = rows[i].what;
        const struct pki pki =
            make_pointed(*state, (what & NAMES_POINT) != 0 ? ONE : NULL, NULL, (struct slice){0});
        struct trust *trust = make_trust(*state, &pki, &(struct profile){.denied = NULL});
        struct trust *revised = NULL;
        struct errinfo info;
        const struct slice list =
            forge_crl(*state, CRL(.issuer = pki.middle, .points = {ONE}, .number = 2));
        assert_int_equal(trust_revise(trust, &revised), ERR_OK);
        assert_int_equal(trust_add_crl(revised, forge_crl(*state, CRL(.issuer = pki.root)), &info),
                         ERR_OK);
        if ((what & IS_WRITTEN) != 0)
            assert_int_equal(trust_add_crl(revised, list, &info), ERR_OK);
        if ((what & IS_LEARNED) != 0)
            assert_int_equal(trust_add_learned_crl(revised, list, &info), ERR_OK);
        if ((what & IS_AWAITED) != 0)
            trust_await_crl(revised);
        assert_int_equal(trust_finish(revised, FORGE_NOW_S, &info), ERR_OK);
        if (verify(revised, &pki, FORGE_NOW_S) != rows[i].reason)
            fail_msg("row %zu", i);
        trust_destroy(revised);
        trust_destroy(trust);
    }
}

static void a_serial_on_any_list_of_its_issuer_is_revoked(void **state)
{
    const struct pki pki = make_pointed(*state, ONE, NULL, (struct slice){0});
    const struct forge_crl_plan others[] = {
        {.issuer = pki.middle, .points = {TWO}, .serials = {LEAF_SERIAL}},
        {.issuer = pki.middle, .is_for_cas = true, .serials = {LEAF_SERIAL}},
        {.issuer = pki.middle, .serials = {LEAF_SERIAL}, .next_update_s = FORGE_NOW_S - 1},
    };
    for (size_t i = 0; i < 3; i++) {
        const struct profile profile = {.crls = {CRL(.issuer = pki.root),
                                                 CRL(.issuer = pki.middle, .points = {ONE}),
                                                 &others[i]}};
        assert_int_equal(reason_now(*state, &pki, &profile), REASON_REVOKED);
    }
}

static void an_expired_part_is_told_from_a_missing_one(void **state)
{
    const struct pki pki = make_pointed(*state, ONE, TWO, (struct slice){0});
    const struct forge_crl_plan expired = {
        .issuer = pki.middle, .points = {ONE}, .next_update_s = FORGE_NOW_S - 1};
    const struct profile old = {.crls = {CRL(.issuer = pki.root), &expired}};
    const struct profile both = {
        .crls = {CRL(.issuer = pki.root), &expired, CRL(.issuer = pki.middle, .points = {TWO})}};
    assert_int_equal(reason_now(*state, &pki, &old), REASON_CRL_EXPIRED);
    assert_int_equal(reason_now(*state, &pki, &both), REASON_NONE);
}

static void tells_which_cas_have_no_list(void **state)
{
    const struct pki pki = make_pki(*state);
    const struct {
        const struct forge_crl_plan *crls[2];
        bool is_for_leaves;
        bool lacks[2]; // root, middle
    } rows[] = {
        {{NULL}, false, {false, false}},
        {{CRL(.issuer = pki.root)}, false, {false, true}},
        {{CRL(.issuer = pki.middle)}, false, {true, false}},
        {{CRL(.issuer = pki.middle)}, true, {false, false}},
        {{CRL(.issuer = pki.root)}, true, {false, true}},
        {{CRL(.issuer = pki.root), CRL(.issuer = pki.middle)}, false, {false, false}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct trust *trust =
            make_trust(*state, &pki,
                       &(struct profile){.options = {.is_crl_for_leaves = rows[i].is_for_leaves},
                                         .crls = {rows[i].crls[0], rows[i].crls[1]}});
        for (size_t k = 0; k < 2; k++)
            assert_int_equal(trust_lacks_crl(trust, k), rows[i].lacks[k]);
        trust_destroy(trust);
    }
}

static void refuses_denied_certificates_anywhere_in_the_chain(void **state)
{
    const struct pki pki = make_pki(*state);
    const struct forged *places[] = {pki.leaf, pki.middle, pki.root};
    for (size_t i = 0; i < 3; i++) {
        const struct profile by_digest = {.denied = places[i]};
        const struct profile by_name = {.denied_by_name = places[i]};
        assert_int_equal(reason_now(*state, &pki, &by_digest), REASON_DENIED_CERTIFICATE);
        assert_int_equal(reason_now(*state, &pki, &by_name), REASON_DENIED_CERTIFICATE);
    }
}

static void denies_no_other_certificate(void **state)
{
    const struct pki pki = make_pki(*state);
    const struct forged *twin =
        forge(*state, &(struct forge_plan){.cn = "bob", .issuer = pki.root, .serial = LEAF_SERIAL});
    const struct forged *sibling =
        forge(*state,
              &(struct forge_plan){.cn = "alice", .issuer = pki.middle, .serial = LEAF_SERIAL + 1});
    const struct profile profiles[] = {{.denied = twin, .denied_by_name = twin},
                                       {.denied = sibling, .denied_by_name = sibling}};
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(reason_now(*state, &pki, &profiles[i]), REASON_NONE);
}

static void judges_a_record_by_time_lifetime_depth_and_anchor(void **state)
{
    const struct pki pki = make_pki(*state);
    const struct forged *other = forge(*state, &(struct forge_plan){.cn = "Other", .is_ca = true});
    const struct profile plain = {.now_s = 0};
    const struct profile other_anchor = {.other_anchor = other};
    const struct profile short_lived = {.options = {.max_lifetime_s = FORGE_DAY_S}};
    assert_int_equal(reason_now(*state, &pki, &plain), REASON_NONE);
    assert_int_equal(reason_at(*state, &pki, &plain, FORGE_NOW_S + FORGE_DAY_S), REASON_NONE);
    assert_int_equal(reason_at(*state, &pki, &plain, FORGE_NOW_S + FORGE_DAY_S + 1),
                     REASON_EXPIRED);
    assert_int_equal(reason_at(*state, &pki, &plain, FORGE_NOW_S - FORGE_DAY_S - 1),
                     REASON_NOT_YET_VALID);
    assert_int_equal(reason_now(*state, &pki, &other_anchor), REASON_UNKNOWN_CA);
    assert_int_equal(reason_now(*state, &pki, &short_lived), REASON_TOO_LONG_LIVED);
    // Depth 0 cannot be asked of make_trust.
    const struct trust_options flat = {.name = "staff", .max_depth = 0};
    struct trust *trust = forge_trust(*state, &flat, LIST(pki.root), NULL);
    struct identity *identity = open_identity(*state, &pki);
    const char *detail = NULL;
    assert_int_equal(trust_recheck(trust, identity, FORGE_NOW_S, &detail), REASON_CHAIN_TOO_LONG);
    assert_int_equal(verify(trust, &pki, FORGE_NOW_S), REASON_CHAIN_TOO_LONG);
    identity_destroy(identity);
}

static void tells_who_is_revoked_although_the_anchor_is_gone(void **state)
{
    const struct pki pki = make_pki(*state);
    const struct forged *other = forge(*state, &(struct forge_plan){.cn = "Other", .is_ca = true});
    const struct forge_crl_plan nobody = {.issuer = pki.middle};
    const struct forge_crl_plan leaf = {.issuer = pki.middle, .serials = {LEAF_SERIAL}};
    const struct {
        struct profile profile;
        enum reason reason;
    } rows[] = {
        {{.other_anchor = other}, REASON_UNKNOWN_CA},
        {{.other_anchor = other, .crls = {&nobody}}, REASON_UNKNOWN_CA},
        {{.other_anchor = other, .crls = {&leaf}}, REASON_REVOKED},
        {{.other_anchor = other, .denied = pki.leaf}, REASON_DENIED_CERTIFICATE},
        {{.other_anchor = other, .denied = pki.middle}, REASON_DENIED_CERTIFICATE},
        {{.other_anchor = other, .denied = other}, REASON_UNKNOWN_CA},
    };
    struct identity *identity = open_identity(*state, &pki);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct trust *trust = make_trust(*state, &pki, &rows[i].profile);
        const char *detail = NULL;
        assert_int_equal(trust_recheck(trust, identity, FORGE_NOW_S, &detail), rows[i].reason);
        assert_true(detail[0] != '\0');
        trust_destroy(trust);
    }
    identity_destroy(identity);
}

static void an_anchor_that_became_a_helper_is_gone(void **state)
{
    const struct pki pki = make_pki(*state);
    const struct trust_options options = {.name = "staff", .max_depth = 3};
    struct trust *below = forge_trust(*state, &options, LIST(pki.middle), NULL);
    struct trust *above = forge_trust(*state, &options, LIST(pki.middle, pki.root), NULL);
    struct trust_verdict verdict;
    const char *detail = NULL;
    assert_int_equal(trust_verify(below, pki.chain, FORGE_NOW_S, &verdict), ERR_OK);
    assert_int_equal(trust_recheck(above, verdict.identity, FORGE_NOW_S, &detail),
                     REASON_UNKNOWN_CA);
    identity_destroy(verdict.identity);
}

static void only_verified_identities_have_a_record(void **state)
{
    const struct pki pki = make_pki(*state);
    struct identity *identity = open_identity(*state, &pki);
    const struct chain_record *record = identity->record;
    assert_int_equal(record->count, 3);
    assert_int_equal(record->depth, 1);
    assert_memory_equal(record->links[0].sha256, identity->sha256, 32);
    assert_int_equal(record->links[0].serial_len, 1);
    assert_int_equal(record->links[0].serial[0], LEAF_SERIAL);
    identity_destroy(identity);
    assert_int_equal(identity_create(pki.leaf->cert, NULL, &identity), ERR_OK);
    assert_null(identity->record);
    identity_destroy(identity);
}

static void refuses_lists_that_begin_in_the_future(void **state)
{
    const struct pki pki = make_pki(*state);
    const struct trust_options options = {.name = "staff", .max_depth = 3};
    const struct {
        int64_t ahead_s;
        enum err error;
    } cases[] = {{300, ERR_OK}, {301, ERR_INPUT}, {FORGE_DAY_S, ERR_INPUT}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct errinfo info = {0};
        struct trust *trust = NULL;
        assert_int_equal(trust_create(&options, &trust), ERR_OK);
        assert_int_equal(trust_add_ca(trust, forge_pem(*state, LIST(pki.root)), &info), ERR_OK);
        const struct slice der = forge_crl(
            *state, CRL(.issuer = pki.root, .this_update_s = FORGE_NOW_S + cases[i].ahead_s,
                        .next_update_s = FORGE_NOW_S + 2 * FORGE_DAY_S));
        assert_int_equal(trust_add_crl(trust, der, &info), ERR_OK);
        assert_int_equal(trust_finish(trust, FORGE_NOW_S, &info), cases[i].error);
        trust_destroy(trust);
    }
}

static void refuses_files_that_hold_no_list(void **state)
{
    const struct pki pki = make_pki(*state);
    struct trust *trust = NULL;
    const struct trust_options options = {.name = "staff", .max_depth = 3};
    const struct {
        struct slice bytes;
        const char *words;
    } cases[] = {
        {SLICE_LITERAL(""), "no CRL in it"},
        {SLICE_LITERAL("junk"), "no CRL in it"},
        {SLICE_LITERAL("0123"), "no CRL in it"},
        {SLICE_LITERAL("-----BEGIN X509 CRL-----\nAAAA\n"), "cut off"},
        {SLICE_LITERAL("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"), "CRL 1:"},
        {forge_pem(*state, LIST(pki.root)), "only X509 CRL"},
        {SLICE_LITERAL("\x30\x81\x00"), "not a CRL"},
    };
    assert_int_equal(trust_create(&options, &trust), ERR_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct errinfo info = {0};
        assert_int_equal(trust_add_crl(trust, cases[i].bytes, &info), ERR_INPUT);
        if (strstr(info.text, cases[i].words) == NULL)
            fail_msg("case %zu: %s", i, info.text);
    }
    trust_destroy(trust);
}

static void a_reload_refuses_a_list_that_is_older_in_date_and_number(void **state)
{
    const struct pki pki = make_pki(*state);
    const struct {
        int64_t number; // -1: none
        int64_t later_s;
        enum trust_succession succession;
    } rows[] = {
        {7, 0, TRUST_SUCCESSION_GOOD},    {8, 0, TRUST_SUCCESSION_GOOD},
        {8, 600, TRUST_SUCCESSION_GOOD},  {8, -600, TRUST_SUCCESSION_GOOD},
        {-1, 600, TRUST_SUCCESSION_GOOD}, {-1, 0, TRUST_SUCCESSION_GOOD},
        {6, 600, TRUST_SUCCESSION_LOWER}, {6, 0, TRUST_SUCCESSION_OLD},
        {6, -600, TRUST_SUCCESSION_OLD},  {-1, -600, TRUST_SUCCESSION_OLD},
    };
    const int64_t began_s = FORGE_NOW_S - FORGE_DAY_S;
    struct trust *old = make_trust(
        *state, &pki,
        &(struct profile){.crls = {CRL(.issuer = pki.root, .number = 7, .this_update_s = began_s),
                                   CRL(.issuer = pki.middle, .has_no_number = true)}});
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct errinfo info = {0};
        struct trust *new = make_trust(
            *state, &pki,
            &(struct profile){.crls = {CRL(.issuer = pki.middle, .number = 1),
                                       CRL(.issuer = pki.root, .number = rows[i].number,
                                           .has_no_number = rows[i].number < 0,
                                           .this_update_s = began_s + rows[i].later_s)}});
        const bool is_old = rows[i].succession == TRUST_SUCCESSION_OLD;
        assert_int_equal(trust_crl_succession(new, 1, old), rows[i].succession);
        assert_int_equal(trust_check_crls_succeed(new, old, &info), is_old ? ERR_INPUT : ERR_OK);
        assert_true(!is_old || strstr(info.text, "an old file") != NULL);
        trust_destroy(new);
    }
    struct errinfo info;
    struct trust *none = make_trust(*state, &pki, &(struct profile){.now_s = 0});
    assert_int_equal(trust_check_crls_succeed(none, old, &info), ERR_OK);
    assert_int_equal(trust_check_crls_succeed(old, none, &info), ERR_OK);
    trust_destroy(none);
    trust_destroy(old);
}

// revise gives `base` with one more list and one more denied certificate, either of which may be NULL.
static struct trust *revise(struct workshop *workshop, const struct trust *base,
                            const struct forge_crl_plan *plan, const struct forged *denied)
{
    struct trust *trust = NULL;
    struct errinfo info = {0};
    assert_int_equal(trust_revise(base, &trust), ERR_OK);
    if (plan != NULL)
        assert_int_equal(trust_add_crl(trust, forge_crl(workshop, plan), &info), ERR_OK);
    if (denied != NULL)
        deny_by_name(trust, denied);
    if (trust_finish(trust, FORGE_NOW_S, &info) != ERR_OK)
        fail_msg("%s", info.text);
    return trust;
}

static void a_revision_takes_trust_away_and_outlives_its_base(void **state)
{
    const struct pki pki = make_pki(*state);
    struct trust *base =
        make_trust(*state, &pki,
                   &(struct profile){.crls = {CRL(.issuer = pki.root), CRL(.issuer = pki.middle)}});
    struct trust *same = revise(*state, base, NULL, NULL);
    struct trust *denying = revise(*state, base, NULL, pki.leaf);
    struct trust *revoking = revise(
        *state, base, CRL(.issuer = pki.middle, .number = 2, .serials = {LEAF_SERIAL}), NULL);
    assert_int_equal(verify(base, &pki, FORGE_NOW_S), REASON_NONE);
    trust_destroy(base);
    assert_int_equal(verify(same, &pki, FORGE_NOW_S), REASON_NONE);
    assert_int_equal(verify(denying, &pki, FORGE_NOW_S), REASON_DENIED_CERTIFICATE);
    assert_int_equal(verify(revoking, &pki, FORGE_NOW_S), REASON_REVOKED);
    assert_int_equal(trust_crl_count(revoking), 2);
    trust_destroy(same);
    trust_destroy(denying);
    trust_destroy(revoking);
}

static void a_revision_never_takes_a_revocation_back(void **state)
{
    const struct pki pki = make_pki(*state);
    struct trust *base = make_trust(
        *state, &pki,
        &(struct profile){.crls = {CRL(.issuer = pki.root), CRL(.issuer = pki.middle, .number = 7,
                                                                .serials = {LEAF_SERIAL})}});
    struct trust *revised = revise(
        *state, base,
        CRL(.issuer = pki.middle, .number = 6, .this_update_s = FORGE_NOW_S - 2 * FORGE_DAY_S),
        NULL);
    assert_int_equal(verify(revised, &pki, FORGE_NOW_S), REASON_REVOKED);
    trust_destroy(revised);
    trust_destroy(base);
}

// A forgery that says it is newer, by name and key identifier, or by the very signature of the true list.
static void a_list_that_nobody_has_verified_displaces_no_other(void **state)
{
    const struct pki pki = make_pki(*state);
    const struct trust_options options = {
        .name = "staff", .max_depth = 3, .is_crl_for_leaves = true};
    const struct forge_crl_plan own = {.issuer = pki.middle, .serials = {LEAF_SERIAL}};
    const struct slice good = forge_crl(*state, &own);
    const struct slice other = forge_crl(
        *state, CRL(.issuer = pki.middle, .number = 9, .this_update_s = FORGE_NOW_S - 60));
    // One that has the signature of the true list under other bytes: both lists are of one length.
    uint8_t mixed[2048];
    assert_true(good.len < sizeof mixed);
    const struct slice rows[] = {
        forge_crl(*state, CRL(.issuer = pki.middle, .number = 9, .has_broken_signature = true,
                              .this_update_s = FORGE_NOW_S - 60)),
        slice_of(mixed, good.len),
    };
    assert_true(bytes_copy(mixed, sizeof mixed, good));
    // the date is the second UTCTime or GeneralizedTime back from the serials; a digit of it is enough
    uint8_t *date = memmem(mixed, good.len, "\x17\x0d", 2);
    assert_non_null(date);
    date[2 + 9]++; // one minute later
    for (size_t i = 0; i < 2; i++) {
        struct errinfo info = {0};
        struct trust *revised = NULL;
        struct trust *base = make_alone(*state, &pki, &options, PLANS(&own));
        assert_int_equal(trust_revise(base, &revised), ERR_OK);
        if (trust_add_crl(revised, rows[i], &info) != ERR_OK)
            fail_msg("%zu: %s", i, info.text);
        assert_int_equal(trust_finish(revised, FORGE_NOW_S, &info), ERR_OK);
        assert_int_equal(verify(revised, &pki, FORGE_NOW_S), REASON_REVOKED);
        trust_destroy(base);
        // The CA was seen: its own next list takes the place of its last one, and of no other.
        const size_t count = trust_crl_count(revised);
        struct trust *next = NULL;
        assert_int_equal(trust_revise(revised, &next), ERR_OK);
        assert_int_equal(trust_add_crl(next, other, &info), ERR_OK);
        assert_int_equal(trust_finish(next, FORGE_NOW_S, &info), ERR_OK);
        assert_int_equal(trust_crl_count(next), count);
        assert_int_equal(verify(next, &pki, FORGE_NOW_S), REASON_NONE);
        trust_destroy(revised);
        trust_destroy(next);
    }
}

// A forgery in force that says it is newer keeps no true list out.
static void a_forged_list_keeps_no_true_one_out_of_a_reload(void **state)
{
    const struct pki pki = make_pki(*state);
    const struct trust_options options = {.name = "staff", .max_depth = 3};
    const struct forge_crl_plan forged = {.issuer = pki.middle,
                                          .number = 90,
                                          .has_broken_signature = true,
                                          .this_update_s = FORGE_NOW_S - 10};
    const struct forge_crl_plan five = {.issuer = pki.middle, .number = 5};
    const struct forge_crl_plan six = {
        .issuer = pki.middle, .number = 6, .this_update_s = FORGE_NOW_S - 60};
    struct errinfo info;
    struct trust *old = make_alone(*state, &pki, &options, PLANS(&forged, &five));
    struct trust *new = make_alone(*state, &pki, &options, PLANS(&forged, &six));
    assert_int_equal(trust_check_crls_succeed(new, old, &info), ERR_OK);
    assert_int_equal(trust_check_crls_succeed(old, new, &info), ERR_INPUT);
    // Nor when the CA has been seen since.
    assert_int_equal(verify(old, &pki, FORGE_NOW_S), REASON_CRL_MISSING);
    assert_int_equal(verify(new, &pki, FORGE_NOW_S), REASON_CRL_MISSING);
    assert_int_equal(trust_check_crls_succeed(new, old, &info), ERR_OK);
    assert_int_equal(trust_check_crls_succeed(old, new, &info), ERR_INPUT);
    trust_destroy(old);
    trust_destroy(new);
}

// A reload that fails for long reads the same lists again and again.
static void a_revision_does_not_pile_up_lists_that_wait(void **state)
{
    const struct pki pki = make_pki(*state);
    const struct trust_options options = {.name = "staff", .max_depth = 3};
    const struct forge_crl_plan plans[] = {{.issuer = pki.middle},
                                           {.issuer = pki.middle, .has_no_key_id = true}};
    for (size_t i = 0; i < 2; i++) {
        struct errinfo info = {0};
        struct trust *revised = NULL;
        const struct slice der = forge_crl(*state, &plans[i]);
        struct trust *base = make_alone(*state, &pki, &options, PLANS(CRL(.issuer = pki.root)));
        for (size_t k = 0; k < 3; k++) {
            assert_int_equal(trust_revise(base, &revised), ERR_OK);
            assert_int_equal(trust_add_crl(revised, der, &info), ERR_OK);
            assert_int_equal(trust_finish(revised, FORGE_NOW_S, &info), ERR_OK);
            trust_destroy(base);
            base = revised;
            assert_int_equal(trust_crl_count(base), 2);
            assert_int_equal(verify(base, &pki, FORGE_NOW_S), REASON_NONE);
        }
        trust_destroy(base);
    }
}

static void a_revision_drops_the_anchors_that_are_gone_and_no_other_becomes_one(void **state)
{
    struct workshop *workshop = *state;
    const struct trust_options options = {.name = "staff", .max_depth = 3};
    const struct forged *root = forge(workshop, &(struct forge_plan){.cn = "Root", .is_ca = true});
    const struct forged *other =
        forge(workshop, &(struct forge_plan){.cn = "Other", .is_ca = true});
    const struct forged *middle =
        forge(workshop, &(struct forge_plan){.cn = "Middle", .is_ca = true, .issuer = root});
    const struct trust *base = forge_trust(workshop, &options, LIST(root, other, middle), NULL);
    const struct trust *without_root = forge_trust(workshop, &options, LIST(other, middle), NULL);
    const struct trust *stranger = forge_trust(
        workshop, &options,
        LIST(forge(workshop, &(struct forge_plan){.cn = "Stranger", .is_ca = true})), NULL);
    struct errinfo info = {0};
    struct trust *revised = NULL;
    struct trust *again = NULL;
    assert_int_equal(trust_revise(base, &revised), ERR_OK);
    assert_int_equal(trust_drop_absent(revised, without_root), ERR_OK);
    assert_int_equal(trust_finish(revised, FORGE_NOW_S, &info), ERR_OK);
    assert_true(trust_certificate_at(revised, 0).is_left_out);
    assert_false(trust_certificate_at(revised, 1).is_left_out);
    assert_false(trust_certificate_at(revised, 2).is_anchor);
    // What is gone stays gone in the next revision, and the last one may go, too.
    assert_int_equal(trust_revise(revised, &again), ERR_OK);
    assert_int_equal(trust_drop_absent(again, stranger), ERR_OK);
    assert_int_equal(trust_finish(again, FORGE_NOW_S, &info), ERR_OK);
    assert_true(trust_certificate_at(again, 0).is_left_out);
    assert_true(trust_certificate_at(again, 1).is_left_out);
    assert_false(trust_certificate_at(base, 0).is_left_out);
    trust_destroy(again);
    trust_destroy(revised);
}

static void a_revision_leaves_an_anchor_out_that_has_ended(void **state)
{
    struct workshop *workshop = *state;
    const struct trust_options options = {.name = "staff", .max_depth = 3};
    const struct forged *root = forge(workshop, &(struct forge_plan){.cn = "Root", .is_ca = true});
    const struct forged *other = forge(
        workshop, &(struct forge_plan){
                      .cn = "Other", .is_ca = true, .not_after_s = FORGE_NOW_S + 9 * FORGE_DAY_S});
    const struct trust *base = forge_trust(workshop, &options, LIST(root, other), NULL);
    struct errinfo info = {0};
    struct trust *revised = NULL;
    assert_false(trust_certificate_at(base, 0).is_left_out);
    assert_int_equal(trust_revise(base, &revised), ERR_OK);
    assert_int_equal(trust_finish(revised, FORGE_NOW_S + 2 * FORGE_DAY_S, &info), ERR_OK);
    assert_true(trust_certificate_at(revised, 0).is_left_out);
    assert_false(trust_certificate_at(revised, 1).is_left_out);
    trust_destroy(revised);
    assert_int_equal(trust_revise(base, &revised), ERR_OK);
    assert_int_equal(trust_finish(revised, FORGE_NOW_S + 99 * FORGE_DAY_S, &info), ERR_INPUT);
    trust_destroy(revised);
}

static void describes_its_lists(void **state)
{
    const struct pki pki = make_pki(*state);
    struct trust *trust = make_trust(
        *state, &pki,
        &(struct profile){.crls = {CRL(.issuer = pki.root, .number = 41, .serials = {1, 2})}});
    const struct trust_crl crl = trust_crl_at(trust, 0);
    assert_int_equal(trust_crl_count(trust), 1);
    assert_string_equal(crl.issuer, "CN=Root");
    assert_string_equal(crl.number, "41");
    assert_int_equal(crl.entry_count, 2);
    assert_int_equal(crl.next_update_s, FORGE_NOW_S + FORGE_DAY_S);
    assert_null(crl.warning);
    trust_destroy(trust);
}

// leaf_reason judges one leaf below the root, with and without the letter of the RFC.
static enum reason leaf_reason(struct workshop *workshop, const struct pki *pki,
                               const struct forge_plan *plan, bool is_strict)
{
    const struct trust_options options = {.name = "staff", .max_depth = 3, .is_strict = is_strict};
    struct forge_plan below = *plan;
    if (below.issuer == NULL)
        below.issuer = pki->root;
    struct trust *trust = forge_trust(workshop, &options, LIST(pki->root), NULL);
    struct pki one = {.chain = forge_chain(workshop, LIST(forge(workshop, &below)))};
    return verify(trust, &one, FORGE_NOW_S);
}

static void never_takes_a_leaf_that_half_plays_the_ca(void **state)
{
    enum { DIGITAL_SIGNATURE = 1 << 0, KEY_CERT_SIGN = 1 << 5 };
    const struct pki pki = make_pki(*state);
    const struct forge_plan plans[] = {
        {.cn = "a", .key_usage = DIGITAL_SIGNATURE | KEY_CERT_SIGN},
        {.cn = "a",
         .key_usage = DIGITAL_SIGNATURE | KEY_CERT_SIGN,
         .has_no_basic_constraints = true},
        {.cn = "a", .permitted = {"dns:example.org"}},
    };
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
        assert_int_equal(leaf_reason(*state, &pki, &plans[i], false), REASON_BAD_CERTIFICATE);
        assert_int_equal(leaf_reason(*state, &pki, &plans[i], true), REASON_BAD_CERTIFICATE);
    }
}

static void only_strict_refuses_what_is_only_sloppy(void **state)
{
    const struct pki pki = make_pki(*state);
    const struct forged *sloppy_ca = forge(
        *state,
        &(struct forge_plan){
            .cn = "Sloppy", .is_ca = true, .issuer = pki.root, .has_soft_basic_constraints = true});
    const struct forge_plan plans[] = {
        {.cn = "a", .has_no_key_ids = true},
        {.sans = {"dns:a.example.org"}}, // no subject, and a SAN that is not critical
        {.cn = "a", .sans = {"dns:a b"}},
        {.cn = "a", .sans = {"uri:no-scheme"}},
    };
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
        assert_int_equal(leaf_reason(*state, &pki, &plans[i], false), REASON_NONE);
        assert_int_equal(leaf_reason(*state, &pki, &plans[i], true), REASON_BAD_CERTIFICATE);
    }
    const struct forge_plan below = {.cn = "a", .issuer = sloppy_ca};
    for (int is_strict = 0; is_strict < 2; is_strict++) {
        const struct trust_options options = {
            .name = "staff", .max_depth = 3, .is_strict = is_strict};
        struct trust *trust = forge_trust(*state, &options, LIST(pki.root), NULL);
        struct pki one = {.chain = forge_chain(*state, LIST(forge(*state, &below), sloppy_ca))};
        assert_int_equal(verify(trust, &one, FORGE_NOW_S),
                         is_strict ? REASON_BAD_CERTIFICATE : REASON_NONE);
    }
}

static void strict_takes_a_chain_to_the_letter(void **state)
{
    const struct pki pki = make_pki(*state);
    const struct forge_plan plans[] = {
        {.cn = "a"},
        {.cn = "a", .sans = {"dns:*.example.org", "email:a@example.org", "ip4:192.0.2.1"}},
    };
    const struct profile strict = {.options = {.is_strict = true}};
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++)
        assert_int_equal(leaf_reason(*state, &pki, &plans[i], true), REASON_NONE);
    assert_int_equal(reason_now(*state, &pki, &strict), REASON_NONE);
}

static void a_sloppy_record_is_refused_once_the_profile_is_strict(void **state)
{
    struct pki pki = make_pki(*state);
    pki.leaf = forge(
        *state, &(struct forge_plan){.cn = "alice", .issuer = pki.middle, .has_no_key_ids = true});
    pki.chain = forge_chain(*state, LIST(pki.leaf, pki.middle));
    const struct profile strict = {.options = {.is_strict = true}};
    assert_int_equal(reason_now(*state, &pki, &strict), REASON_BAD_CERTIFICATE);
}

struct share {
    const struct trust *trust;
    const struct pki *pki;
    const struct identity *identity;
    bool is_good;
};

static void *judge_share(void *argument)
{
    struct share *share = argument;
    share->is_good = true;
    for (int i = 0; i < 50; i++) {
        struct trust_verdict verdict;
        const char *detail = NULL;
        share->is_good &=
            trust_verify(share->trust, share->pki->chain, FORGE_NOW_S, &verdict) == ERR_DENIED;
        share->is_good &= verdict.reason == REASON_REVOKED;
        share->is_good &=
            trust_recheck(share->trust, share->identity, FORGE_NOW_S, &detail) == REASON_REVOKED;
        identity_destroy(verdict.presented);
    }
    return NULL;
}

// judge_on_many_threads takes the trust.
static void judge_on_many_threads(const struct pki *pki, struct trust *trust,
                                  const struct identity *identity)
{
    struct share shares[4];
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        shares[i] = (struct share){.trust = trust, .pki = pki, .identity = identity};
        assert_int_equal(pthread_create(&threads[i], NULL, judge_share, &shares[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_true(shares[i].is_good);
    }
    trust_destroy(trust);
}

static void judges_on_many_threads_at_once(void **state)
{
    const struct pki pki = make_pki(*state);
    const struct trust_options options = {.name = "staff", .max_depth = 3};
    const struct forge_crl_plan revoking = {.issuer = pki.middle, .serials = {LEAF_SERIAL}};
    struct identity *identity = open_identity(*state, &pki);
    judge_on_many_threads(&pki, make_trust(*state, &pki, &(struct profile){.crls = {&revoking}}),
                          identity);
    judge_on_many_threads(&pki, make_alone(*state, &pki, &options, PLANS(&revoking)), identity);
    identity_destroy(identity);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workshop_create, workshop_destroy)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(accepts_when_every_ca_has_a_list),
        TEST(refuses_a_revoked_leaf_and_a_revoked_intermediate),
        TEST(refuses_when_one_ca_has_no_list),
        TEST(a_list_for_one_kind_of_certificates_is_enough_for_that_kind),
        TEST(an_expired_list_refuses_unless_it_is_kept),
        TEST(an_expired_list_revokes_whom_it_names),
        TEST(the_latest_date_counts_in_any_order),
        TEST(a_list_of_a_namesake_with_another_key_covers_nobody),
        TEST(a_list_of_an_intermediate_counts_once_a_chain_brings_it),
        TEST(a_list_that_was_not_reached_lets_nobody_in),
        TEST(a_list_of_an_intermediate_that_may_sign_none_never_counts),
        TEST(with_the_scope_leaf_no_ca_needs_a_list),
        TEST(a_list_of_a_distribution_point_covers_who_names_it),
        TEST(a_part_of_the_lists_speaks_only_for_whom_it_names),
        TEST(a_serial_on_any_list_of_its_issuer_is_revoked),
        TEST(an_expired_part_is_told_from_a_missing_one),
        TEST(tells_which_cas_have_no_list),
        TEST(refuses_denied_certificates_anywhere_in_the_chain),
        TEST(denies_no_other_certificate),
        TEST(judges_a_record_by_time_lifetime_depth_and_anchor),
        TEST(tells_who_is_revoked_although_the_anchor_is_gone),
        TEST(an_anchor_that_became_a_helper_is_gone),
        TEST(only_verified_identities_have_a_record),
        TEST(refuses_lists_that_begin_in_the_future),
        TEST(refuses_files_that_hold_no_list),
        TEST(a_reload_refuses_a_list_that_is_older_in_date_and_number),
        TEST(a_revision_takes_trust_away_and_outlives_its_base),
        TEST(a_revision_never_takes_a_revocation_back),
        TEST(a_list_that_nobody_has_verified_displaces_no_other),
        TEST(a_forged_list_keeps_no_true_one_out_of_a_reload),
        TEST(a_revision_does_not_pile_up_lists_that_wait),
        TEST(a_revision_drops_the_anchors_that_are_gone_and_no_other_becomes_one),
        TEST(a_revision_leaves_an_anchor_out_that_has_ended),
        TEST(describes_its_lists),
        TEST(never_takes_a_leaf_that_half_plays_the_ca),
        TEST(only_strict_refuses_what_is_only_sloppy),
        TEST(strict_takes_a_chain_to_the_letter),
        TEST(a_sloppy_record_is_refused_once_the_profile_is_strict),
        TEST(judges_on_many_threads_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
