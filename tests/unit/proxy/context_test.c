// TLS contexts: good pairs of chain and key are described, everything else is refused with a sentence.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <openssl/bio.h>
#include <openssl/cipher.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "proxy/pki/certificate.h"
#include "proxy/tls/tls_server.h"

enum { TEXT_CAP = 64 * 1024 };

// pair is a key and a certificate for it, as objects and as PEM.
struct pair {
    EVP_PKEY *key;
    X509 *cert;
    struct pem key_pem;
    struct pem cert_pem;
};

static EVP_PKEY *make_curve_key(int curve)
{
    EC_KEY *ec = EC_KEY_new_by_curve_name(curve);
    EVP_PKEY *key = EVP_PKEY_new();
    assert_true(EC_KEY_generate_key(ec) && EVP_PKEY_assign_EC_KEY(key, ec));
    return key;
}

static void pair_init(struct pair *pair, EVP_PKEY *key, enum certificate_kind kind)
{
    const struct san sans[] = {
        {.kind = SAN_DNS, .is_usable = true, .value = SLICE_LITERAL("proxy.example.org")},
        {.kind = SAN_URI, .is_usable = true, .value = SLICE_LITERAL("spiffe://a/b")}};
    const struct certificate_plan plan = {.kind = kind,
                                          .common_name = "proxy",
                                          .sans = sans,
                                          .san_count = 2,
                                          .not_before_s = 1700000000,
                                          .not_after_s = 1800000000};
    *pair = (struct pair){.key = key};
    assert_int_equal(certificate_make(&plan, key, NULL, key, &pair->cert), ERR_OK);
    assert_int_equal(certificate_format(&pair->cert, 1, &pair->cert_pem), ERR_OK);
    assert_int_equal(keypair_format(key, (struct slice){0}, &pair->key_pem), ERR_OK);
}

static void pair_deinit(struct pair *pair)
{
    EVP_PKEY_free(pair->key);
    X509_free(pair->cert);
    pem_deinit(&pair->key_pem);
    pem_deinit(&pair->cert_pem);
}

struct bench {
    struct pair server;
    struct pair other;
    struct pair weak; // on a curve that TLS does not speak
    char text[TEXT_CAP];
    struct errinfo info;
};

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    pair_init(&bench->server, make_curve_key(NID_X9_62_prime256v1), CERTIFICATE_SERVER);
    pair_init(&bench->other, make_curve_key(NID_X9_62_prime256v1), CERTIFICATE_CLIENT);
    pair_init(&bench->weak, make_curve_key(NID_secp224r1), CERTIFICATE_SERVER);
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    pair_deinit(&bench->server);
    pair_deinit(&bench->other);
    pair_deinit(&bench->weak);
    free(bench);
    return 0;
}

static enum err create(struct bench *bench, struct slice chain, struct slice key,
                       struct tls_context **out)
{
    const struct tls_context_options options = {
        .chain_pem = chain, .key = {.pem = key}, .min = TLS_VERSION_1_2, .max = TLS_VERSION_1_3};
    bench->info.text[0] = '\0';
    return tls_context_create(&options, out, &bench->info);
}

static void assert_refused(struct bench *bench, struct slice chain, struct slice key,
                           const char *sentence)
{
    struct tls_context *context = NULL;
    assert_int_equal(create(bench, chain, key, &context), ERR_INPUT);
    assert_null(context);
    if (strstr(bench->info.text, sentence) == NULL || strstr(bench->info.text, "(null)") != NULL)
        fail_msg("not about `%s`: %s", sentence, bench->info.text);
}

// joined puts texts after each other.
static struct slice joined(struct bench *bench, const struct slice *parts, size_t count)
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        assert_true(bytes_copy(bench->text + len, TEXT_CAP - len, parts[i]));
        len += parts[i].len;
    }
    return slice_of(bench->text, len);
}

static void a_good_pair_is_described(void **state)
{
    struct bench *bench = *state;
    struct tls_context *context = NULL;
    assert_int_equal(create(bench, pem_slice(&bench->server.cert_pem),
                            pem_slice(&bench->server.key_pem), &context),
                     ERR_OK);
    const struct tls_context_info *info = tls_context_describe(context, 0);
    assert_string_equal(info->subject, "CN=proxy");
    assert_int_equal(info->not_before_s, 1700000000);
    assert_int_equal(info->not_after_s, 1800000000);
    assert_true(info->has_server_auth);
    assert_int_equal(info->san_count, 1); // the URI is nothing that clients look for
    tls_context_unref(context);
}

static void a_client_certificate_is_no_server_certificate(void **state)
{
    struct bench *bench = *state;
    struct tls_context *context = NULL;
    assert_int_equal(create(bench, pem_slice(&bench->other.cert_pem),
                            pem_slice(&bench->other.key_pem), &context),
                     ERR_OK);
    const struct tls_context_info *info = tls_context_describe(context, 0);
    assert_false(info->has_server_auth); // said by `check`
    tls_context_unref(context);
}

static void text_round_the_pem_and_further_certificates_are_allowed(void **state)
{
    struct bench *bench = *state;
    struct tls_context *context = NULL;
    const struct slice parts[] = {SLICE_LITERAL("subject=CN = proxy\n"),
                                  pem_slice(&bench->server.cert_pem), SLICE_LITERAL("\nissuer:\n"),
                                  pem_slice(&bench->other.cert_pem)};
    assert_int_equal(
        create(bench, joined(bench, parts, 4), pem_slice(&bench->server.key_pem), &context),
        ERR_OK);
    tls_context_unref(context);
}

static void a_key_of_another_certificate_is_refused(void **state)
{
    struct bench *bench = *state;
    assert_refused(bench, pem_slice(&bench->server.cert_pem), pem_slice(&bench->other.key_pem),
                   "does not belong");
    // The leaf has to stand first.
    const struct slice parts[] = {pem_slice(&bench->other.cert_pem),
                                  pem_slice(&bench->server.cert_pem)};
    assert_refused(bench, joined(bench, parts, 2), pem_slice(&bench->server.key_pem), "come first");
}

static void an_encrypted_key_is_refused_without_asking_for_a_passphrase(void **state)
{
    struct bench *bench = *state;
    BIO *bio = BIO_new(BIO_s_mem());
    assert_true(PEM_write_bio_PKCS8PrivateKey(bio, bench->server.key, EVP_aes_256_cbc(), "secret",
                                              6, NULL, NULL));
    const uint8_t *bytes = NULL;
    size_t len = 0;
    assert_true(BIO_mem_contents(bio, &bytes, &len));
    assert_refused(bench, pem_slice(&bench->server.cert_pem), slice_of(bytes, len),
                   "no passphrase can be asked for here");
    BIO_free(bio);
}

static void what_holds_no_key_is_refused(void **state)
{
    struct bench *bench = *state;
    const struct slice chain = pem_slice(&bench->server.cert_pem);
    assert_refused(bench, chain, SLICE_LITERAL(""), "no private key");
    assert_refused(bench, chain, SLICE_LITERAL("no PEM at all"), "no private key");
    assert_refused(bench, chain, chain, "no private key");
    const struct slice whole = pem_slice(&bench->server.key_pem);
    assert_refused(bench, chain, slice_first(whole, whole.len / 2), "no private key");
    assert_refused(bench, chain,
                   SLICE_LITERAL("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
                   "no private key");
}

static void what_holds_no_whole_chain_is_refused(void **state)
{
    struct bench *bench = *state;
    const struct slice key = pem_slice(&bench->server.key_pem);
    const struct slice whole = pem_slice(&bench->server.cert_pem);
    assert_refused(bench, SLICE_LITERAL(""), key, "no certificate");
    assert_refused(bench, SLICE_LITERAL("\0\0\0"), key, "no certificate");
    assert_refused(bench, key, key, "no certificate");
    assert_refused(bench, slice_first(whole, whole.len / 2), key, "block 1 is not whole PEM");
    const struct slice torn[] = {whole, slice_first(whole, whole.len - 10)};
    assert_refused(bench, joined(bench, torn, 2), key, "block 2 is not whole PEM");
    assert_refused(bench,
                   SLICE_LITERAL("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
                   key, "cannot be read");
}

static void more_than_16_certificates_are_refused(void **state)
{
    struct bench *bench = *state;
    struct tls_context *context = NULL;
    struct slice parts[17];
    for (size_t i = 0; i < 17; i++)
        parts[i] = pem_slice(&bench->server.cert_pem);
    assert_int_equal(
        create(bench, joined(bench, parts, 16), pem_slice(&bench->server.key_pem), &context),
        ERR_OK);
    tls_context_unref(context);
    assert_refused(bench, joined(bench, parts, 17), pem_slice(&bench->server.key_pem),
                   "more than 16");
}

static void a_key_that_tls_cannot_use_is_refused(void **state)
{
    struct bench *bench = *state;
    assert_refused(bench, pem_slice(&bench->weak.cert_pem), pem_slice(&bench->weak.key_pem),
                   "TLS cannot use");
}

static void names_of_cas_are_taken_over_also_on_failure(void **state)
{
    struct bench *bench = *state;
    for (int is_good = 0; is_good < 2; is_good++) {
        STACK_OF(CRYPTO_BUFFER) *names = sk_CRYPTO_BUFFER_new_null();
        CRYPTO_BUFFER *name = CRYPTO_BUFFER_new((const uint8_t *)"\x30\x00", 2, NULL);
        assert_true(names != NULL && name != NULL && sk_CRYPTO_BUFFER_push(names, name) != 0);
        const struct tls_context_options options = {
            .chain_pem = pem_slice(&bench->server.cert_pem),
            .key = {.pem = pem_slice(is_good ? &bench->server.key_pem : &bench->other.key_pem)},
            .min = TLS_VERSION_1_2,
            .max = TLS_VERSION_1_3,
            .client_ca_names = names};
        struct tls_context *context = NULL;
        assert_int_equal(tls_context_create(&options, &context, &bench->info),
                         is_good ? ERR_OK : ERR_INPUT);
        tls_context_unref(context);
    }
}

int main(void)
{
#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_BENCH(a_good_pair_is_described),
        WITH_BENCH(a_client_certificate_is_no_server_certificate),
        WITH_BENCH(text_round_the_pem_and_further_certificates_are_allowed),
        WITH_BENCH(a_key_of_another_certificate_is_refused),
        WITH_BENCH(an_encrypted_key_is_refused_without_asking_for_a_passphrase),
        WITH_BENCH(what_holds_no_key_is_refused),
        WITH_BENCH(what_holds_no_whole_chain_is_refused),
        WITH_BENCH(more_than_16_certificates_are_refused),
        WITH_BENCH(a_key_that_tls_cannot_use_is_refused),
        WITH_BENCH(names_of_cas_are_taken_over_also_on_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
