// SPIFFE bundles: which keys of one become anchors, and what is no bundle.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>

#include <openssl/base64.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/spiffe_bundle.h"
#include "auth/trust.h"
#include "tests/unit/cert/forge.h"

#define LIST(...) ((const struct forged *const[]){__VA_ARGS__, NULL})

enum { TEXT_CAP = 16 * 1024 };

static const struct trust_options OPTIONS = {
    .name = "staff", .max_depth = TRUST_DEFAULT_MAX_DEPTH, .trust_domain = "example.org"};

static const struct forged *forge_ca(struct workshop *workshop, const char *cn)
{
    return forge(workshop, &(struct forge_plan){
                               .cn = cn, .is_ca = true, .sans = {"uri:spiffe://example.org"}});
}

static void append_base64(const struct forged *certificate, struct text *out)
{
    uint8_t *der = NULL;
    uint8_t encoded[4096];
    const int len = i2d_X509(certificate->cert, &der);
    assert_in_range(len, 1, 3000);
    text_append(out, slice_of(encoded, EVP_EncodeBlock(encoded, der, (size_t)len)));
    OPENSSL_free(der);
}

// expand writes `pattern`, in which each `%` is the base64 of the next certificate.
static struct slice expand(const char *pattern, const struct forged *const *certificates,
                           char data[TEXT_CAP])
{
    struct text text;
    text_init(&text, data, TEXT_CAP);
    for (const char *at = pattern; *at != '\0'; at++) {
        if (*at == '%')
            append_base64(*certificates++, &text);
        else
            text_append(&text, slice_of(at, 1));
    }
    assert_false(text.is_cut);
    return text_slice(&text);
}

static enum err add(struct slice bundle, size_t *out_count, struct errinfo *info)
{
    struct trust *trust = NULL;
    *info = (struct errinfo){.text = ""};
    assert_int_equal(trust_create(&OPTIONS, &trust), ERR_OK);
    const enum err error = trust_add_ca(trust, bundle, info);
    assert_int_equal(ERR_peek_error(), 0);
    assert_true((error == ERR_OK) == (info->text[0] == '\0'));
    *out_count = trust_certificate_count(trust);
    trust_destroy(trust);
    return error;
}

#define KEY(...) "{\"kty\":\"EC\",\"use\":\"x509-svid\",\"x5c\":[\"%\"]" __VA_ARGS__ "}"
#define JWT                                                                                        \
    "{\"kty\":\"EC\",\"use\":\"jwt-svid\",\"kid\":\"a\",\"crv\":\"P-256\",\"x\":\"\",\"y\":\"\"}"
#define KEYS(...) "{\"keys\":[" __VA_ARGS__ "]}"

static void every_x509_key_is_a_certificate(void **state)
{
    static const struct {
        const char *pattern;
        size_t count;
    } rows[] = {
        {KEYS(KEY()), 1},
        {KEYS(KEY() "," KEY()), 2},
        {KEYS(JWT "," KEY() "," JWT "," KEY()), 2},
        {KEYS(KEY(",\"n\":\"AQAB\",\"e\":\"x\",\"new\":{\"a\":[null]}")), 1},
        {"\r\n\t {\"spiffe_sequence\":9223372036854775807,\"spiffe_refresh_hint\":300,"
         "\"keys\":[" KEY() "],\"new\":1.5}\n",
         1},
        {KEYS("{\"kty\":\"EC\",\"use\":\"new-svid\",\"x5c\":7}," KEY()), 1},
        {KEYS("{\"kty\":\"NEW\",\"use\":\"x509-svid\"}," KEY()), 1},
        {KEYS("{\"kty\":\"RSA\"}," KEY()), 1},
        {KEYS("{\"kty\":\"EC\",\"use\":\"X509-SVID\"}," KEY()), 1},
        {KEYS("{\"kty\":\"RSA\",\"use\":\"x509-svid\",\"x5c\":[\"%\"]},"
              "{\"kty\":\"OKP\",\"use\":\"x509-svid\",\"x5c\":[\"%\"]}"),
         2},
    };
    struct workshop *workshop = *state;
    const struct forged *const cas[] = {forge_ca(workshop, "A"), forge_ca(workshop, "B"), NULL};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char data[TEXT_CAP];
        struct errinfo info;
        size_t count = 0;
        const struct slice bundle = expand(rows[i].pattern, cas, data);
        assert_true(spiffe_bundle_is(bundle));
        if (add(bundle, &count, &info) != ERR_OK)
            fail_msg("row %zu: %s", i, info.text);
        assert_int_equal(count, rows[i].count);
    }
}

static void what_is_no_bundle_is_refused_with_its_key(void **state)
{
    static const struct {
        const char *pattern;
        const char *words;
    } rows[] = {
        {"{", "the text ends too early"},
        {"{}", "`keys` is missing"},
        {"{\"keys\":{}}", "`keys` is missing, or is no list"},
        {"{\"keys\":null}", "`keys` is missing, or is no list"},
        {"{\"Keys\":[]}", "`keys` is missing"},
        {"{\"keys\":[]}", "without a key for certificates"},
        {KEYS(JWT), "without a key for certificates"},
        {KEYS("{\"kty\":\"EC\",\"x5c\":[\"%\"]}"), "without a key for certificates"},
        {"{\"keys\":[" KEY() "]} x", "something follows"},
        {"{\"keys\":[" KEY() "]}{}", "something follows"},
        {"{\"keys\":[" KEY() "],\"keys\":[]}", "a key appears twice"},
        {KEYS(KEY(",\"use\":\"jwt-svid\"")), "a key appears twice"},
        {KEYS(KEY(",\"x5c\":[]")), "a key appears twice"},
        {"{\"keys\":[" KEY() "],}", "not JSON"},
        {"{'keys':[]}", "not JSON"},
        {KEYS(KEY() ",7"), "key 2 of the SPIFFE bundle: not an object"},
        {KEYS("[" KEY() "]"), "key 1 of the SPIFFE bundle: not an object"},
        {KEYS(KEY() ",null"), "key 2 of the SPIFFE bundle: not an object"},
        {KEYS(JWT ",{\"use\":\"x509-svid\",\"x5c\":[\"%\"]}"), "key 2 of the SPIFFE bundle: `kty`"},
        {KEYS("{\"kty\":7,\"use\":\"x509-svid\",\"x5c\":[\"%\"]}"), "`kty`"},
        {KEYS("{\"kty\":\"EC\",\"use\":[\"x509-svid\"],\"x5c\":[\"%\"]}"), "`use` is no text"},
        {KEYS("{\"kty\":\"EC\",\"use\":\"x509-svid\"}"), "exactly one certificate"},
        {KEYS("{\"kty\":\"EC\",\"use\":\"x509-svid\",\"x5c\":[]}"), "exactly one certificate"},
        {KEYS("{\"kty\":\"EC\",\"use\":\"x509-svid\",\"x5c\":\"%\"}"), "exactly one certificate"},
        {KEYS("{\"kty\":\"EC\",\"use\":\"x509-svid\",\"x5c\":[7]}"), "exactly one certificate"},
        {KEYS("{\"kty\":\"EC\",\"use\":\"x509-svid\",\"x5c\":[null]}"), "exactly one certificate"},
        {KEYS("{\"kty\":\"EC\",\"use\":\"x509-svid\",\"x5c\":[[\"%\"]]}"),
         "exactly one certificate"},
        {KEYS("{\"kty\":\"EC\",\"use\":\"x509-svid\",\"x5c\":[\"%\",\"%\"]}"),
         "exactly one certificate"},
        {KEYS("{\"kty\":\"EC\",\"use\":\"x509-svid\",\"x5c\":[\"\"]}"), "not base64"},
        {KEYS("{\"kty\":\"EC\",\"use\":\"x509-svid\",\"x5c\":[\"%=\"]}"), "not base64"},
        {KEYS("{\"kty\":\"EC\",\"use\":\"x509-svid\",\"x5c\":[\" %\"]}"), "not base64"},
        {KEYS("{\"kty\":\"EC\",\"use\":\"x509-svid\",\"x5c\":[\"%\\n\"]}"), "not base64"},
        {KEYS("{\"kty\":\"EC\",\"use\":\"x509-svid\",\"x5c\":[\"-_-_\"]}"), "not base64"},
        {KEYS("{\"kty\":\"EC\",\"use\":\"x509-svid\",\"x5c\":[\"-----BEGIN CERTIFICATE-----\"]}"),
         "not base64"},
        {KEYS("{\"kty\":\"EC\",\"use\":\"x509-svid\",\"x5c\":[\"MAA=\"]}"), "cannot be read"},
        {KEYS(KEY(",\"d\":\"AA\"")), "it is private"},
        {KEYS("{\"kty\":\"EC\",\"use\":\"jwt-svid\",\"d\":\"AA\"}," KEY()), "key 1 of the SPIFFE"},
        {KEYS("{\"kty\":\"oct\",\"k\":\"AA\"}," KEY()), "it is private"},
        {"{\"keys\":[\"\\u0000\"]}", "NUL"},
        {"{\"a\":1e999,\"keys\":[]}", "too large"},
        {"{\"spiffe_sequence\":99999999999999999999,\"keys\":[]}", "too large"},
        {"{\"keys\":[\"\xff\"]}", "UTF-8"},
    };
    struct workshop *workshop = *state;
    const struct forged *const cas[] = {forge_ca(workshop, "A"), forge_ca(workshop, "B"), NULL};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char data[TEXT_CAP];
        struct errinfo info;
        size_t count = 0;
        const enum err error = add(expand(rows[i].pattern, cas, data), &count, &info);
        if (error != ERR_INPUT || strstr(info.text, rows[i].words) == NULL)
            fail_msg("row %zu: %d, %s", i, error, info.text);
    }
}

static void a_certificate_that_is_no_ca_is_refused(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *ca = forge_ca(workshop, "A");
    const struct forged *leaf = forge(
        workshop,
        &(struct forge_plan){.cn = "a", .issuer = ca, .sans = {"uri:spiffe://example.org/a"}});
    char data[TEXT_CAP];
    struct errinfo info;
    size_t count = 0;
    assert_int_equal(add(expand(KEYS(KEY() "," KEY()), LIST(ca, leaf), data), &count, &info),
                     ERR_INPUT);
    assert_non_null(
        strstr(info.text, "key 2 of the SPIFFE bundle: certificate 1 (CN=a) is not a CA"));
}

static void what_does_not_begin_with_a_brace_is_pem(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "", " ", "\n", "[{}]", "-----BEGIN X-----\n{", "\xef\xbb\xbf{}", "x{"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct errinfo info;
        size_t count = 0;
        assert_false(spiffe_bundle_is(slice_of_string(texts[i])));
        assert_int_equal(add(slice_of_string(texts[i]), &count, &info), ERR_INPUT);
    }
    assert_false(spiffe_bundle_is(SLICE_LITERAL("\0{")));
}

static void a_bundle_cut_anywhere_is_no_bundle(void **state)
{
    struct workshop *workshop = *state;
    char data[TEXT_CAP];
    const struct slice whole = expand(KEYS(KEY() "," JWT), LIST(forge_ca(workshop, "A")), data);
    for (size_t len = 0; len < whole.len; len++) {
        struct errinfo info;
        size_t count = 0;
        assert_int_equal(add(slice_first(whole, len), &count, &info), ERR_INPUT);
        assert_int_equal(count, 0);
    }
}

static void a_bundle_has_bounds(void **state)
{
    (void)state;
    enum { CAP = 256 * 1024 };
    char *data = malloc(CAP);
    struct text text;
    struct errinfo info;
    size_t count = 0;
    assert_non_null(data);
    text_init(&text, data, CAP);
    text_append_string(&text, "{\"keys\":[{\"kty\":\"EC\"}");
    for (size_t i = 0; i < SPIFFE_BUNDLE_MAX_KEYS; i++)
        text_append_string(&text, ",{\"kty\":\"EC\"}");
    text_append_string(&text, "]}");
    assert_int_equal(add(text_slice(&text), &count, &info), ERR_LIMIT);
    assert_non_null(strstr(info.text, "4096 keys"));
    text_init(&text, data, CAP);
    text_append_string(&text, "{\"keys\":[{\"kty\":\"EC\",\"use\":\"x509-svid\",\"x5c\":[\"");
    for (size_t i = 0; i < 64 * 1024; i += 4)
        text_append_string(&text, "AAAA");
    text_append_string(&text, "AAAA\"]}]}");
    assert_int_equal(add(text_slice(&text), &count, &info), ERR_LIMIT);
    text_init(&text, data, CAP);
    text_append_string(&text, "{\"keys\":");
    for (size_t i = 0; i < 100000; i++)
        text_append_string(&text, "[");
    assert_int_equal(add(text_slice(&text), &count, &info), ERR_INPUT);
    assert_non_null(strstr(info.text, "nested too deeply"));
    free(data);
}

static void only_anchors_come_from_a_bundle(void **state)
{
    struct workshop *workshop = *state;
    char data[TEXT_CAP];
    const struct slice bundle = expand(KEYS(KEY()), LIST(forge_ca(workshop, "A")), data);
    struct trust *trust = NULL;
    struct errinfo info = {0};
    struct pem_left_out left_out;
    assert_int_equal(trust_create(&OPTIONS, &trust), ERR_OK);
    assert_int_equal(trust_add_intermediates(trust, bundle, &info), ERR_INPUT);
    assert_non_null(strstr(info.text, "under `ca`"));
    assert_int_equal(trust_add_system_cas(trust, bundle, &left_out, &info), ERR_INPUT);
    assert_int_equal(trust_certificate_count(trust), 0);
    trust_destroy(trust);
}

static void clients_are_judged_by_the_anchors_of_a_bundle(void **state)
{
    struct workshop *workshop = *state;
    const struct forged *ca = forge_ca(workshop, "A");
    const struct forged *other = forge_ca(workshop, "B");
    char data[TEXT_CAP];
    struct errinfo info = {0};
    struct trust *trust = NULL;
    assert_int_equal(trust_create(&OPTIONS, &trust), ERR_OK);
    assert_int_equal(trust_add_ca(trust, expand(KEYS(JWT "," KEY()), LIST(ca), data), &info),
                     ERR_OK);
    assert_int_equal(trust_finish(trust, FORGE_NOW_S, &info), ERR_OK);
    const struct {
        const struct forged *issuer;
        const char *san;
        enum reason reason;
    } rows[] = {
        {ca, "uri:spiffe://example.org/a", REASON_NONE},
        {ca, "uri:spiffe://example.net/a", REASON_WRONG_TRUST_DOMAIN},
        {other, "uri:spiffe://example.org/a", REASON_UNKNOWN_CA},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct forged *leaf =
            forge(workshop,
                  &(struct forge_plan){.cn = "a", .issuer = rows[i].issuer, .sans = {rows[i].san}});
        struct trust_verdict verdict;
        (void)!trust_verify(trust, forge_chain(workshop, LIST(leaf)), FORGE_NOW_S, &verdict);
        assert_string_equal(reason_name(verdict.reason), reason_name(rows[i].reason));
        identity_destroy(verdict.identity);
        identity_destroy(verdict.presented);
    }
    trust_destroy(trust);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workshop_create, workshop_destroy)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_x509_key_is_a_certificate),
        TEST(what_is_no_bundle_is_refused_with_its_key),
        TEST(a_certificate_that_is_no_ca_is_refused),
        TEST(what_does_not_begin_with_a_brace_is_pem),
        TEST(a_bundle_cut_anywhere_is_no_bundle),
        TEST(a_bundle_has_bounds),
        TEST(only_anchors_come_from_a_bundle),
        TEST(clients_are_judged_by_the_anchors_of_a_bundle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
