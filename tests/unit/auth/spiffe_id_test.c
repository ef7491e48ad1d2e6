// SPIFFE IDs, strictly, and which certificates a trust domain may have issued.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "auth/spiffe_id.h"
#include "tests/unit/auth/identity_maker.h"

static void reads_the_id_of_a_workload(void **state)
{
    (void)state;
    static const struct {
        const char *uri;
        const char *domain;
    } rows[] = {
        {"spiffe://example.org/a", "example.org"},
        {"spiffe://example.org/ns/prod/sa/Web_1.x-y", "example.org"},
        {"spiffe://a/.../..a/a..", "a"},
        {"spiffe://-_.0/Z", "-_.0"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct slice domain = {0};
        assert_true(spiffe_id_parse(slice_of_string(rows[i].uri), &domain));
        assert_true(slice_equal(domain, slice_of_string(rows[i].domain)));
    }
}

static void refuses_what_is_no_id_of_a_workload(void **state)
{
    (void)state;
    static const char *const uris[] = {
        "",
        "spiffe",
        "spiffe:",
        "spiffe:/",
        "spiffe://",
        "spiffe:///a",
        "spiffe://example.org",
        "spiffe://example.org/",
        "spiffe://example.org//a",
        "spiffe://example.org/a/",
        "spiffe://example.org/a//b",
        "spiffe://example.org/.",
        "spiffe://example.org/..",
        "spiffe://example.org/./a",
        "spiffe://example.org/a/../b",
        "spiffe://example.org/a/..",
        "spiffe://Example.org/a",
        "spiffe://example.org:443/a",
        "spiffe://example.org:/a",
        "spiffe://me@example.org/a",
        "spiffe://@example.org/a",
        "spiffe://example.org/a?b",
        "spiffe://example.org?b/a",
        "spiffe://example.org/a#b",
        "spiffe://example.org#/a",
        "spiffe://example.org/a%2fb",
        "spiffe://example.org/a%61",
        "spiffe://ex%61mple.org/a",
        "spiffe://example.org/a b",
        "spiffe://example.org/a:b",
        "spiffe://example.org/*",
        "spiffe://ex*mple.org/a",
        "spiffe://example.org/\xc3\xa4",
        "spiffe://[::1]/a",
        "spiffe:example.org/a",
        "spiffe:/example.org/a",
        "SPIFFE://example.org/a",
        "Spiffe://example.org/a",
        " spiffe://example.org/a",
        "spiffe://example.org/a ",
        "spiffe://example.org\\a",
        "https://example.org/a",
        "xspiffe://example.org/a",
    };
    for (size_t i = 0; i < sizeof uris / sizeof uris[0]; i++) {
        struct slice domain = {0};
        if (spiffe_id_parse(slice_of_string(uris[i]), &domain))
            fail_msg("it is read as an ID: %s", uris[i]);
    }
}

static void a_nul_is_in_no_id(void **state)
{
    (void)state;
    struct slice domain = {0};
    assert_false(spiffe_id_parse(SLICE_LITERAL("spiffe://example.org\0/a"), &domain));
    assert_false(spiffe_id_parse(SLICE_LITERAL("spiffe://example.org/a\0"), &domain));
    assert_false(spiffe_domain_is_valid(SLICE_LITERAL("example.org\0")));
}

static void lengths_are_bounded(void **state)
{
    (void)state;
    char text[SPIFFE_ID_MAX + 2];
    struct slice domain = {0};
    memset(text, 'a', sizeof text);
    assert_true(string_copy(text, sizeof text, SLICE_LITERAL("spiffe://d/")));
    text[11] = 'a'; // in place of the NUL
    assert_true(spiffe_id_parse(slice_of(text, SPIFFE_ID_MAX), &domain));
    assert_false(spiffe_id_parse(slice_of(text, SPIFFE_ID_MAX + 1), &domain));
    text[10] = 'a'; // the `/`
    text[9 + SPIFFE_DOMAIN_MAX] = '/';
    assert_true(spiffe_id_parse(slice_of(text, 300), &domain));
    assert_int_equal(domain.len, SPIFFE_DOMAIN_MAX);
    text[9 + SPIFFE_DOMAIN_MAX] = 'a';
    text[10 + SPIFFE_DOMAIN_MAX] = '/';
    assert_false(spiffe_id_parse(slice_of(text, 300), &domain));
}

static void a_trust_domain_is_lower_case_and_nothing_else(void **state)
{
    (void)state;
    static const char *const good[] = {"example.org", "a", "0", "a_b-c.d"};
    static const char *const bad[] = {"",    "Example.org", "a:1", "a/b",  "a b", "u@a",
                                      "a?b", "a#b",         "a%b", "\xe4", "*",   "spiffe://a"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(spiffe_domain_is_valid(slice_of_string(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(spiffe_domain_is_valid(slice_of_string(bad[i])));
}

static void a_domain_issues_its_own_ids_only(void **state)
{
    (void)state;
    static const struct {
        const char *certificate;
        bool fits;
    } rows[] = {
        {"uri=spiffe://example.org/a", true},
        {"uri=spiffe://example.org/a dns=b.example email=c@d.example ip=192.0.2.1", true},
        {"cn=a", true},
        {"dns=a.example", true},
        {"uri=https://example.net/a", true},
        {"uri=https://example.net/a uri=urn:b", true},
        {"dns=spiffe://example.net/a", true}, // no URI
        {"uri=spiffe://example.net/a", false},
        {"uri=spiffe://example.or/a", false},
        {"uri=spiffe://example.org.evil/a", false},
        {"uri=spiffe://a.example.org/a", false},
        {"uri=spiffe://evil/example.org/a", false},
        {"uri=spiffe://example.org", false},
        {"uri=spiffe://example.org/", false},
        {"uri=spiffe://example.org/a//b", false},
        {"uri=spiffe://example.org/a/..", false},
        {"uri=spiffe://example.org:443/a", false},
        {"uri=spiffe://u@example.org/a", false},
        {"uri=spiffe://example.org/a?b", false},
        {"uri=spiffe://EXAMPLE.org/a", false},
        {"uri=SPIFFE://example.org/a", false},
        {"uri=SpIfFe://example.net/a", false},
        {"uri=spiffe:example.org", false},
        {"uri=spiffe:", false},
        {"uri=spiffe://example.org/*", false},
        {"uri=spiffe://example.org/a uri=spiffe://example.org/b", false},
        {"uri=spiffe://example.org/a uri=spiffe://example.org/a", false},
        {"uri=spiffe://example.org/a uri=spiffe://example.net/a", false},
        {"uri=spiffe://example.net/a uri=spiffe://example.org/a", false},
        {"uri=spiffe://example.org/a uri=https://example.org/a", false},
        {"uri=https://example.org/a uri=spiffe://example.org/a", false},
        {"uri=urn:a uri=spiffe://example.net/a", false},
        {"uri=spiffe://example.net/a uri=urn:a", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct identity *identity = identity_make(rows[i].certificate);
        if (spiffe_names_fit_domain(identity, SLICE_LITERAL("example.org")) != rows[i].fits)
            fail_msg("%s: not %d", rows[i].certificate, rows[i].fits);
        identity_destroy(identity);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_id_of_a_workload),
        cmocka_unit_test(refuses_what_is_no_id_of_a_workload),
        cmocka_unit_test(a_nul_is_in_no_id),
        cmocka_unit_test(lengths_are_bounded),
        cmocka_unit_test(a_trust_domain_is_lower_case_and_nothing_else),
        cmocka_unit_test(a_domain_issues_its_own_ids_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
