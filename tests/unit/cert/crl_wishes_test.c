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

static void note(struct workshop *workshop, struct crl_wishes *wishes, const char *uri)
{
    const struct forged *cert =
        forge(workshop, &(struct forge_plan){.cn = "alice", .crl_points = {uri}});
    crl_wishes_note(wishes, cert->cert);
}

static size_t count(const struct crl_wishes *wishes)
{
    size_t i = 0;
    while (crl_wishes_at(wishes, i) != NULL)
        i++;
    return i;
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
    assert_string_equal(crl_wishes_at(wishes, 0)->text, "http://pki.test/crl/ca.crl");
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
        crl_wishes_note(wishes, cert->cert);
        assert_int_equal(count(wishes), i == 2 ? 1 : 0);
    }
    crl_wishes_unref(wishes);
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
    assert_null(trust_wish_at(trust, 0));
    plan.issuer = root;
    assert_int_equal(verify(workshop, trust, forge(workshop, &plan)), REASON_CRL_MISSING);
    assert_string_equal(trust_wish_at(trust, 0)->text, "http://pki.test/1");
    assert_null(trust_wish_at(trust, 1));
    trust_destroy(trust);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, workshop_create, workshop_destroy)
    const struct CMUnitTest tests[] = {
        TEST(only_what_is_under_a_prefix_is_noted_and_once),
        TEST(so_many_are_noted_and_no_more),
        TEST(a_point_for_some_reasons_or_of_another_issuer_names_nothing),
        TEST(only_a_verified_chain_is_believed),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
