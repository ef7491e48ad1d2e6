// server_name and TRUST_SERVERS: what a client makes of the proxy's certificate.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/ssl.h>

#include "auth/server_name.h"
#include "auth/trust.h"
#include "proxy/pki/certificate.h"

#define NOW INT64_C(1800000000)

struct made {
    EVP_PKEY *key;
    X509 *cert;
};

static struct made make(const struct certificate_plan *plan, const struct made *issuer)
{
    struct made made = {0};
    assert_int_equal(keypair_generate(&made.key), ERR_OK);
    assert_int_equal(certificate_make(plan, made.key, issuer == NULL ? NULL : issuer->cert,
                                      issuer == NULL ? made.key : issuer->key, &made.cert),
                     ERR_OK);
    return made;
}

static void drop(struct made *made)
{
    X509_free(made->cert);
    EVP_PKEY_free(made->key);
}

static struct made make_leaf(enum certificate_kind kind, const struct made *ca)
{
    static const uint8_t v6[16] = {[0] = 0x20, [1] = 0x01, [15] = 1};
    const struct san sans[] = {
        {.kind = SAN_DNS, .value = SLICE_LITERAL("proxy.example")},
        {.kind = SAN_DNS, .value = SLICE_LITERAL("*.wild.example")},
        {.kind = SAN_IP, .value = SLICE_LITERAL("\x0a\x01\x02\x03")},
        {.kind = SAN_IP, .value = slice_of(v6, sizeof v6)},
    };
    const struct certificate_plan plan = {
        .kind = kind,
        .common_name = "cn-only.example",
        .sans = sans,
        .san_count = 4,
        .not_before_s = NOW - 100,
        .not_after_s = NOW + 100,
    };
    return make(&plan, ca);
}

static CRYPTO_BUFFER *buffer_of(X509 *cert)
{
    uint8_t *der = NULL;
    const int len = i2d_X509(cert, &der);
    CRYPTO_BUFFER *buffer = CRYPTO_BUFFER_new(der, (size_t)len, NULL);
    OPENSSL_free(der);
    assert_non_null(buffer);
    return buffer;
}

static bool fits(const CRYPTO_BUFFER *leaf, const char *host)
{
    struct target target;
    assert_int_equal(target_host_parse(slice_of_string(host), &target), ERR_OK);
    return server_name_fits(leaf, &target);
}

static void a_server_has_the_names_of_its_san_and_no_others(void **state)
{
    (void)state;
    struct made leaf = make_leaf(CERTIFICATE_SERVER, NULL);
    CRYPTO_BUFFER *der = buffer_of(leaf.cert);
    static const char *const good[] = {"proxy.example", "PROXY.example.", "a.wild.example",
                                       "10.1.2.3", "[2001::1]"};
    static const char *const bad[] = {
        "cn-only.example", "proxy.example.org", "x.proxy.example", "a.b.wild.example",
        "wild.example",    "10.1.2.4",          "[2001::2]",       "example",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(fits(der, good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(fits(der, bad[i]));
    CRYPTO_BUFFER_free(der);
    drop(&leaf);
}

static void what_is_no_certificate_has_no_name(void **state)
{
    (void)state;
    CRYPTO_BUFFER *junk = CRYPTO_BUFFER_new((const uint8_t *)"junk", 4, NULL);
    assert_false(fits(junk, "proxy.example"));
    CRYPTO_BUFFER_free(junk);
}

static enum reason judge(X509 *ca, X509 *leaf, enum trust_purpose purpose)
{
    struct trust *trust = NULL;
    struct trust_verdict verdict;
    struct errinfo info;
    struct pem pem = {0};
    const struct trust_options options = {
        .name = "proxy", .max_depth = 3, .trusts_every_ca = true, .purpose = purpose};
    STACK_OF(CRYPTO_BUFFER) *chain = sk_CRYPTO_BUFFER_new_null();
    assert_true(sk_CRYPTO_BUFFER_push(chain, buffer_of(leaf)));
    assert_int_equal(certificate_format(&ca, 1, &pem), ERR_OK);
    assert_int_equal(trust_create(&options, &trust), ERR_OK);
    assert_int_equal(trust_add_ca(trust, pem_slice(&pem), &info), ERR_OK);
    assert_int_equal(trust_finish(trust, NOW, &info), ERR_OK);
    const enum err error = trust_verify(trust, chain, NOW, &verdict);
    assert_int_equal(error == ERR_OK, verdict.reason == REASON_NONE);
    identity_destroy(verdict.identity);
    identity_destroy(verdict.presented);
    sk_CRYPTO_BUFFER_pop_free(chain, CRYPTO_BUFFER_free);
    trust_destroy(trust);
    pem_deinit(&pem);
    return verdict.reason;
}

static void a_server_is_judged_as_a_server_and_a_client_as_a_client(void **state)
{
    (void)state;
    const struct certificate_plan plan = {.kind = CERTIFICATE_CA,
                                          .common_name = "CA",
                                          .not_before_s = NOW - 100,
                                          .not_after_s = NOW + 100};
    struct made ca = make(&plan, NULL);
    struct made other_ca = make(&plan, NULL);
    struct made server = make_leaf(CERTIFICATE_SERVER, &ca);
    struct made client = make_leaf(CERTIFICATE_CLIENT, &ca);
    assert_int_equal(judge(ca.cert, server.cert, TRUST_SERVERS), REASON_NONE);
    assert_int_equal(judge(ca.cert, client.cert, TRUST_CLIENTS), REASON_NONE);
    assert_int_equal(judge(ca.cert, client.cert, TRUST_SERVERS), REASON_BAD_PURPOSE);
    assert_int_equal(judge(ca.cert, server.cert, TRUST_CLIENTS), REASON_BAD_PURPOSE);
    assert_int_equal(judge(other_ca.cert, server.cert, TRUST_SERVERS), REASON_UNKNOWN_CA);
    drop(&ca);
    drop(&other_ca);
    drop(&server);
    drop(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_has_the_names_of_its_san_and_no_others),
        cmocka_unit_test(what_is_no_certificate_has_no_name),
        cmocka_unit_test(a_server_is_judged_as_a_server_and_a_client_as_a_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
