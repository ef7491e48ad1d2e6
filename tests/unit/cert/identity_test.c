// What a leaf says of its holder, and what of it fits nothing.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>

#include <openssl/mem.h>
#include <openssl/sha.h>
#include <stdlib.h>

#include "auth/identity.h"
#include "tests/unit/cert/forge.h"

enum { JSON_PROMISE = 6 * 1024 };

static struct identity *identity_of(struct workshop *workshop, const struct forge_plan *plan)
{
    struct identity *identity = NULL;
    assert_int_equal(identity_create(forge(workshop, plan)->cert, "staff", &identity), ERR_OK);
    return identity;
}

static enum err error_of(struct workshop *workshop, const struct forge_plan *plan)
{
    struct identity *identity = NULL;
    const enum err error = identity_create(forge(workshop, plan)->cert, NULL, &identity);
    assert_true((error == ERR_OK) == (identity != NULL));
    identity_destroy(identity);
    return error;
}

static void copies_every_part(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *ca = forge(workshop, &(struct forge_plan){.cn = "Root", .is_ca = true});
    const struct forged *leaf =
        forge(workshop, &(struct forge_plan){.cn = "alice",
                                             .o = "Example",
                                             .issuer = ca,
                                             .serial = 0x4f01,
                                             .sans = {"uri:spiffe://example.org/a", "dns:A.example",
                                                      "email:a@example.org", "ip4:10.0.0.1"}});
    struct identity *identity = NULL;
    assert_int_equal(identity_create(leaf->cert, "staff", &identity), ERR_OK);
    assert_string_equal(identity->trust_name, "staff");
    assert_true(slice_equal(dn_common_name(&identity->subject), SLICE_LITERAL("alice")));
    assert_true(slice_equal(dn_common_name(&identity->issuer), SLICE_LITERAL("Root")));
    assert_true(slice_equal(identity->serial, SLICE_LITERAL("\x4f\x01")));
    assert_int_equal(identity->not_before_s, FORGE_NOW_S - FORGE_DAY_S);
    assert_int_equal(identity->not_after_s, FORGE_NOW_S + FORGE_DAY_S);
    static const struct {
        enum san_kind kind;
        struct slice value;
    } expected[] = {
        {SAN_URI, {(const uint8_t *)"spiffe://example.org/a", 22}},
        {SAN_DNS, {(const uint8_t *)"A.example", 9}},
        {SAN_EMAIL, {(const uint8_t *)"a@example.org", 13}},
        {SAN_IP, {(const uint8_t *)"\x0a\0\0\x01", 4}},
    };
    assert_int_equal(identity->san_count, 4);
    for (size_t i = 0; i < 4; i++) {
        const struct san *san = &identity->sans[i];
        assert_int_equal(san->kind, expected[i].kind);
        assert_true(san->is_usable);
        assert_true(slice_equal(san->value, expected[i].value));
    }
    uint8_t *der = NULL;
    uint8_t digest[32];
    const int len = i2d_X509(leaf->cert, &der);
    SHA256(der, (size_t)len, digest);
    assert_memory_equal(identity->sha256, digest, sizeof digest);
    assert_memory_not_equal(identity->spki_sha256, digest, sizeof digest);
    OPENSSL_free(der);
    identity_destroy(identity);
}

static void one_key_has_one_spki_digest(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *first = forge(workshop, &(struct forge_plan){.cn = "a"});
    struct identity *a = identity_of(workshop, &(struct forge_plan){.cn = "a", .key_of = first});
    struct identity *b = identity_of(workshop, &(struct forge_plan){.cn = "b", .key_of = first});
    struct identity *c = identity_of(workshop, &(struct forge_plan){.cn = "a"});
    assert_memory_equal(a->spki_sha256, b->spki_sha256, IDENTITY_DIGEST_LEN);
    assert_memory_not_equal(a->spki_sha256, c->spki_sha256, IDENTITY_DIGEST_LEN);
    assert_memory_not_equal(a->sha256, b->sha256, IDENTITY_DIGEST_LEN);
    identity_destroy(a);
    identity_destroy(b);
    identity_destroy(c);
}

// is_usable puts one name with this tag into a leaf; at most 100 bytes.
static bool is_usable(struct workshop *workshop, uint8_t tag, struct slice value)
{
    uint8_t der[110] = {0x30, (uint8_t)(value.len + 2), tag, (uint8_t)value.len};
    assert_true(value.len <= 100 && bytes_copy(der + 4, sizeof der - 4, value));
    struct identity *identity = identity_of(
        workshop, &(struct forge_plan){.cn = "a", .san_der = slice_of(der, value.len + 4)});
    assert_int_equal(identity->san_count, 1);
    assert_true(slice_equal(identity->sans[0].value, value));
    const bool usable = identity->sans[0].is_usable;
    identity_destroy(identity);
    return usable;
}

enum { TAG_EMAIL = 0x81, TAG_DNS = 0x82, TAG_URI = 0x86, TAG_IP = 0x87 };

#define ROW(tag, text)                                                                             \
    {                                                                                              \
        tag,                                                                                       \
        {                                                                                          \
            (const uint8_t *)(text), sizeof(text) - 1                                              \
        }                                                                                          \
    }

static void takes_names_that_rules_can_name(void **state)
{
    static const struct {
        uint8_t tag;
        struct slice value;
    } rows[] = {
        ROW(TAG_DNS, "example.org"),
        ROW(TAG_DNS, "WORKER_7.Example.org"),
        ROW(TAG_URI, "spiffe://example.org/a"),
        ROW(TAG_URI, "urn:uuid:1"),
        ROW(TAG_URI, "https://example.org:8443/?a=%00#b"),
        ROW(TAG_EMAIL, "a.b+c@example.org"),
        ROW(TAG_IP, "\x0a\0\0\x01"),
        ROW(TAG_IP, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01"),
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!is_usable(*state, rows[i].tag, rows[i].value))
            fail_msg("row %zu is not usable", i);
    }
}

static void marks_names_that_fit_nothing(void **state)
{
    static const struct {
        uint8_t tag;
        struct slice value;
    } rows[] = {
        ROW(TAG_DNS, ""),
        ROW(TAG_DNS, "*.example.org"),
        ROW(TAG_DNS, "*"),
        ROW(TAG_DNS, "a*.example.org"),
        ROW(TAG_DNS, "example.org\0.evil.org"),
        ROW(TAG_DNS, "example.org\0"),
        ROW(TAG_DNS, "example.org."),
        ROW(TAG_DNS, "example..org"),
        ROW(TAG_DNS, "caf\xC3\xA9.example"),
        ROW(TAG_DNS, "exa mple.org"),
        ROW(TAG_DNS, "10.0.0.1"),
        ROW(TAG_URI, ""),
        ROW(TAG_URI, "spiffe"),
        ROW(TAG_URI, "spiffe:"),
        ROW(TAG_URI, "://example.org/a"),
        ROW(TAG_URI, "1a://example.org/a"),
        ROW(TAG_URI, "spiffe://example.org/*"),
        ROW(TAG_URI, "spiffe://example.org/a\0b"),
        ROW(TAG_URI, "spiffe://example.org/a b"),
        ROW(TAG_URI, "spiffe://example.org/a\n"),
        ROW(TAG_URI, "spiffe://example.org/\xC3\xA9"),
        ROW(TAG_EMAIL, ""),
        ROW(TAG_EMAIL, "example.org"),
        ROW(TAG_EMAIL, "@example.org"),
        ROW(TAG_EMAIL, "a@"),
        ROW(TAG_EMAIL, "a@b@example.org"),
        ROW(TAG_EMAIL, "*@example.org"),
        ROW(TAG_EMAIL, "a@*.example.org"),
        ROW(TAG_EMAIL, "\"a b\"@example.org"),
        ROW(TAG_EMAIL, "a\0b@example.org"),
        ROW(TAG_EMAIL, "a@example.org\0"),
        ROW(TAG_EMAIL, "\xC3\xA9@example.org"),
        ROW(TAG_IP, ""),
        ROW(TAG_IP, "\x0a\0\0"),
        ROW(TAG_IP, "\x0a\0\0\x01\xff\0\0\0"), // an address with a mask
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (is_usable(*state, rows[i].tag, rows[i].value))
            fail_msg("row %zu is usable", i);
    }
}

static void makes_a_leaf_with_two_spiffe_ids_nobody(void **state)
{
    struct identity *identity = identity_of(
        *state,
        &(struct forge_plan){.cn = "a",
                             .sans = {"uri:spiffe://example.org/a", "dns:a.example.org",
                                      "uri:https://example.org/", "uri:SPIFFE://example.org/b"}});
    for (size_t i = 0; i < identity->san_count; i++) {
        const struct san *san = &identity->sans[i];
        assert_true(san->is_usable == (san->kind == SAN_DNS));
    }
    identity_destroy(identity);
    identity = identity_of(
        *state, &(struct forge_plan){
                    .cn = "a", .sans = {"uri:spiffe://example.org/a", "uri:https://example.org/"}});
    assert_true(identity->sans[0].is_usable && identity->sans[1].is_usable);
    identity_destroy(identity);
}

static void skips_the_kinds_that_no_rule_names(void **state)
{
    static const struct slice der =
        SLICE_LITERAL("\x30\x1a"
                      "\xa0\x08\x06\x01\x2a\xa0\x03\x0c\x01x" // otherName
                      "\xa4\x02\x30\x00"                      // a DN
                      "\x88\x01\x2a"                          // an OID
                      "\xa5\x04\xa1\x02\x0c\x00"              // EDI
                      "\x82\x01\x61");
    struct identity *identity =
        identity_of(*state, &(struct forge_plan){.cn = "a", .san_der = der});
    assert_int_equal(identity->san_count, 1);
    assert_int_equal(identity->sans[0].kind, SAN_DNS);
    identity_destroy(identity);
}

static void refuses_a_malformed_extension(void **state)
{
    static const struct slice rows[] = {
        {(const uint8_t *)"", 0},
        {(const uint8_t *)"\x30\x00", 2},                 // no name
        {(const uint8_t *)"\x31\x03\x82\x01\x61", 5},     // a SET
        {(const uint8_t *)"\x30\x03\x82\x02\x61", 5},     // cut off
        {(const uint8_t *)"\x30\x03\x82\x01\x61\x00", 6}, // a byte behind
        {(const uint8_t *)"\x30\x03\xa2\x01\x61", 5},     // a constructed string
        {(const uint8_t *)"\x30\x03\x0c\x01\x61", 5},     // no GeneralName
        {(const uint8_t *)"\x30\x03\x89\x01\x61", 5},     // no known kind
        {(const uint8_t *)"\x30\x04\x82\x81\x01\x61", 6}, // a long form of a short length
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct forge_plan plan = {.cn = "a", .san_der = rows[i]};
        if (error_of(*state, &plan) != ERR_INPUT)
            fail_msg("row %zu is taken", i);
    }
    const struct forge_plan twice = {
        .cn = "a", .san_der = SLICE_LITERAL("\x30\x03\x82\x01\x61"), .has_san_twice = true};
    assert_int_equal(error_of(*state, &twice), ERR_INPUT);
}

static void refuses_names_and_serials_beyond_reason(void **state)
{
    struct workshop *workshop = *state;
    assert_int_equal(error_of(workshop, &(struct forge_plan){.cn = "a", .serial = -1}), ERR_INPUT);
    char der[1100] = "\x30\x82\x04\x16\x31\x82\x04\x12\x30\x82\x04\x0e\x06\x03\x55\x04\x0d\x0c\x82"
                     "\x04\x05";
    for (size_t i = 21; i < 1050; i++)
        der[i] = 'a';
    const struct forge_plan long_subject = {.subject_der = slice_of(der, 1050)};
    assert_int_equal(error_of(workshop, &long_subject), ERR_LIMIT);
}

// make_many gives a SAN extension of `count` DNS names and then two SPIFFE ids.
static struct slice make_many(uint8_t *der, size_t count)
{
    size_t len = 4;
    for (size_t i = 0; i < count; i++) {
        der[len++] = TAG_DNS;
        der[len++] = 3;
        for (size_t k = 0; k < 3; k++)
            der[len++] = 'a';
    }
    const struct slice ids = SLICE_LITERAL("\x86\x0a"
                                           "spiffe://a"
                                           "\x86\x0a"
                                           "spiffe://b");
    assert_true(bytes_copy(der + len, ids.len, ids));
    len += ids.len;
    der[0] = 0x30;
    der[1] = 0x82;
    der[2] = (uint8_t)((len - 4) >> 8);
    der[3] = (uint8_t)(len - 4);
    return slice_of(der, len);
}

static void looks_at_every_san_or_at_none(void **state)
{
    enum { SPIFFE_IDS = 2 };
    static uint8_t der[30000];
    struct identity *identity = identity_of(
        *state,
        &(struct forge_plan){.cn = "a", .san_der = make_many(der, IDENTITY_MAX_SANS - SPIFFE_IDS)});
    assert_int_equal(identity->san_count, IDENTITY_MAX_SANS);
    identity_destroy(identity);
    const size_t counts[] = {IDENTITY_MAX_SANS - SPIFFE_IDS + 1, 5000};
    for (size_t i = 0; i < 2; i++) {
        const struct forge_plan plan = {.cn = "a", .san_der = make_many(der, counts[i])};
        assert_int_equal(error_of(*state, &plan), ERR_LIMIT);
    }
}

static void a_second_spiffe_id_cannot_hide_behind_many_sans(void **state)
{
    static uint8_t der[30000];
    struct identity *identity =
        identity_of(*state, &(struct forge_plan){.cn = "a", .san_der = make_many(der, 200)});
    for (size_t i = 200; i < 202; i++) {
        assert_int_equal(identity->sans[i].kind, SAN_URI);
        assert_false(identity->sans[i].is_usable);
    }
    identity_destroy(identity);
}

static void has_no_common_name_when_there_are_two(void **state)
{
    struct identity *identity =
        identity_of(*state, &(struct forge_plan){.cn = "a", .second_cn = "b"});
    assert_int_equal(dn_common_name(&identity->subject).len, 0);
    identity_destroy(identity);
}

static void writes_its_part_of_the_audit(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *ca = forge(workshop, &(struct forge_plan){.cn = "Root", .is_ca = true});
    struct identity *identity = identity_of(
        workshop, &(struct forge_plan){.cn = "al\"ice\n",
                                       .issuer = ca,
                                       .serial = 0x4f01,
                                       .sans = {"ip4:10.0.0.1", "uri:spiffe://example.org/a"}});
    char buffer[8192];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    identity_append_json(identity, &text);
    const char *sha256 = strstr(buffer, "\"sha256\":\"");
    assert_non_null(sha256);
    assert_true(strspn(sha256 + 10, "0123456789abcdef") == 64);
    const char *spki = sha256 + 10 + 64;
    assert_int_equal(strncmp(spki, "\",\"spki_sha256\":\"", 17), 0);
    assert_true(strspn(spki + 17, "0123456789abcdef") == 64);
    assert_string_equal(spki + 17 + 64, "\",\"not_after\":\"2027-01-16T08:00:00Z\"");
    buffer[sha256 - buffer] = '\0';
    assert_string_equal(buffer,
                        "\"subject\":\"CN=al\\\\\\\"ice\\\\0a\",\"cn\":\"al\\\"ice\\u000a\","
                        "\"san_uri\":[\"spiffe://example.org/a\"],\"san_ip\":[\"10.0.0.1\"],"
                        "\"serial\":\"4f01\",\"issuer\":\"CN=Root\",");
    identity_destroy(identity);
}

static void its_part_of_the_audit_stays_small(void **state)
{
    static uint8_t san[40000];
    static char subject[1010] =
        "\x30\x82\x03\xee\x31\x82\x03\xea\x30\x82\x03\xe6\x06\x03\x55\x04\x03"
        "\x0c\x82\x03\xdd";
    for (size_t i = 21; i < sizeof subject; i++)
        subject[i] = '\x01';
    size_t len = 4;
    for (size_t i = 0; i < 60; i++) {
        san[len++] = i % 2 == 0 ? TAG_DNS : TAG_URI;
        san[len++] = 0x81;
        san[len++] = 0xff;
        for (size_t k = 0; k < 255; k++)
            san[len++] = i % 4 < 2 ? '\0' : '"';
    }
    san[0] = 0x30;
    san[1] = 0x82;
    san[2] = (uint8_t)((len - 4) >> 8);
    san[3] = (uint8_t)(len - 4);
    struct identity *identity =
        identity_of(*state, &(struct forge_plan){.subject_der = slice_of(subject, sizeof subject),
                                                 .san_der = slice_of(san, len)});
    char buffer[4 * JSON_PROMISE];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    identity_append_json(identity, &text);
    assert_false(text.is_cut);
    assert_true(text.len < JSON_PROMISE);
    assert_true(slice_ends_with(text_slice(&text), SLICE_LITERAL(",\"cut\":true")));
    for (size_t i = 0; i < text.len; i++)
        assert_true((uint8_t)buffer[i] >= ' ');
    identity_destroy(identity);
}

static void a_zero_serial_is_written_as_such(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *leaf = forge(workshop, &(struct forge_plan){.cn = "a"});
    X509 *copy = X509_dup(leaf->cert);
    ASN1_INTEGER *zero = ASN1_INTEGER_new();
    assert_true(ASN1_INTEGER_set_int64(zero, 0) && X509_set_serialNumber(copy, zero));
    struct identity *identity = NULL;
    assert_int_equal(identity_create(copy, NULL, &identity), ERR_OK);
    assert_int_equal(identity->serial.len, 0);
    assert_non_null(identity->serial.data);
    char buffer[JSON_PROMISE];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    identity_append_json(identity, &text);
    assert_non_null(strstr(buffer, "\"serial\":\"00\""));
    identity_destroy(identity);
    ASN1_INTEGER_free(zero);
    X509_free(copy);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, workshop_create, workshop_destroy)
    const struct CMUnitTest tests[] = {
        TEST(copies_every_part),
        TEST(one_key_has_one_spki_digest),
        TEST(takes_names_that_rules_can_name),
        TEST(marks_names_that_fit_nothing),
        TEST(makes_a_leaf_with_two_spiffe_ids_nobody),
        TEST(skips_the_kinds_that_no_rule_names),
        TEST(refuses_a_malformed_extension),
        TEST(refuses_names_and_serials_beyond_reason),
        TEST(looks_at_every_san_or_at_none),
        TEST(a_second_spiffe_id_cannot_hide_behind_many_sans),
        TEST(has_no_common_name_when_there_are_two),
        TEST(writes_its_part_of_the_audit),
        TEST(its_part_of_the_audit_stays_small),
        TEST(a_zero_serial_is_written_as_such),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
