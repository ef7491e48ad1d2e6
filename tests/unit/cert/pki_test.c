// The built-in CA: what it makes passes our own verification, and it never overwrites anything.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>

#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/pool.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/trust.h"
#include "proxy/pki/authority.h"
#include "proxy/pki/new_file.h"
#include "tests/unit/cert/scratch.h"

#define NOW_S INT64_C(1800000000)
#define DAY_S INT64_C(86400)

static const struct authority_options OPTIONS = {
    .common_name = "Test CA", .trust_domain = "example.org", .ttl_s = 3650 * DAY_S};

// load reads ca.crt and ca.key.
static enum err load(const char *directory, int64_t now_s, struct authority *out,
                     struct errinfo *info)
{
    TRY(authority_load(directory, AUTHORITY_ISSUING, now_s, out, info));
    const enum err error = authority_load_key(out, (struct slice){0}, info);
    if (error != ERR_OK)
        authority_deinit(out);
    return error;
}

static struct authority make_authority(const char *directory)
{
    struct errinfo info = {0};
    struct authority authority = {0};
    if (authority_init(directory, &OPTIONS, NOW_S, &info) != ERR_OK ||
        load(directory, NOW_S, &authority, &info) != ERR_OK)
        fail_msg("%s", info.text);
    return authority;
}

static enum err issue(const struct authority *authority, const struct issue_options *options)
{
    struct errinfo info = {0};
    struct issued issued;
    const enum err error = authority_issue(authority, options, NOW_S, &issued, &info);
    assert_true((error == ERR_OK) == (info.text[0] == '\0'));
    return error;
}

static X509 *load_cert(const char *directory, const char *name)
{
    char text[8192];
    X509 *cert = NULL;
    scratch_read(directory, name, text, sizeof text);
    assert_int_equal(certificate_parse(slice_of_string(text), &cert), ERR_OK);
    return cert;
}

// verify gives our own verdict on a certificate under ca.crt.
static enum reason verify(const char *directory, const char *name, struct identity **out)
{
    char text[8192];
    struct errinfo info;
    struct trust *trust = NULL;
    const struct trust_options options = {.name = "t"};
    scratch_read(directory, "ca.crt", text, sizeof text);
    assert_int_equal(trust_create(&options, &trust), ERR_OK);
    assert_int_equal(trust_add_ca(trust, slice_of_string(text), &info), ERR_OK);
    assert_int_equal(trust_finish(trust, NOW_S, &info), ERR_OK);
    assert_null(trust_certificate_at(trust, 0).warning);
    X509 *cert = load_cert(directory, name);
    uint8_t *der = NULL;
    const int len = i2d_X509(cert, &der);
    STACK_OF(CRYPTO_BUFFER) *chain = sk_CRYPTO_BUFFER_new_null();
    assert_true(sk_CRYPTO_BUFFER_push(chain, CRYPTO_BUFFER_new(der, (size_t)len, NULL)) != 0);
    struct trust_verdict verdict;
    (void)!trust_verify(trust, chain, NOW_S, &verdict);
    *out = verdict.identity;
    identity_destroy(verdict.presented);
    sk_CRYPTO_BUFFER_pop_free(chain, CRYPTO_BUFFER_free);
    OPENSSL_free(der);
    X509_free(cert);
    trust_destroy(trust);
    return verdict.reason;
}

static void issues_a_client_that_is_let_in(void **state)
{
    struct authority authority = make_authority(*state);
    const struct issue_options options = {.name = "alice", .ttl_s = DAY_S, .directory = *state};
    assert_int_equal(issue(&authority, &options), ERR_OK);
    struct identity *identity = NULL;
    assert_string_equal(reason_name(verify(*state, "alice.crt", &identity)), "none");
    assert_true(slice_equal(dn_common_name(&identity->subject), SLICE_LITERAL("alice")));
    assert_int_equal(identity->san_count, 1);
    assert_true(slice_equal(identity->sans[0].value, SLICE_LITERAL("spiffe://example.org/alice")));
    assert_int_equal(identity->not_before_s, NOW_S - 300);
    assert_int_equal(identity->not_after_s - identity->not_before_s, DAY_S);
    assert_true(identity->serial.len >= 12);
    identity_destroy(identity);
    authority_deinit(&authority);
}

static void issues_a_server_that_is_no_client(void **state)
{
    struct authority authority = make_authority(*state);
    const struct san sans[] = {{SAN_DNS, true, SLICE_LITERAL("proxy.example.org")},
                               {SAN_IP, true, SLICE_LITERAL("\x7f\0\0\x01")}};
    const struct issue_options options = {.name = "proxy",
                                          .is_server = true,
                                          .sans = sans,
                                          .san_count = 2,
                                          .ttl_s = DAY_S,
                                          .directory = *state};
    assert_int_equal(issue(&authority, &options), ERR_OK);
    struct identity *identity = NULL;
    assert_string_equal(reason_name(verify(*state, "proxy.crt", &identity)), "bad_purpose");
    X509 *cert = load_cert(*state, "proxy.crt");
    assert_int_equal(X509_check_purpose(cert, X509_PURPOSE_SSL_SERVER, 0), 1);
    assert_int_equal(X509_check_host(cert, "proxy.example.org", 17, 0, NULL), 1);
    assert_int_equal(X509_check_ip_asc(cert, "127.0.0.1", 0), 1);
    assert_int_equal(X509_check_host(cert, "other.example.org", 17, 0, NULL), 0);
    assert_true(authority_has_issued(&authority, cert));
    X509_free(cert);
    authority_deinit(&authority);
}

static void its_own_certificate_is_a_ca_for_leaves_only(void **state)
{
    struct authority authority = make_authority(*state);
    X509 *cert = load_cert(*state, "ca.crt");
    assert_int_equal(X509_check_ca(cert), 1);
    assert_int_equal(X509_get_pathlen(cert), 0);
    assert_int_equal(X509_get_key_usage(cert), KU_KEY_CERT_SIGN | KU_CRL_SIGN);
    assert_string_equal(authority.trust_domain, "example.org");
    struct identity *identity = NULL;
    assert_string_equal(reason_name(verify(*state, "ca.crt", &identity)), "bad_purpose");
    X509_free(cert);
    authority_deinit(&authority);
}

static void keeps_keys_to_their_owner(void **state)
{
    (void)umask(0);
    struct authority authority = make_authority(*state);
    const struct issue_options options = {.name = "alice", .ttl_s = DAY_S, .directory = *state};
    assert_int_equal(issue(&authority, &options), ERR_OK);
    assert_int_equal(scratch_mode(*state, "ca.key"), 0600);
    assert_int_equal(scratch_mode(*state, "alice.key"), 0600);
    assert_int_equal(scratch_mode(*state, "alice.crt"), 0644);
    char text[4096];
    scratch_read(*state, "alice.key", text, sizeof text);
    assert_non_null(strstr(text, "-----BEGIN PRIVATE KEY-----"));
    char path[SCRATCH_PATH_CAP];
    struct errinfo info;
    struct authority again;
    assert_int_equal(chmod(scratch_path(*state, "ca.key", path), 0640), 0);
    assert_int_equal(load(*state, NOW_S, &again, &info), ERR_INPUT);
    assert_non_null(strstr(info.text, "chmod 600"));
    assert_int_equal(authority_load(*state, AUTHORITY_ISSUING, NOW_S, &again, &info), ERR_OK);
    authority_deinit(&again);
    authority_deinit(&authority);
}

static void never_overwrites(void **state)
{
    struct authority authority = make_authority(*state);
    struct errinfo info;
    assert_int_equal(authority_init(*state, &OPTIONS, NOW_S, &info), ERR_DENIED);
    assert_non_null(strstr(info.text, "ca.crt"));
    const struct issue_options options = {.name = "alice", .ttl_s = DAY_S, .directory = *state};
    scratch_write(*state, "alice.crt", SLICE_LITERAL("precious"));
    assert_int_equal(issue(&authority, &options), ERR_DENIED);
    assert_int_equal(scratch_mode(*state, "alice.key"), -1); // no key without its certificate
    char text[4096];
    scratch_read(*state, "alice.crt", text, sizeof text);
    assert_string_equal(text, "precious");
    scratch_remove(*state, "alice.crt");
    scratch_write(*state, "alice.key", SLICE_LITERAL("precious"));
    assert_int_equal(issue(&authority, &options), ERR_DENIED);
    scratch_read(*state, "alice.key", text, sizeof text);
    assert_string_equal(text, "precious");
    assert_int_equal(scratch_mode(*state, "alice.crt"), -1);
    authority_deinit(&authority);
}

static void does_not_write_through_a_link(void **state)
{
    struct authority authority = make_authority(*state);
    char link_path[SCRATCH_PATH_CAP];
    char target[SCRATCH_PATH_CAP];
    assert_int_equal(symlink(scratch_path(*state, "elsewhere", target),
                             scratch_path(*state, "alice.key", link_path)),
                     0);
    const struct issue_options options = {.name = "alice", .ttl_s = DAY_S, .directory = *state};
    assert_int_equal(issue(&authority, &options), ERR_DENIED);
    assert_int_equal(scratch_mode(*state, "elsewhere"), -1);
    authority_deinit(&authority);
}

static void refuses_names_that_are_none(void **state)
{
    struct authority authority = make_authority(*state);
    static const char *const names[] = {
        "", "a/b", "../a", "a b", "a\n", "caf\xC3\xA9", "a:b", "123456789012345678901234567890123",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct issue_options options = {
            .name = names[i], .ttl_s = DAY_S, .directory = *state};
        if (issue(&authority, &options) != ERR_INPUT)
            fail_msg("'%s' is taken for a name", names[i]);
    }
    assert_true(authority_name_is_valid("A.b_c-9"));
    authority_deinit(&authority);
}

static void refuses_to_be_what_it_cannot(void **state)
{
    static const struct authority_options rows[] = {
        {.common_name = "", .trust_domain = "example.org", .ttl_s = DAY_S},
        {.common_name = "a\nb", .trust_domain = "example.org", .ttl_s = DAY_S},
        {.common_name = "12345678901234567890123456789012345678901234567890123456789012345",
         .trust_domain = "a",
         .ttl_s = DAY_S},
        {.common_name = "CA", .trust_domain = "", .ttl_s = DAY_S},
        {.common_name = "CA", .trust_domain = "Example.org", .ttl_s = DAY_S},
        {.common_name = "CA", .trust_domain = "example.org/x", .ttl_s = DAY_S},
        {.common_name = "CA", .trust_domain = "example.org:443", .ttl_s = DAY_S},
        {.common_name = "CA", .trust_domain = "exa mple", .ttl_s = DAY_S},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct errinfo info = {0};
        assert_int_equal(authority_init(*state, &rows[i], NOW_S, &info), ERR_INPUT);
        assert_true(info.text[0] != '\0');
        assert_int_equal(scratch_mode(*state, "ca.key"), -1);
    }
}

static void cuts_a_validity_at_its_own_end(void **state)
{
    struct authority authority = make_authority(*state);
    struct errinfo info;
    struct issued issued;
    const struct issue_options options = {
        .name = "alice", .ttl_s = 36500 * DAY_S, .directory = *state};
    assert_int_equal(authority_issue(&authority, &options, NOW_S, &issued, &info), ERR_OK);
    assert_true(issued.is_cut);
    assert_int_equal(issued.not_after_s, certificate_not_after_s(authority.cert));
    const struct issue_options shorter = {.name = "bob", .ttl_s = 60, .directory = *state};
    assert_int_equal(authority_issue(&authority, &shorter, NOW_S, &issued, &info), ERR_OK);
    assert_false(issued.is_cut);
    assert_int_equal(issued.not_after_s, NOW_S - 6 + 60); // a tenth of it lies before now
    authority_deinit(&authority);
}

static void refuses_a_directory_that_is_no_ca(void **state)
{
    const char *directory = *state;
    struct errinfo info;
    struct authority authority;
    assert_int_equal(load(directory, NOW_S, &authority, &info), ERR_SYSTEM);
    struct authority made = make_authority(directory);
    authority_deinit(&made);
    assert_int_equal(load(directory, NOW_S + 3651 * DAY_S, &authority, &info), ERR_INPUT);
    scratch_remove(directory, "ca.key");
    assert_int_equal(load(directory, NOW_S, &authority, &info), ERR_SYSTEM);
    EVP_PKEY *other = NULL;
    struct pem pem;
    char path[SCRATCH_PATH_CAP];
    assert_int_equal(keypair_generate(&other), ERR_OK);
    assert_int_equal(keypair_format(other, (struct slice){0}, &pem), ERR_OK);
    assert_int_equal(new_file_write(scratch_path(directory, "ca.key", path), pem_slice(&pem),
                                    FILE_MODE_SECRET, &info),
                     ERR_OK);
    assert_int_equal(load(directory, NOW_S, &authority, &info), ERR_INPUT);
    assert_non_null(strstr(info.text, "not the key"));
    scratch_write(directory, "ca.crt", SLICE_LITERAL("hello"));
    assert_int_equal(load(directory, NOW_S, &authority, &info), ERR_INPUT);
    assert_null(authority.cert);
    assert_null(authority.key);
    EVP_PKEY_free(other);
    pem_deinit(&pem);
}

static void refuses_a_key_with_a_passphrase(void **state)
{
    (void)state;
    static const char encrypted[] =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
        "MIHrMFYGCSqGSIb3DQEFDTBJMCgGCSqGSIb3DQEFDDAbBAjWEtpWWFhmXgIBATAM\n"
        "BggqhkiG9w0CCQUAMB0GCWCGSAFlAwQBKgQQUhdM+8WSKzOBxEpFs4bm2gSBkFnj\n"
        "4dqmTpza2a2NekG9hbsYLRhu28ePOTRbJkCAIV6rwKY1/hs9iwPAeWKz1krPXyS+\n"
        "/r97SzN/Su+NIOV07+G/1eSV/v+gQREqV7rNx5Vspy/xhlo1lhk/NuNeSpH5aLXf\n"
        "U+jn9i4X0XNpzkOsGjBPmMnfxZ9zt62D48NwDxAD8yxNwEJDwUN1L6vqgzqBwA==\n"
        "-----END ENCRYPTED PRIVATE KEY-----\n";
    EVP_PKEY *key = NULL;
    assert_int_equal(keypair_parse(slice_of_string(encrypted), (struct slice){0}, &key), ERR_INPUT);
    assert_null(key);
}

static void encrypts_a_key_with_one_passphrase(void **state)
{
    (void)state;
    EVP_PKEY *key = NULL;
    EVP_PKEY *again = NULL;
    struct pem pem;
    assert_int_equal(keypair_generate(&key), ERR_OK);
    assert_int_equal(keypair_format(key, SLICE_LITERAL("good"), &pem), ERR_OK);
    assert_true(keypair_is_encrypted(pem_slice(&pem)));
    assert_int_equal(keypair_parse(pem_slice(&pem), (struct slice){0}, &again), ERR_INPUT);
    assert_int_equal(keypair_parse(pem_slice(&pem), SLICE_LITERAL("goof"), &again), ERR_INPUT);
    assert_int_equal(keypair_parse(pem_slice(&pem), SLICE_LITERAL("good"), &again), ERR_OK);
    assert_int_equal(EVP_PKEY_cmp(key, again), 1);
    EVP_PKEY_free(key);
    EVP_PKEY_free(again);
    pem_deinit(&pem);
}

static void makes_the_index_of_a_directory_that_has_none(void **state)
{
    struct authority authority = make_authority(*state);
    struct issue_options options = {.name = "alice", .ttl_s = DAY_S, .directory = *state};
    assert_int_equal(issue(&authority, &options), ERR_OK);
    scratch_remove(*state, "ca.index");
    options.name = "bob";
    assert_int_equal(issue(&authority, &options), ERR_OK);
    char text[4096];
    scratch_read(*state, "ca.index", text, sizeof text);
    assert_non_null(strstr(text, " client alice ")); // found in the directory
    assert_non_null(strstr(text, " client bob "));
    authority_deinit(&authority);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_create, scratch_destroy)
    const struct CMUnitTest tests[] = {
        TEST(issues_a_client_that_is_let_in),
        TEST(issues_a_server_that_is_no_client),
        TEST(its_own_certificate_is_a_ca_for_leaves_only),
        TEST(keeps_keys_to_their_owner),
        TEST(never_overwrites),
        TEST(does_not_write_through_a_link),
        TEST(refuses_names_that_are_none),
        TEST(refuses_to_be_what_it_cannot),
        TEST(cuts_a_validity_at_its_own_end),
        TEST(refuses_a_directory_that_is_no_ca),
        TEST(refuses_a_key_with_a_passphrase),
        TEST(encrypts_a_key_with_one_passphrase),
        TEST(makes_the_index_of_a_directory_that_has_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
