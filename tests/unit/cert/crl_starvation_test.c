// No memory while a signature is verified: the answer is "not known", which lets nobody in and is
// not remembered. BoringSSL's memory comes from here, and a test says which of its calls fails.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>

#include <openssl/base64.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <stdlib.h>

#include "auth/crl.h"
#include "auth/trust.h"
#include "tests/unit/cert/forge_crl.h"

#define LIST(...) ((const struct forged *const[]){__VA_ARGS__, NULL})

// ---- an allocator that can fail -----------------------------------------------------------------

enum { HEAD_LEN = 16 }; // bytes in front of what is given: its size

static size_t calls;   // since starve
static size_t failing; // the call that fails; 0: none

void *OPENSSL_memory_alloc(size_t size);
void OPENSSL_memory_free(void *memory);
size_t OPENSSL_memory_get_size(void *memory);

void *OPENSSL_memory_alloc(size_t size)
{
    calls++;
    uint8_t *memory = failing != 0 && calls >= failing ? NULL : malloc(size + HEAD_LEN);
    if (memory == NULL)
        return NULL;
    *(size_t *)(void *)memory = size;
    return memory + HEAD_LEN;
}

void OPENSSL_memory_free(void *memory)
{
    if (memory != NULL)
        free((uint8_t *)memory - HEAD_LEN);
}

size_t OPENSSL_memory_get_size(void *memory)
{
    return *(size_t *)(void *)((uint8_t *)memory - HEAD_LEN);
}

// starve makes this call, counted from 1, and all after it fail (so that no retry helps); 0 ends that. It gives how many calls there were.
static size_t starve(size_t call)
{
    const size_t before = calls;
    calls = 0;
    failing = call;
    return before;
}

// ---- a profile whose lists wait for their issuers -----------------------------------------------

enum { MIDDLE_SERIAL = 20, LEAF_SERIAL = 30 };

// pki is a root, which is all that the profile knows, two intermediates and a leaf.
struct pki {
    const struct forged *root;
    const struct forged *upper;
    const struct forged *middle;
    STACK_OF(CRYPTO_BUFFER) *chain;
};

static struct pki make_pki(struct workshop *workshop, enum forge_key key)
{
    struct pki pki;
    pki.root = forge(workshop, &(struct forge_plan){.cn = "Root", .is_ca = true});
    pki.upper =
        forge(workshop,
              &(struct forge_plan){.cn = "Upper", .is_ca = true, .issuer = pki.root, .key = key});
    pki.middle = forge(workshop, &(struct forge_plan){.cn = "Middle",
                                                      .is_ca = true,
                                                      .issuer = pki.upper,
                                                      .serial = MIDDLE_SERIAL,
                                                      .key = key});
    const struct forged *leaf = forge(
        workshop, &(struct forge_plan){.cn = "a", .issuer = pki.middle, .serial = LEAF_SERIAL});
    pki.chain = forge_chain(workshop, LIST(leaf, pki.middle, pki.upper));
    return pki;
}

// files is what a profile is made of, read again for each.
struct files {
    struct slice root;
    struct slice crls[2];
    size_t crl_count;
};

static struct trust *make_trust(const struct files *files)
{
    const struct trust_options options = {
        .name = "staff", .max_depth = 3, .is_crl_for_leaves = true};
    struct trust *trust = NULL;
    struct errinfo info = {0};
    assert_int_equal(trust_create(&options, &trust), ERR_OK);
    assert_int_equal(trust_add_ca(trust, files->root, &info), ERR_OK);
    for (size_t i = 0; i < files->crl_count; i++)
        assert_int_equal(trust_add_crl(trust, files->crls[i], &info), ERR_OK);
    assert_int_equal(trust_finish(trust, FORGE_NOW_S, &info), ERR_OK);
    return trust;
}

// recheck_starving judges a record with this call failing, and again with memory: then it is revoked. False: the call
// was never reached.
static bool recheck_starving(const struct files *files, const struct identity *identity,
                             size_t call, size_t *unknown)
{
    struct trust *trust = make_trust(files);
    const char *detail = NULL;
    (void)starve(call);
    const enum reason hungry = trust_recheck(trust, identity, FORGE_NOW_S, &detail);
    const bool is_reached = starve(0) >= call;
    assert_int_equal(ERR_peek_error(), 0);
    assert_true(detail[0] != '\0');
    // What another list says without a doubt counts; all else is not known.
    if (hungry != REASON_REVOKED)
        assert_int_equal(hungry, is_reached ? REASON_NO_MEMORY : REASON_REVOKED);
    *unknown += hungry == REASON_NO_MEMORY;
    assert_int_equal(trust_recheck(trust, identity, FORGE_NOW_S, &detail), REASON_REVOKED);
    trust_destroy(trust);
    return is_reached;
}

// judge_starving judges a chain of which one certificate is revoked, with each call failing in turn.
static void judge_starving(struct workshop *workshop, enum forge_key key, bool is_middle_revoked)
{
    const struct pki pki = make_pki(workshop, key);
    const struct forge_crl_plan upper = {.issuer = pki.upper,
                                         .serials = {is_middle_revoked ? MIDDLE_SERIAL : 1}};
    const struct forge_crl_plan middle = {.issuer = pki.middle,
                                          .serials = {is_middle_revoked ? 1 : LEAF_SERIAL}};
    struct files files = {.root = forge_pem(workshop, LIST(pki.root)),
                          .crls = {forge_crl(workshop, &upper), forge_crl(workshop, &middle)}};
    struct trust *open = make_trust(&files);
    struct trust_verdict verdict;
    assert_int_equal(trust_verify(open, pki.chain, FORGE_NOW_S, &verdict), ERR_OK);
    trust_destroy(open);
    files.crl_count = 2;
    size_t unknown = 0;
    for (size_t call = 1; recheck_starving(&files, verdict.identity, call, &unknown);)
        call++;
    assert_true(unknown > 0);
    identity_destroy(verdict.identity);
}

static const enum forge_key KEYS[] = {FORGE_P256, FORGE_P521, FORGE_ED25519, FORGE_RSA_2048};

static void without_memory_a_revoked_leaf_is_not_let_in(void **state)
{
    for (size_t i = 0; i < sizeof KEYS / sizeof KEYS[0]; i++)
        judge_starving(*state, KEYS[i], false);
}

// With `crl_scope: leaf` a list that nobody signed is not missed: the intermediate would be good for ever.
static void without_memory_a_revoked_intermediate_is_not_let_in(void **state)
{
    for (size_t i = 0; i < sizeof KEYS / sizeof KEYS[0]; i++)
        judge_starving(*state, KEYS[i], true);
}

// A list of a CA that the profile knows must not be kept as one that nobody has signed.
static void without_memory_a_list_is_not_read(void **state)
{
    const struct pki pki = make_pki(*state, FORGE_P256);
    const struct slice der =
        forge_crl(*state, &(struct forge_crl_plan){.issuer = pki.root, .serials = {5}});
    const struct crl_signers signers = {.certs = (X509 *const *)&pki.root->cert, .count = 1};
    size_t refused = 0;
    bool is_reached = true;
    for (size_t call = 1; is_reached; call++) {
        struct crl *crl = NULL;
        struct errinfo info;
        (void)starve(call);
        const enum err error = crl_create(der, &signers, &crl, &info);
        is_reached = starve(0) >= call;
        assert_true(error != ERR_OK || crl->has_authority);
        refused += error == ERR_MEMORY;
        crl_unref(crl);
    }
    assert_true(refused > 0);
}

// An intermediate among the CAs is a helper because the root issued it, which takes a verification to find out.
static void without_memory_a_helper_is_no_anchor(void **state)
{
    const struct pki pki = make_pki(*state, FORGE_P256);
    const struct slice pem = forge_pem(*state, LIST(pki.root, pki.upper));
    const struct trust_options options = {.name = "staff", .max_depth = 3};
    size_t refused = 0;
    bool is_reached = true;
    for (size_t call = 1; is_reached; call++) {
        struct trust *trust = NULL;
        struct errinfo info;
        assert_int_equal(trust_create(&options, &trust), ERR_OK);
        assert_int_equal(trust_add_ca(trust, pem, &info), ERR_OK);
        (void)starve(call);
        const enum err error = trust_finish(trust, FORGE_NOW_S, &info);
        is_reached = starve(0) >= call;
        assert_true(error != ERR_OK || !trust_certificate_at(trust, 1).is_anchor);
        refused += error == ERR_MEMORY;
        trust_destroy(trust);
    }
    assert_true(refused > 0);
}

// A bundle for which there was no memory must not be taken for a bad one: then a CA that is gone would be kept.
static void without_memory_a_bundle_is_not_called_bad(void **state)
{
    uint8_t *der = NULL;
    char data[4096];
    uint8_t encoded[3072];
    const struct pki pki = make_pki(*state, FORGE_P256);
    const int der_len = i2d_X509(pki.root->cert, &der);
    assert_in_range(der_len, 1, 2048);
    struct text text;
    text_init(&text, data, sizeof data);
    text_append_string(&text, "{\"keys\":[{\"kty\":\"EC\",\"use\":\"x509-svid\",\"x5c\":[\"");
    text_append(&text, slice_of(encoded, EVP_EncodeBlock(encoded, der, (size_t)der_len)));
    text_append_string(&text, "\"]}]}");
    OPENSSL_free(der);
    const struct trust_options options = {.name = "staff", .max_depth = 3};
    size_t refused = 0;
    bool is_reached = true;
    for (size_t call = 1; is_reached; call++) {
        struct trust *trust = NULL;
        struct errinfo info;
        assert_int_equal(trust_create(&options, &trust), ERR_OK);
        (void)starve(call);
        const enum err error = trust_add_ca(trust, text_slice(&text), &info);
        is_reached = starve(0) >= call;
        assert_int_equal(ERR_peek_error(), 0);
        if (error != ERR_OK)
            assert_int_equal(error, ERR_MEMORY);
        refused += error == ERR_MEMORY;
        trust_destroy(trust);
    }
    assert_true(refused > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workshop_create, workshop_destroy)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_memory_a_revoked_leaf_is_not_let_in),
        TEST(without_memory_a_revoked_intermediate_is_not_let_in),
        TEST(without_memory_a_list_is_not_read),
        TEST(without_memory_a_helper_is_no_anchor),
        TEST(without_memory_a_bundle_is_not_called_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
