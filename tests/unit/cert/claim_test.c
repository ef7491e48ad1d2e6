// What is said of a certificate, as an identity: it must fit what the certificate itself would fit, and nothing
// more.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>

#include "auth/claim.h"
#include "auth/match.h"
#include "auth/policy.h"
#include "tests/unit/cert/forge.h"

static struct identity *made(const struct claim *claim)
{
    struct identity *identity = NULL;
    struct errinfo info = {0};
    assert_int_equal(claim_to_identity(claim, &identity, &info), ERR_OK);
    return identity;
}

static bool fits(const struct claim *claim, const struct match_entry *entry)
{
    struct identity *identity = made(claim);
    const bool result = match_entry_fits(entry, identity);
    identity_destroy(identity);
    return result;
}

static const struct claimed_san one_uri[] = {
    {SAN_URI, {(const uint8_t *)"spiffe://example.org/a", 22}}};

static void fits_what_it_claims(void **state)
{
    (void)state;
    const struct claim claim = {.trust_name = "staff", .sans = one_uri, .san_count = 1};
    assert_true(fits(&claim, &(struct match_entry){.uri = "spiffe://example.org/*"}));
    assert_true(fits(&claim, &(struct match_entry){.any = true, .trust = "staff"}));
}

static void fits_nothing_that_it_does_not_claim(void **state)
{
    (void)state;
    const struct claim claim = {.trust_name = "staff", .sans = one_uri, .san_count = 1};
    assert_false(fits(&claim, &(struct match_entry){.uri = "spiffe://example.org/b"}));
    assert_false(fits(&claim, &(struct match_entry){.dns = "example.org"}));
    assert_false(fits(&claim, &(struct match_entry){.cn = "a"}));
    assert_false(fits(&claim, &(struct match_entry){.any = true, .trust = "partners"}));
    assert_false(fits(&claim, &(struct match_entry){.anonymous = true}));
}

static void without_a_profile_it_is_nobody(void **state)
{
    (void)state;
    const struct claim claim = {.sans = one_uri, .san_count = 1};
    assert_false(fits(&claim, &(struct match_entry){.any = true}));
    assert_false(fits(&claim, &(struct match_entry){.uri = "spiffe://example.org/a"}));
}

static void two_spiffe_ids_are_nobody_by_uri(void **state)
{
    (void)state;
    const struct claimed_san two[] = {{SAN_URI, SLICE_LITERAL("spiffe://example.org/a")},
                                      {SAN_DNS, SLICE_LITERAL("a.example.org")},
                                      {SAN_URI, SLICE_LITERAL("spiffe://example.org/b")}};
    const struct claim claim = {.trust_name = "staff", .sans = two, .san_count = 3};
    assert_false(fits(&claim, &(struct match_entry){.uri = "spiffe://example.org/a"}));
    assert_false(fits(&claim, &(struct match_entry){.uri = "spiffe://example.org/b"}));
    assert_true(fits(&claim, &(struct match_entry){.dns = "a.example.org"}));
}

static void names_that_no_rule_could_name_fit_nothing(void **state)
{
    (void)state;
    const struct claimed_san odd[] = {{SAN_DNS, SLICE_LITERAL("*.example.org")},
                                      {SAN_IP, SLICE_LITERAL("10.0.0.256")},
                                      {SAN_IP, SLICE_LITERAL("")},
                                      {SAN_EMAIL, SLICE_LITERAL("a@b@c")},
                                      {SAN_DNS, SLICE_LITERAL("\xef\xbf\xbd.example.org")}};
    struct identity *identity =
        made(&(struct claim){.trust_name = "staff", .sans = odd, .san_count = 5});
    for (size_t i = 0; i < 5; i++)
        assert_false(identity->sans[i].is_usable);
    identity_destroy(identity);
}

static void is_the_identity_of_its_certificate(void **state)
{
    struct forge_plan plan = {
        .cn = "a", .serial = 0x4f01, .sans = {"ip4:10.0.0.1", "uri:spiffe://example.org/a"}};
    const struct forged *ca = forge(*state, &(struct forge_plan){.cn = "Root", .is_ca = true});
    plan.issuer = ca;
    const struct forged *leaf = forge(*state, &plan);
    struct identity *real = NULL;
    assert_int_equal(identity_create(leaf->cert, "staff", &real), ERR_OK);
    const struct claimed_san sans[] = {{SAN_IP, SLICE_LITERAL("10.0.0.1")},
                                       {SAN_URI, SLICE_LITERAL("spiffe://example.org/a")}};
    struct identity *said = made(&(struct claim){.trust_name = "staff",
                                                 .subject = SLICE_LITERAL("CN=a"),
                                                 .issuer = SLICE_LITERAL("CN=Root"),
                                                 .sans = sans,
                                                 .san_count = 2,
                                                 .serial = SLICE_LITERAL("\0\x4f\x01"),
                                                 .sha256 = real->sha256,
                                                 .spki_sha256 = real->spki_sha256,
                                                 .not_after_s = real->not_after_s});
    char data[2][4096];
    struct text text[2];
    for (size_t i = 0; i < 2; i++) {
        text_init(&text[i], data[i], sizeof data[i]);
        identity_append_json(i == 0 ? real : said, &text[i]);
    }
    assert_string_equal(data[0], data[1]);
    assert_string_equal(real->trust_name, said->trust_name);
    identity_destroy(real);
    identity_destroy(said);
}

static void refuses_what_it_cannot_read(void **state)
{
    (void)state;
    static const struct claimed_san many[IDENTITY_MAX_SANS + 1];
    static const uint8_t digits[IDENTITY_SERIAL_MAX + 1] = {1};
    const struct {
        struct claim claim;
        enum err error;
    } cases[] = {
        {{.subject = SLICE_LITERAL("no name")}, ERR_INPUT},
        {{.issuer = SLICE_LITERAL("CN=a;O=b\\")}, ERR_INPUT},
        {{.sans = many, .san_count = IDENTITY_MAX_SANS + 1}, ERR_LIMIT},
        {{.serial = {digits, sizeof digits}}, ERR_LIMIT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct identity *identity = NULL;
        struct errinfo info = {0};
        assert_int_equal(claim_to_identity(&cases[i].claim, &identity, &info), cases[i].error);
        assert_null(identity);
        assert_true(info.text[0] != '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fits_what_it_claims),
        cmocka_unit_test(fits_nothing_that_it_does_not_claim),
        cmocka_unit_test(without_a_profile_it_is_nobody),
        cmocka_unit_test(two_spiffe_ids_are_nobody_by_uri),
        cmocka_unit_test(names_that_no_rule_could_name_fit_nothing),
        cmocka_unit_test_setup_teardown(is_the_identity_of_its_certificate, workshop_create,
                                        workshop_destroy),
        cmocka_unit_test(refuses_what_it_cannot_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
