// crl_wishes: the lists that certificates name, as far as they may be asked for.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
// cmocka wants the four above first
#include <cmocka.h>

#include "auth/crl_wishes.h"
#include "auth/trust.h"
#include "tests/unit/cert/forge.h"

#define LIST(...) ((const struct forged *const[]){__VA_ARGS__, NULL})

static struct crl_wishes *under(const char *prefix)
{
    struct http_url url;
    struct errinfo info;
    assert_int_equal(http_url_parse(slice_of_string(prefix), &url, &info), ERR_OK);
    struct crl_wishes *wishes = crl_wishes_create(&url, 1);
    assert_non_null(wishes);
    return wishes;
}

// note_at has a certificate of the issuer of this number name a URI.
static void note_at(struct workshop *workshop, struct crl_wishes *wishes, const char *uri,
                    uint8_t issuer, int64_t now_s)
{
    const uint8_t authority[CERT_DIGEST_LEN] = {issuer};
    const struct forged *cert =
        forge(workshop, &(struct forge_plan){.cn = "alice", .crl_points = {uri}});
    crl_wishes_note(wishes, cert->cert, authority, now_s);
}

static void note(struct workshop *workshop, struct crl_wishes *wishes, const char *uri)
{
    note_at(workshop, wishes, uri, 1, FORGE_NOW_S);
}

static struct http_url named[CRL_WISHES_MAX];

static size_t count_at(struct crl_wishes *wishes, int64_t now_s)
{
    size_t found = 0;
    assert_true(crl_wishes_read(wishes, now_s, named, &found));
    return found;
}

static size_t count(struct crl_wishes *wishes)
{
    return count_at(wishes, FORGE_NOW_S);
}

static bool has(struct crl_wishes *wishes, const char *text, int64_t now_s)
{
    const size_t found = count_at(wishes, now_s);
    size_t i = 0;
    while (i < found && strcmp(named[i].text, text) != 0)
        i++;
    return i < found;
}

static void only_what_is_under_a_prefix_is_noted_and_once(void **state)
{
    struct workshop *workshop = *state;
    struct crl_wishes *wishes = under("http://pki.test/crl/");
    static const char *const others[] = {
        "http://pki.test/other/ca.crl",
        "http://pki.test/crl/../other/ca.crl",
        "http://pki.test/crl/%2e%2e/ca.crl",
        "http://pki.test/crl/..%2Fca.crl",
        "http://pki.test@evil.test/crl/ca.crl",
        "http://pki.test.evil.test/crl/ca.crl",
        "http://pki.test:8080/crl/ca.crl",
        "http://127.0.0.1/crl/ca.crl",
        "https://pki.test/crl/ca.crl",
        "ldap://pki.test/crl/ca.crl",
        "file:///crl/ca.crl",
        "/crl/ca.crl",
        "http://pki.test/crl/ca.crl#x",
        "http://pki.test/crl/a b",
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        note(workshop, wishes, others[i]);
        if (count(wishes) != 0)
            fail_msg("%s", others[i]);
    }
    note(workshop, wishes, "http://PKI.test:80/crl/ca.crl");
    note(workshop, wishes, "http://pki.test/crl/ca.crl");
    assert_int_equal(count(wishes), 1);
    assert_string_equal(named[0].text, "http://pki.test/crl/ca.crl");
    crl_wishes_unref(wishes);
}

static void so_many_are_noted_and_no_more(void **state)
{
    struct workshop *workshop = *state;
    struct crl_wishes *wishes = under("http://pki.test/");
    char uri[64];
    for (unsigned i = 0; i < CRL_WISHES_MAX + 3; i++) {
        (void)snprintf(uri, sizeof uri, "http://pki.test/%u.crl", i);
        note(workshop, wishes, uri);
    }
    assert_int_equal(count(wishes), CRL_WISHES_MAX);
    crl_wishes_unref(wishes);
}

static void what_nobody_names_any_more_is_given_back(void **state)
{
    struct workshop *workshop = *state;
    struct crl_wishes *wishes = under("http://pki.test/");
    const int64_t later_s = FORGE_NOW_S + CRL_WISHES_KEEP_S;
    note(workshop, wishes, "http://pki.test/1");
    note(workshop, wishes, "http://pki.test/2");
    note_at(workshop, wishes, "http://pki.test/2", 1, FORGE_NOW_S + 60);
    assert_int_equal(count_at(wishes, later_s), 2);
    assert_int_equal(count_at(wishes, later_s + 1), 1);
    assert_true(has(wishes, "http://pki.test/2", later_s + 60));
    assert_int_equal(count_at(wishes, later_s + 61), 0);
    // Named again, it is there again.
    note_at(workshop, wishes, "http://pki.test/1", 1, later_s + 100);
    assert_int_equal(count_at(wishes, later_s + 100), 1);
    crl_wishes_unref(wishes);
}

static void what_is_under_no_prefix_is_remembered_once_so_that_somebody_can_be_told(void **state)
{
    struct workshop *workshop = *state;
    struct crl_wishes *wishes = under("http://pki.test/crl/");
    struct http_url urls[CRL_WISHES_MAX_UNLISTED];
    size_t count = 0;
    size_t news = 0;
    char uri[64];
    note(workshop, wishes, "ldap://pki.test/crl/ca.crl");
    note(workshop, wishes, "http://pki.test/crl/ca.crl");
    for (unsigned i = 0; i < 2; i++)
        note(workshop, wishes, "http://pki.test/crls/ca.crl");
    assert_true(crl_wishes_read_unlisted(wishes, false, urls, &count, &news));
    assert_int_equal(count, 1);
    assert_int_equal(news, 0);
    assert_string_equal(urls[0].text, "http://pki.test/crls/ca.crl");
    assert_true(crl_wishes_read_unlisted(wishes, true, urls, &count, &news));
    assert_int_equal(news, 0);
    for (unsigned i = 0; i < CRL_WISHES_MAX_UNLISTED + 3; i++) {
        (void)snprintf(uri, sizeof uri, "http://pki.test/other/%u.crl", i);
        note(workshop, wishes, uri);
    }
    assert_true(crl_wishes_read_unlisted(wishes, false, urls, &count, &news));
    assert_int_equal(count, CRL_WISHES_MAX_UNLISTED);
    assert_int_equal(news, 1);
    // A profile with another prefix knows the rest, and what was said.
    struct crl_wishes *next = under("http://pki.test/other/");
    crl_wishes_inherit(next, wishes);
    assert_true(crl_wishes_read_unlisted(next, false, urls, &count, &news));
    assert_int_equal(count, 1);
    assert_int_equal(news, 1);
    assert_true(crl_wishes_read_unlisted(NULL, true, urls, &count, &news));
    assert_int_equal(count, 0);
    crl_wishes_unref(wishes);
    crl_wishes_unref(next);
}

static void what_was_named_while_the_clock_was_ahead_is_given_back_too(void **state)
{
    struct workshop *workshop = *state;
    struct crl_wishes *wishes = under("http://pki.test/");
    const int64_t later_s = FORGE_NOW_S + CRL_WISHES_KEEP_S;
    note_at(workshop, wishes, "http://pki.test/1", 1, FORGE_NOW_S + 20 * CRL_WISHES_KEEP_S);
    assert_int_equal(count(wishes), 1); // set right: it was named now
    assert_int_equal(count_at(wishes, later_s), 1);
    assert_int_equal(count_at(wishes, later_s + 1), 0);
    crl_wishes_unref(wishes);
}

static void an_issuer_that_names_many_leaves_room_for_others(void **state)
{
    struct workshop *workshop = *state;
    struct crl_wishes *wishes = under("http://pki.test/");
    const int64_t hour_later_s = FORGE_NOW_S + CRL_WISHES_FRESH_S + 100;
    char uri[64];
    for (unsigned i = 0; i < CRL_WISHES_MAX; i++) {
        (void)snprintf(uri, sizeof uri, "http://pki.test/%u.crl", i);
        note_at(workshop, wishes, uri, 1, FORGE_NOW_S + i);
    }
    // Its own next one has no place while all others are fresh; another issuer's has, up to an equal share.
    note_at(workshop, wishes, "http://pki.test/more", 1, FORGE_NOW_S + 100);
    assert_false(has(wishes, "http://pki.test/more", FORGE_NOW_S + 100));
    for (unsigned i = 0; i < CRL_WISHES_MAX; i++) {
        (void)snprintf(uri, sizeof uri, "http://pki.test/other/%u.crl", i);
        note_at(workshop, wishes, uri, 2, FORGE_NOW_S + 100);
        assert_int_equal(has(wishes, uri, FORGE_NOW_S + 100), i < CRL_WISHES_MAX / 2);
    }
    assert_int_equal(count(wishes), CRL_WISHES_MAX);
    assert_false(has(wishes, "http://pki.test/0.crl", FORGE_NOW_S + 100)); // named longest ago
    assert_true(has(wishes, "http://pki.test/63.crl", FORGE_NOW_S + 100));
    note_at(workshop, wishes, "http://pki.test/more", 1, hour_later_s);
    assert_true(has(wishes, "http://pki.test/more", hour_later_s));
    crl_wishes_unref(wishes);
}

static void a_point_for_some_reasons_or_of_another_issuer_names_nothing(void **state)
{
    struct workshop *workshop = *state;
    struct crl_wishes *wishes = under("http://p/");
    // SEQUENCE of one DistributionPoint: fullName http://p/a, and reasons, or cRLIssuer.
    static const uint8_t reasons[] = "\x30\x16\x30\x14\xA0\x0E\xA0\x0C\x86\x0A"
                                     "http://p/a\x81\x02\x06\x40";
    static const uint8_t plain[] = "\x30\x12\x30\x10\xA0\x0E\xA0\x0C\x86\x0A"
                                   "http://p/a";
    static const uint8_t broken[] = "\x30\x12\x30\x10\xA0\x0E\xA0\x0C\x86\x0B"
                                    "http://p/a";
    const struct slice values[] = {slice_of(reasons, sizeof reasons - 1),
                                   slice_of(broken, sizeof broken - 1),
                                   slice_of(plain, sizeof plain - 1)};
    for (size_t i = 0; i < 3; i++) {
        const struct forged *cert =
            forge(workshop, &(struct forge_plan){.cn = "alice", .crl_points_der = values[i]});
        crl_wishes_note(wishes, cert->cert, (const uint8_t[CERT_DIGEST_LEN]){1}, FORGE_NOW_S);
        assert_int_equal(count(wishes), i == 2 ? 1 : 0);
    }
    crl_wishes_unref(wishes);
}

static size_t count_in(const struct trust *trust, int64_t now_s)
{
    size_t found = 0;
    assert_true(trust_read_wishes(trust, now_s, named, &found));
    return found;
}

// verify judges the chain of one leaf.
static enum reason verify(struct workshop *workshop, const struct trust *trust,
                          const struct forged *leaf)
{
    struct trust_verdict verdict;
    const enum err error =
        trust_verify(trust, forge_chain(workshop, LIST(leaf)), FORGE_NOW_S, &verdict);
    assert_true(error == ERR_OK || error == ERR_DENIED);
    identity_destroy(verdict.identity);
    identity_destroy(verdict.presented);
    return verdict.reason;
}

static void only_a_verified_chain_is_believed(void **state)
{
    struct workshop *workshop = *state;
    struct http_url prefix;
    struct errinfo info;
    struct trust *trust = NULL;
    const struct trust_options options = {.name = "staff", .max_depth = 3, .requires_crls = true};
    const struct forged *root = forge(workshop, &(struct forge_plan){.cn = "Root", .is_ca = true});
    const struct forged *stranger =
        forge(workshop, &(struct forge_plan){.cn = "Stranger", .is_ca = true});
    struct forge_plan plan = {.cn = "alice", .issuer = root, .crl_points = {"http://pki.test/1"}};
    assert_int_equal(http_url_parse(SLICE_LITERAL("http://pki.test/"), &prefix, &info), ERR_OK);
    assert_int_equal(trust_create(&options, &trust), ERR_OK);
    assert_int_equal(trust_add_ca(trust, forge_pem(workshop, LIST(root)), &info), ERR_OK);
    assert_int_equal(trust_allow_wishes(trust, &prefix, 1), ERR_OK);
    assert_int_equal(trust_finish(trust, FORGE_NOW_S, &info), ERR_OK);
    plan.has_broken_signature = true;
    assert_int_equal(verify(workshop, trust, forge(workshop, &plan)), REASON_BAD_SIGNATURE);
    plan.has_broken_signature = false;
    plan.issuer = stranger;
    assert_int_equal(verify(workshop, trust, forge(workshop, &plan)), REASON_UNKNOWN_CA);
    assert_int_equal(count_in(trust, FORGE_NOW_S), 0);
    plan.issuer = root;
    assert_int_equal(verify(workshop, trust, forge(workshop, &plan)), REASON_CRL_MISSING);
    assert_int_equal(count_in(trust, FORGE_NOW_S), 1);
    assert_string_equal(named[0].text, "http://pki.test/1");
    trust_destroy(trust);
}

// A live tunnel shows no certificate again: what was verified of it counts, and survives a reload.
static void a_chain_that_is_judged_again_still_names_its_lists(void **state)
{
    struct workshop *workshop = *state;
    const struct trust_options options = {.name = "staff", .max_depth = 3};
    const int64_t later_s = FORGE_NOW_S + 600;
    const struct forged *root = forge(workshop, &(struct forge_plan){.cn = "Root", .is_ca = true});
    const struct forged *leaf =
        forge(workshop, &(struct forge_plan){
                            .cn = "alice", .issuer = root, .crl_points = {"http://PKI.test:80/1"}});
    struct trust *trusts[2];
    struct trust_verdict verdict;
    struct http_url prefix;
    struct errinfo info;
    const char *detail = NULL;
    assert_int_equal(http_url_parse(SLICE_LITERAL("http://pki.test/"), &prefix, &info), ERR_OK);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(trust_create(&options, &trusts[i]), ERR_OK);
        assert_int_equal(trust_add_ca(trusts[i], forge_pem(workshop, LIST(root)), &info), ERR_OK);
        assert_int_equal(trust_allow_wishes(trusts[i], &prefix, 1), ERR_OK);
        assert_int_equal(trust_finish(trusts[i], FORGE_NOW_S, &info), ERR_OK);
        if (i == 0)
            assert_int_equal(
                trust_verify(trusts[0], forge_chain(workshop, LIST(leaf)), FORGE_NOW_S, &verdict),
                ERR_OK);
    }
    trust_keep_seen(trusts[1], trusts[0]);
    assert_int_equal(trust_recheck(trusts[1], verdict.identity, later_s, &detail), REASON_NONE);
    assert_int_equal(count_in(trusts[1], later_s + CRL_WISHES_KEEP_S), 1);
    assert_int_equal(count_in(trusts[0], later_s + CRL_WISHES_KEEP_S), 0);
    identity_destroy(verdict.identity);
    trust_destroy(trusts[0]);
    trust_destroy(trusts[1]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, workshop_create, workshop_destroy)
    const struct CMUnitTest tests[] = {
        TEST(only_what_is_under_a_prefix_is_noted_and_once),
        TEST(so_many_are_noted_and_no_more),
        TEST(a_point_for_some_reasons_or_of_another_issuer_names_nothing),
        TEST(what_nobody_names_any_more_is_given_back),
        TEST(what_is_under_no_prefix_is_remembered_once_so_that_somebody_can_be_told),
        TEST(what_was_named_while_the_clock_was_ahead_is_given_back_too),
        TEST(an_issuer_that_names_many_leaves_room_for_others),
        TEST(only_a_verified_chain_is_believed),
        TEST(a_chain_that_is_judged_again_still_names_its_lists),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
