// crl_offer: what a server offers as a revocation list, honest or not, beside a profile in force.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>

#include <openssl/err.h>

#include "auth/crl_mark.h"
#include "auth/crl_offer.h"
#include "tests/unit/cert/forge_crl.h"

#define LIST(...) ((const struct forged *const[]){__VA_ARGS__, NULL})
#define CRL(...)  (&(const struct forge_crl_plan){__VA_ARGS__})

enum { HOUR_S = 3600 };

struct bench {
    const struct forged *root;
    const struct forged *other; // another CA of the profile
    const struct forged *stranger;
    const struct forged *leaf;
    struct trust *trust;
    struct slice kept;
    const uint8_t *kept_signer; // NULL: nobody remembers
    struct slice url;           // of the place
    bool is_open;               // anybody on the way there can answer
};

// begin makes a profile of two CAs, with the list of `in_force` (NULL: none).
static struct bench begin(struct workshop *workshop, const struct forge_crl_plan *in_force)
{
    struct bench bench = {0};
    struct errinfo info = {0};
    const struct trust_options options = {.name = "staff", .max_depth = 3, .requires_crls = true};
    bench.root = forge(workshop, &(struct forge_plan){.cn = "Root", .is_ca = true});
    bench.other = forge(workshop, &(struct forge_plan){.cn = "Other", .is_ca = true});
    bench.stranger = forge(workshop, &(struct forge_plan){.cn = "Stranger", .is_ca = true});
    bench.leaf =
        forge(workshop, &(struct forge_plan){.cn = "alice", .issuer = bench.root, .serial = 30});
    assert_int_equal(trust_create(&options, &bench.trust), ERR_OK);
    assert_int_equal(
        trust_add_ca(bench.trust, forge_pem(workshop, LIST(bench.root, bench.other)), &info),
        ERR_OK);
    if (in_force != NULL) {
        struct forge_crl_plan plan = *in_force;
        plan.issuer = bench.root;
        bench.kept = forge_crl(workshop, &plan);
        assert_int_equal(trust_add_crl(bench.trust, bench.kept, &info), ERR_OK);
    }
    assert_int_equal(trust_finish(bench.trust, FORGE_NOW_S, &info), ERR_OK);
    return bench;
}

static enum err judge(const struct bench *bench, struct slice bytes, struct crl_offer *out,
                      struct errinfo *info)
{
    *info = (struct errinfo){0};
    const struct crl_kept kept = {.bytes = bench->kept,
                                  .signer = bench->kept_signer,
                                  .url = bench->url,
                                  .is_open = bench->is_open};
    const enum err error = crl_offer_judge(bench->trust, bytes, &kept, FORGE_NOW_S, out, info);
    assert_true((error == ERR_OK) == (info->text[0] == '\0'));
    assert_int_equal(ERR_peek_error(), 0);
    return error;
}

static void assert_news(const struct bench *bench, struct slice bytes)
{
    struct crl_offer offer;
    struct errinfo info;
    if (judge(bench, bytes, &offer, &info) != ERR_OK)
        fail_msg("%s", info.text);
    assert_false(offer.is_same);
    assert_true(offer.next_update_s >= FORGE_NOW_S);
}

static void assert_refused(const struct bench *bench, struct slice bytes, const char *word)
{
    struct crl_offer offer;
    struct errinfo info;
    assert_int_not_equal(judge(bench, bytes, &offer, &info), ERR_OK);
    if (strstr(info.text, word) == NULL)
        fail_msg("not about %s: %s", word, info.text);
}

static void the_first_list_of_a_ca_is_taken_in_either_form(void **state)
{
    struct workshop *workshop = *state;
    struct bench bench = begin(workshop, NULL);
    const struct slice der = forge_crl(workshop, CRL(.issuer = bench.root, .serials = {30}));
    assert_news(&bench, der);
    assert_news(&bench, forge_crl_pem(workshop, der));
    trust_destroy(bench.trust);
}

static void a_newer_list_is_news_and_the_same_one_is_none(void **state)
{
    struct workshop *workshop = *state;
    struct bench bench = begin(workshop, CRL(.number = 5));
    struct crl_offer offer;
    struct errinfo info;
    assert_int_equal(judge(&bench, bench.kept, &offer, &info), ERR_OK);
    assert_true(offer.is_same);
    assert_news(&bench, forge_crl(workshop, CRL(.issuer = bench.root, .number = 6, .serials = {30},
                                                .this_update_s = FORGE_NOW_S - HOUR_S)));
    trust_destroy(bench.trust);
}

static void a_list_that_goes_back_is_refused(void **state)
{
    struct workshop *workshop = *state;
    struct bench bench =
        begin(workshop, CRL(.number = 5, .this_update_s = FORGE_NOW_S - 2 * HOUR_S));
    // By date, with whatever number; and at the same date by number.
    for (int64_t number = 4; number <= 6; number++)
        assert_refused(&bench,
                       forge_crl(workshop, CRL(.issuer = bench.root, .number = number,
                                               .this_update_s = FORGE_NOW_S - 3 * HOUR_S)),
                       "older");
    assert_refused(&bench,
                   forge_crl(workshop, CRL(.issuer = bench.root, .number = 4,
                                           .this_update_s = FORGE_NOW_S - 2 * HOUR_S)),
                   "older");
    // By number also where it is of a newer date.
    assert_refused(&bench,
                   forge_crl(workshop, CRL(.issuer = bench.root, .number = 4,
                                           .this_update_s = FORGE_NOW_S - HOUR_S)),
                   "older");
    // Also where the place has given nothing before, or its file is gone.
    bench.kept = (struct slice){0};
    assert_refused(&bench,
                   forge_crl(workshop, CRL(.issuer = bench.root, .number = 4,
                                           .this_update_s = FORGE_NOW_S - 3 * HOUR_S)),
                   "older");
    trust_destroy(bench.trust);
}

static void a_list_out_of_its_time_is_refused(void **state)
{
    struct workshop *workshop = *state;
    struct bench bench = begin(workshop, NULL);
    assert_refused(
        &bench,
        forge_crl(workshop, CRL(.issuer = bench.root, .this_update_s = FORGE_NOW_S - 2 * HOUR_S,
                                .next_update_s = FORGE_NOW_S - HOUR_S)),
        "expired");
    assert_refused(
        &bench,
        forge_crl(workshop, CRL(.issuer = bench.root, .this_update_s = FORGE_NOW_S + HOUR_S)),
        "future");
    trust_destroy(bench.trust);
}

static void a_list_of_another_ca_never_takes_the_place(void **state)
{
    struct workshop *workshop = *state;
    struct bench bench = begin(workshop, CRL(.number = 5));
    assert_refused(&bench, forge_crl(workshop, CRL(.issuer = bench.other)), "Other");
    assert_refused(&bench, forge_crl(workshop, CRL(.issuer = bench.stranger)), "Stranger");
    assert_refused(&bench,
                   forge_crl(workshop, CRL(.issuer = bench.stranger, .named = bench.root,
                                           .number = 6, .this_update_s = FORGE_NOW_S - HOUR_S)),
                   "sign");
    assert_refused(
        &bench,
        forge_crl(workshop, CRL(.issuer = bench.root, .number = 6, .has_broken_signature = true)),
        "sign");
    trust_destroy(bench.trust);
}

// see has a client of a CA below the root come, which sends that CA along.
static void see(struct workshop *workshop, const struct bench *bench, const struct forged *middle)
{
    const struct forged *leaf =
        forge(workshop, &(struct forge_plan){.cn = "bob", .issuer = middle, .serial = 31});
    struct trust_verdict verdict;
    assert_int_equal(trust_verify(bench->trust, forge_chain(workshop, LIST(leaf, middle)),
                                  FORGE_NOW_S, &verdict),
                     ERR_DENIED);
    assert_int_equal(verdict.reason, REASON_CRL_MISSING);
    identity_destroy(verdict.presented);
}

static const struct forged *make_middle(struct workshop *workshop, const struct bench *bench)
{
    return forge(workshop,
                 &(struct forge_plan){.cn = "Middle", .is_ca = true, .issuer = bench->root});
}

static void a_list_that_nobody_has_verified_takes_no_place(void **state)
{
    struct workshop *workshop = *state;
    struct bench bench = begin(workshop, CRL(.number = 1));
    const struct forged *middle = make_middle(workshop, &bench);
    const struct forge_crl_plan first = {.issuer = middle, .number = 5, .serials = {31}};
    const struct slice newer =
        forge_crl(workshop, CRL(.issuer = middle, .number = 6, .serials = {31, 32},
                                .this_update_s = FORGE_NOW_S - HOUR_S));
    const struct slice forged[] = {
        forge_crl(workshop, CRL(.issuer = bench.stranger, .named = middle, .number = 7,
                                .this_update_s = FORGE_NOW_S - 60)),
        forge_crl(workshop, CRL(.issuer = middle, .number = 7, .has_broken_signature = true,
                                .this_update_s = FORGE_NOW_S - 60)),
        forge_crl(workshop, CRL(.issuer = middle, .number = 7, .has_no_key_id = true,
                                .has_broken_signature = true, .this_update_s = FORGE_NOW_S - 60)),
    };
    bench.kept = (struct slice){0};
    assert_news(&bench, forge_crl(workshop, &first)); // nothing is displaced
    bench.kept = forge_crl(workshop, &first);
    // Before the CA was seen nobody can tell the truth from the rest.
    assert_refused(&bench, newer, "nobody knows");
    for (size_t i = 0; i < sizeof forged / sizeof forged[0]; i++)
        assert_refused(&bench, forged[i], "nobody knows");
    see(workshop, &bench, middle);
    assert_news(&bench, newer);
    for (size_t i = 0; i < sizeof forged / sizeof forged[0]; i++)
        assert_refused(&bench, forged[i], "nobody knows");
    // Nor is a list of a CA of the profile taken for it.
    assert_refused(&bench, forge_crl(workshop, CRL(.issuer = bench.other)), "Other");
    bench.kept = newer;
    assert_refused(&bench, forge_crl(workshop, &first), "older");
    trust_destroy(bench.trust);
}

static void a_forged_list_that_was_there_first_gives_way_to_the_true_one(void **state)
{
    struct workshop *workshop = *state;
    struct bench bench = begin(workshop, CRL(.number = 1));
    const struct forged *middle = make_middle(workshop, &bench);
    const struct slice good =
        forge_crl(workshop, CRL(.issuer = middle, .this_update_s = FORGE_NOW_S - 60));
    bench.kept = forge_crl(workshop, CRL(.issuer = middle, .has_broken_signature = true));
    assert_refused(&bench, good, "nobody knows");
    see(workshop, &bench, middle);
    assert_news(&bench, good);
    const struct slice forged[] = {
        forge_crl(workshop,
                  CRL(.issuer = middle, .has_no_key_id = true, .has_broken_signature = true)),
        // Newer than the true one, and of another name: nothing of it was ever true.
        forge_crl(workshop, CRL(.issuer = middle, .number = 9, .has_broken_signature = true,
                                .this_update_s = FORGE_NOW_S + 200)),
        forge_crl(workshop, CRL(.issuer = bench.stranger, .number = 9)),
    };
    for (size_t i = 0; i < sizeof forged / sizeof forged[0]; i++) {
        bench.kept = forged[i];
        assert_news(&bench, good);
    }
    trust_destroy(bench.trust);
}

static void a_list_of_an_unknown_name_that_was_there_first_gives_way_to_one_of_a_ca(void **state)
{
    struct workshop *workshop = *state;
    struct bench bench = begin(workshop, NULL);
    const struct slice forged =
        forge_crl(workshop, CRL(.issuer = bench.stranger, .this_update_s = FORGE_NOW_S + 200));
    assert_news(&bench, forged); // nothing is displaced
    bench.kept = forged;
    assert_news(&bench, forge_crl(workshop, CRL(.issuer = bench.root)));
    // But to none of which nobody knows, and what was verified gives way to no other name.
    assert_refused(&bench,
                   forge_crl(workshop, CRL(.issuer = bench.stranger, .number = 9,
                                           .this_update_s = FORGE_NOW_S + 250)),
                   "nobody knows");
    bench.kept = forge_crl(workshop, CRL(.issuer = bench.root));
    assert_refused(&bench, forge_crl(workshop, CRL(.issuer = bench.other)), "Other");
    assert_refused(&bench, forged, "Stranger");
    trust_destroy(bench.trust);
}

static void a_list_that_was_verified_once_keeps_its_place_after_a_restart(void **state)
{
    struct workshop *workshop = *state;
    struct bench bench = begin(workshop, CRL(.number = 1));
    const struct forged *middle = make_middle(workshop, &bench);
    const struct slice first = forge_crl(workshop, CRL(.issuer = middle, .number = 5));
    const struct slice newer =
        forge_crl(workshop, CRL(.issuer = middle, .number = 6, .this_update_s = FORGE_NOW_S - 60));
    const struct slice of_other = forge_crl(workshop, CRL(.issuer = bench.other));
    struct crl_offer offer;
    struct errinfo info;
    see(workshop, &bench, middle);
    bench.kept = (struct slice){0};
    assert_int_equal(judge(&bench, first, &offer, &info), ERR_OK);
    assert_true(offer.has_signer);
    struct bench next = begin(workshop, NULL); // where nobody has seen the CA
    next.kept = first;
    assert_news(&next, forge_crl(workshop, CRL(.issuer = next.other)));
    next.kept_signer = offer.signer;
    assert_refused(&next, forge_crl(workshop, CRL(.issuer = next.other)), "Other");
    assert_refused(&next, newer, "nobody knows");
    assert_int_equal(crl_offer_look(next.trust, first, &offer, &info), ERR_OK);
    assert_false(offer.has_signer);
    trust_destroy(next.trust);
    // Once it is seen again its newer list comes, and still no other.
    assert_int_equal(crl_offer_look(bench.trust, first, &offer, &info), ERR_OK);
    assert_true(offer.has_signer);
    bench.kept = first;
    bench.kept_signer = offer.signer;
    assert_news(&bench, newer);
    assert_refused(&bench, of_other, "Other");
    trust_destroy(bench.trust);
}

static void who_has_signed_a_list_is_remembered_for_exactly_that_list(void **state)
{
    static const uint8_t signer[CERT_DIGEST_LEN] = {1, 2, 3};
    uint8_t mark[CRL_MARK_LEN + 1] = {0};
    (void)state;
    crl_mark_make(SLICE_LITERAL("one"), signer, mark);
    const uint8_t *found = crl_mark_signer(slice_of(mark, CRL_MARK_LEN), SLICE_LITERAL("one"));
    assert_non_null(found);
    assert_memory_equal(found, signer, CERT_DIGEST_LEN);
    assert_null(crl_mark_signer(slice_of(mark, CRL_MARK_LEN), SLICE_LITERAL("two")));
    assert_null(crl_mark_signer(slice_of(mark, CRL_MARK_LEN - 1), SLICE_LITERAL("one")));
    assert_null(crl_mark_signer(slice_of(mark, CRL_MARK_LEN + 1), SLICE_LITERAL("one")));
    assert_null(crl_mark_signer((struct slice){0}, SLICE_LITERAL("one")));
}

static void who_was_seen_is_known_after_a_reload_while_its_anchor_is_a_ca(void **state)
{
    struct workshop *workshop = *state;
    struct bench bench = begin(workshop, CRL(.number = 1));
    const struct forged *middle = make_middle(workshop, &bench);
    const struct slice newer =
        forge_crl(workshop, CRL(.issuer = middle, .number = 6, .this_update_s = FORGE_NOW_S - 60));
    const struct trust_options options = {.name = "staff", .max_depth = 3, .requires_crls = true};
    see(workshop, &bench, middle);
    bench.kept = forge_crl(workshop, CRL(.issuer = middle, .number = 5));
    for (size_t i = 0; i < 2; i++) {
        const struct forged *ca = i == 0 ? bench.root : bench.other;
        struct bench next = {.kept = bench.kept};
        struct errinfo info = {0};
        assert_int_equal(trust_create(&options, &next.trust), ERR_OK);
        assert_int_equal(trust_add_ca(next.trust, forge_pem(workshop, LIST(ca)), &info), ERR_OK);
        assert_int_equal(trust_finish(next.trust, FORGE_NOW_S, &info), ERR_OK);
        trust_keep_seen(next.trust, bench.trust);
        if (i == 0)
            assert_news(&next, newer);
        else
            assert_refused(&next, newer, "nobody knows");
        trust_destroy(next.trust);
    }
    trust_destroy(bench.trust);
}

static void
a_list_of_the_same_place_that_goes_back_is_refused_although_none_is_in_force(void **state)
{
    struct workshop *workshop = *state;
    struct bench bench = begin(workshop, NULL);
    bench.kept = forge_crl(workshop, CRL(.issuer = bench.root, .number = 5, .serials = {30},
                                         .this_update_s = FORGE_NOW_S - 2 * HOUR_S));
    assert_refused(&bench,
                   forge_crl(workshop, CRL(.issuer = bench.root, .number = 6,
                                           .this_update_s = FORGE_NOW_S - 3 * HOUR_S)),
                   "same place");
    assert_refused(&bench,
                   forge_crl(workshop, CRL(.issuer = bench.root, .number = 4,
                                           .this_update_s = FORGE_NOW_S - 2 * HOUR_S)),
                   "same place");
    assert_news(&bench, forge_crl(workshop, CRL(.issuer = bench.root, .number = 6,
                                                .this_update_s = FORGE_NOW_S - HOUR_S)));
    trust_destroy(bench.trust);
}

#define FULL  "http://pki.example.org/full.crl"
#define SHARD "http://pki.example.org/shard2.crl"

// make_next gives a newer list of the root than any of the bench, with the scope of `scope`.
static struct slice make_next(struct workshop *workshop, const struct bench *bench,
                              const struct forge_crl_plan *scope)
{
    struct forge_crl_plan plan = *scope;
    plan.issuer = bench->root;
    plan.number = 20;
    plan.this_update_s = FORGE_NOW_S - HOUR_S;
    return forge_crl(workshop, &plan);
}

static void a_list_for_fewer_or_other_certificates_takes_no_place(void **state)
{
    static const struct {
        struct forge_crl_plan kept;
        struct forge_crl_plan next;
        bool is_taken;
    } rows[] = {
        {{.points = {FULL}}, {.points = {SHARD}}, false},
        {{.number = 1}, {.points = {SHARD}}, false},
        {{.number = 1}, {.is_for_cas = true}, false},
        {{.number = 1}, {.is_for_leaves = true}, false},
        {{.is_for_leaves = true}, {.is_for_cas = true}, false},
        {{.points = {FULL}}, {.points = {FULL}, .is_for_cas = true}, false},
        {{.points = {FULL, SHARD}}, {.points = {SHARD}}, false},
        {{.points = {FULL}}, {.points = {FULL}}, true},
        {{.points = {SHARD}}, {.points = {SHARD}}, true}, // as that of a mirror
        {{.points = {FULL}}, {.points = {FULL, SHARD}}, true},
        {{.points = {FULL}}, {.number = 1}, true},
        {{.is_for_cas = true}, {.number = 1}, true},
        {{.points = {FULL}, .is_for_cas = true}, {.points = {FULL}}, true},
        // The list of this URL, and of no other one: its CA has begun to write that into it.
        {{.number = 1}, {.points = {FULL}}, true},
        {{.points = {SHARD}}, {.points = {FULL}}, true},
    };
    struct workshop *workshop = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bench bench = begin(workshop, &rows[i].kept);
        bench.url = SLICE_LITERAL(FULL);
        for (int open = 0; open < 2; open++) {
            bench.is_open = open == 1;
            const struct slice next = make_next(workshop, &bench, &rows[i].next);
            if (rows[i].is_taken)
                assert_news(&bench, next);
            else
                assert_refused(&bench, next, "other certificates");
        }
        trust_destroy(bench.trust);
    }
}

static void a_list_for_more_certificates_takes_no_revocation_back_either(void **state)
{
    struct workshop *workshop = *state;
    struct bench bench = begin(workshop, CRL(.points = {FULL}, .number = 30));
    bench.url = SLICE_LITERAL(FULL);
    // What a CA wrote before it named its URL takes no revocation back.
    assert_refused(&bench, make_next(workshop, &bench, CRL(.number = 1)), "older");
    trust_destroy(bench.trust);
}

static void the_first_list_from_the_open_network_is_that_of_its_url_or_of_all(void **state)
{
    struct workshop *workshop = *state;
    struct bench bench = begin(workshop, NULL);
    const struct slice shard = make_next(workshop, &bench, CRL(.points = {SHARD}));
    bench.url = SLICE_LITERAL(FULL);
    assert_news(&bench, shard); // the server itself says so
    bench.is_open = true;
    assert_refused(&bench, shard, FULL);
    assert_news(&bench, make_next(workshop, &bench, CRL(.points = {SHARD, FULL})));
    assert_news(&bench, make_next(workshop, &bench, CRL(.number = 1)));
    // Nor in the place of what nobody has verified.
    bench.kept = forge_crl(workshop, CRL(.issuer = bench.stranger, .points = {SHARD}));
    assert_refused(&bench, shard, FULL);
    assert_news(&bench, make_next(workshop, &bench, CRL(.points = {FULL})));
    trust_destroy(bench.trust);
}

static void what_is_no_whole_list_is_refused(void **state)
{
    struct workshop *workshop = *state;
    struct bench bench = begin(workshop, NULL);
    const struct slice good = forge_crl(workshop, CRL(.issuer = bench.root));
    const struct slice delta = forge_crl(workshop, CRL(.issuer = bench.root, .is_delta = true));
    const struct slice one = forge_crl_pem(workshop, good);
    const struct slice two =
        forge_crl_pem(workshop, forge_crl(workshop, CRL(.issuer = bench.other)));
    char both[8192];
    assert_true(bytes_copy(both, sizeof both, one));
    assert_true(bytes_copy(both + one.len, sizeof both - one.len, two));
    assert_refused(&bench, slice_of(both, one.len + two.len), "2 CRLs");
    assert_refused(&bench, SLICE_LITERAL("<!DOCTYPE html><html>moved</html>\n"), "no CRL");
    assert_refused(&bench, (struct slice){0}, "no CRL");
    assert_refused(&bench, slice_first(good, good.len - 1), "");
    assert_refused(&bench, delta, "");
    assert_refused(&bench, forge_pem(workshop, LIST(bench.root)), "CERTIFICATE");
    trust_destroy(bench.trust);
}

static void a_profile_whose_lists_are_to_come_refuses_everybody_until_then(void **state)
{
    struct workshop *workshop = *state;
    struct bench bench = begin(workshop, NULL);
    struct trust_verdict verdict;
    STACK_OF(CRYPTO_BUFFER) *chain = forge_chain(workshop, LIST(bench.leaf));
    assert_true(trust_goes_by_crls(bench.trust));
    assert_true(trust_lacks_crl(bench.trust, 0));
    assert_int_equal(trust_verify(bench.trust, chain, FORGE_NOW_S, &verdict), ERR_DENIED);
    assert_int_equal(verdict.reason, REASON_CRL_MISSING);
    identity_destroy(verdict.presented);
    struct trust *revision = NULL;
    struct errinfo info;
    assert_int_equal(trust_revise(bench.trust, &revision), ERR_OK);
    assert_int_equal(trust_finish(revision, FORGE_NOW_S, &info), ERR_OK);
    assert_int_equal(trust_verify(revision, chain, FORGE_NOW_S, &verdict), ERR_DENIED);
    assert_int_equal(verdict.reason, REASON_CRL_MISSING);
    identity_destroy(verdict.presented);
    trust_destroy(revision);
    trust_destroy(bench.trust);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, workshop_create, workshop_destroy)
    const struct CMUnitTest tests[] = {
        TEST(the_first_list_of_a_ca_is_taken_in_either_form),
        TEST(a_newer_list_is_news_and_the_same_one_is_none),
        TEST(a_list_that_goes_back_is_refused),
        TEST(a_list_out_of_its_time_is_refused),
        TEST(a_list_of_another_ca_never_takes_the_place),
        TEST(a_list_that_nobody_has_verified_takes_no_place),
        TEST(a_forged_list_that_was_there_first_gives_way_to_the_true_one),
        TEST(a_list_of_an_unknown_name_that_was_there_first_gives_way_to_one_of_a_ca),
        TEST(who_has_signed_a_list_is_remembered_for_exactly_that_list),
        TEST(a_list_that_was_verified_once_keeps_its_place_after_a_restart),
        TEST(who_was_seen_is_known_after_a_reload_while_its_anchor_is_a_ca),
        TEST(a_list_of_the_same_place_that_goes_back_is_refused_although_none_is_in_force),
        TEST(a_list_for_fewer_or_other_certificates_takes_no_place),
        TEST(a_list_for_more_certificates_takes_no_revocation_back_either),
        TEST(the_first_list_from_the_open_network_is_that_of_its_url_or_of_all),
        TEST(what_is_no_whole_list_is_refused),
        TEST(a_profile_whose_lists_are_to_come_refuses_everybody_until_then),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
