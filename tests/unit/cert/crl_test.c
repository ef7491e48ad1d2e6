// Revocation lists: what is loadable, what is in them, and what they cost.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>

#include <openssl/err.h>
#include <stdlib.h>

#include "auth/crl.h"
#include "auth/crl_answers.h"
#include "tests/unit/cert/forge_crl.h"

static const struct forged *make_ca(struct workshop *workshop, const char *cn)
{
    return forge(workshop, &(struct forge_plan){.cn = cn, .is_ca = true});
}

// load reads a list with one CA as its signer; NULL when it is not loadable.
static struct crl *load(struct slice der, const struct forged *ca, bool is_strict,
                        struct errinfo *info)
{
    struct crl *crl = NULL;
    const struct crl_signers signers = {
        .certs = (X509 *const *)&ca->cert, .count = 1, .is_strict = is_strict};
    const enum err error = crl_create(der, &signers, &crl, info);
    assert_true((error == ERR_OK) == (crl != NULL));
    assert_int_equal(ERR_peek_error(), 0);
    return crl;
}

static struct crl *load_good(struct slice der, const struct forged *ca)
{
    struct errinfo info = {0};
    struct crl *crl = load(der, ca, false, &info);
    if (crl == NULL)
        fail_msg("%s", info.text);
    return crl;
}

static bool has(const struct crl *crl, uint64_t serial)
{
    uint8_t bytes[8];
    size_t from = 0;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(serial >> (8 * (7 - i)));
    while (from < sizeof bytes && bytes[from] == 0)
        from++;
    return crl_has_serial(crl, slice_of(bytes + from, sizeof bytes - from));
}

static void finds_what_is_revoked_and_nothing_else(void **state)
{
    const struct forged *ca = make_ca(*state, "Root");
    const struct forge_crl_plan plan = {.issuer = ca, .serials = {900, 5, 70000, 128}};
    struct crl *crl = load_good(forge_crl(*state, &plan), ca);
    assert_true(has(crl, 900) && has(crl, 5) && has(crl, 70000) && has(crl, 128));
    const uint64_t others[] = {0, 1, 4, 6, 127, 129, 899, 901, 69999, 70001, UINT64_MAX};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_false(has(crl, others[i]));
    assert_int_equal(crl->count, 4);
    assert_string_equal(crl->issuer, "CN=Root");
    assert_int_equal(crl->next_update_s, FORGE_NOW_S + FORGE_DAY_S);
    assert_int_equal(crl->this_update_s, FORGE_NOW_S - FORGE_DAY_S);
    crl_unref(crl);
}

static void an_empty_list_revokes_nobody(void **state)
{
    const struct forged *ca = make_ca(*state, "Root");
    struct crl *crl = load_good(forge_crl(*state, &(struct forge_crl_plan){.issuer = ca}), ca);
    assert_false(has(crl, 0) || has(crl, 1));
    assert_int_equal(crl->count, 0);
    assert_true(crl->has_authority);
    crl_unref(crl);
    crl_unref(NULL);
}

static void takes_lists_that_are_only_unusual(void **state)
{
    const struct forged *ca = make_ca(*state, "Root");
    const struct forge_crl_plan plans[] = {
        {.is_v1 = true},
        {.has_no_number = true},
        {.has_other_key_id = true},
        {.has_no_key_id = true},
        {.has_unknown_soft = true},
        {.reason = 1},
        {.is_for_leaves = true},
        {.is_for_cas = true},
        {.reason = 6},
        {.points = {"http://pki.example.org/1.crl"}},
        {.points = {"http://pki.example.org/1.crl"}, .is_for_leaves = true},
    };
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
        struct forge_crl_plan plan = plans[i];
        plan.issuer = ca;
        plan.serials[0] = 77;
        struct crl *crl = load_good(forge_crl(*state, &plan), ca);
        assert_true(has(crl, 77));
        assert_int_equal(crl->covers_leaves, !plan.is_for_cas);
        assert_int_equal(crl->covers_cas, !plan.is_for_leaves);
        crl_unref(crl);
    }
}

static void refuses_lists_that_are_not_the_whole_truth(void **state)
{
    const struct forged *ca = make_ca(*state, "Root");
    const struct {
        struct forge_crl_plan plan;
        const char *words;
    } cases[] = {
        {{.has_no_next_update = true}, "nextUpdate"},
        {{.is_delta = true}, "delta CRL"},
        {{.is_indirect = true}, "indirect CRL"},
        {{.has_entry_issuer = true}, "indirect CRL"},
        {{.is_for_some_reasons = true}, "some reasons"},
        {{.is_for_attributes = true}, "no public key"},
        {{.has_directory_point = true}, "has no URI"},
        {{.has_critical_number = true}, "number is critical"},
        {{.has_unknown_critical = true}, "critical extension"},
        {{.has_critical_in_entry = true}, "critical extension"},
        {{.has_number_twice = true}, "twice"},
        {{.number_bytes = SLICE_LITERAL("\x80")}, "damaged"},
        {{.number_bytes = SLICE_LITERAL("\x01"
                                        "aaaaaaaaaaaaaaaaaaaa")},
         "damaged"},
        {{.is_sha1 = true}, "not signed by the CA CN=Root"},
        {{.has_broken_signature = true}, "not signed by the CA CN=Root"},
        {{.has_other_inner_algorithm = true}, "two signature algorithms"},
        {{.next_update_s = FORGE_NOW_S - 2 * FORGE_DAY_S}, "dates"},
        {{.serial_der = SLICE_LITERAL("\x00\x01")}, "damaged"},
        {{.serial_der = SLICE_LITERAL("\x01"
                                      "aaaaaaaabbbbbbbbccccccccdddddddd")},
         "longer than 32"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct errinfo info = {0};
        struct forge_crl_plan plan = cases[i].plan;
        plan.issuer = ca;
        plan.serials[0] = 77;
        assert_null(load(forge_crl(*state, &plan), ca, false, &info));
        if (strstr(info.text, cases[i].words) == NULL)
            fail_msg("case %zu: %s", i, info.text);
    }
}

static void refuses_every_cut_and_every_byte_behind_it(void **state)
{
    const struct forged *ca = make_ca(*state, "Root");
    const struct forge_crl_plan plan = {.issuer = ca, .serials = {5, 6}, .reason = 1};
    const struct slice der = forge_crl(*state, &plan);
    struct errinfo info;
    for (size_t len = 0; len < der.len; len++)
        assert_null(load(slice_first(der, len), ca, false, &info));
    uint8_t *longer = calloc(1, der.len + 1);
    assert_true(bytes_copy(longer, der.len + 1, der));
    assert_null(load(slice_of(longer, der.len + 1), ca, false, &info));
    free(longer);
}

static void refuses_a_change_of_any_bit(void **state)
{
    const struct forged *ca = make_ca(*state, "Root");
    const struct slice der =
        forge_crl(*state, &(struct forge_crl_plan){.issuer = ca, .serials = {5}});
    uint8_t *copy = malloc(der.len);
    for (size_t i = 0; i < der.len; i++) {
        struct errinfo info;
        struct crl *crl = NULL;
        const struct crl_signers signers = {.certs = (X509 *const *)&ca->cert, .count = 1};
        assert_true(bytes_copy(copy, der.len, der));
        copy[i] ^= 1;
        // A changed name is another CA's list, which counts for nobody.
        if (crl_create(slice_of(copy, der.len), &signers, &crl, &info) == ERR_OK)
            assert_false(crl->has_authority);
        crl_unref(crl);
    }
    free(copy);
}

static void the_letter_wants_version_number_and_key_id(void **state)
{
    const struct forged *ca = make_ca(*state, "Root");
    const struct forge_crl_plan plans[] = {
        {.is_v1 = true}, {.has_no_number = true}, {.has_no_key_id = true}};
    struct errinfo info;
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
        struct forge_crl_plan plan = plans[i];
        plan.issuer = ca;
        assert_null(load(forge_crl(*state, &plan), ca, true, &info));
        assert_non_null(strstr(info.text, "`strict`"));
    }
    struct crl *crl =
        load(forge_crl(*state, &(struct forge_crl_plan){.issuer = ca}), ca, true, &info);
    assert_non_null(crl);
    crl_unref(crl);
}

static void an_entry_that_was_taken_back_does_not_revoke(void **state)
{
    const struct forged *ca = make_ca(*state, "Root");
    struct crl *crl = load_good(
        forge_crl(*state, &(struct forge_crl_plan){.issuer = ca, .serials = {5}, .reason = 8}), ca);
    assert_false(has(crl, 5));
    crl_unref(crl);
}

static void a_negative_serial_names_nobody(void **state)
{
    const struct forged *ca = make_ca(*state, "Root");
    const struct forge_crl_plan plan = {
        .issuer = ca, .serials = {5}, .serial_der = SLICE_LITERAL("\xFB")}; // -5, or 251
    struct crl *crl = load_good(forge_crl(*state, &plan), ca);
    assert_true(has(crl, 5));
    assert_false(has(crl, 251));
    crl_unref(crl);
}

static void only_a_ca_that_may_sign_lists_counts(void **state)
{
    enum { KEY_CERT_SIGN = 1 << 5 };
    struct errinfo info;
    const struct forged *mute = forge(
        *state, &(struct forge_plan){.cn = "Mute", .is_ca = true, .key_usage = KEY_CERT_SIGN});
    const struct forged *silent = forge(
        *state, &(struct forge_plan){.cn = "Silent", .is_ca = true, .has_no_key_usage = true});
    assert_null(
        load(forge_crl(*state, &(struct forge_crl_plan){.issuer = mute}), mute, false, &info));
    assert_non_null(strstr(info.text, "cRLSign"));
    struct crl *crl =
        load_good(forge_crl(*state, &(struct forge_crl_plan){.issuer = silent}), silent);
    assert_true(crl->has_authority);
    crl_unref(crl);
}

static struct slice key_of(const struct forged *forged)
{
    static uint8_t der[1024]; // until the next call
    uint8_t *at = der;
    const int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(forged->cert), &at);
    assert_true(len > 0 && (size_t)len <= sizeof der);
    return slice_of(der, (size_t)len);
}

static void a_list_of_an_unknown_ca_waits_for_its_key(void **state)
{
    const enum forge_key kinds[] = {FORGE_P256, FORGE_P521, FORGE_ED25519, FORGE_RSA_2048};
    const struct forged *ca = make_ca(*state, "Root");
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const struct forged *other =
            forge(*state, &(struct forge_plan){.cn = "Other", .is_ca = true, .key = kinds[i]});
        const struct forge_crl_plan plan = {.issuer = other, .serials = {5}};
        struct forge_crl_plan broken = plan;
        broken.has_broken_signature = true;
        struct crl *crl = load_good(forge_crl(*state, &plan), ca);
        struct crl *bad = load_good(forge_crl(*state, &broken), ca);
        assert_false(crl->has_authority);
        assert_true(crl->is_waiting && bad->is_waiting && has(crl, 5));
        assert_int_equal(crl_verify(crl, key_of(other)), VERIFICATION_GOOD);
        assert_int_equal(crl_verify(bad, key_of(other)), VERIFICATION_BAD);
        assert_int_equal(crl_verify(crl, key_of(ca)), VERIFICATION_BAD);
        assert_int_equal(crl_verify(crl, SLICE_LITERAL("")), VERIFICATION_BAD);
        assert_int_equal(crl_verify(crl, SLICE_LITERAL("junk")), VERIFICATION_BAD);
        crl_unref(crl);
        crl_unref(bad);
    }
}

static void only_a_large_list_with_ed25519_cannot_wait(void **state)
{
    enum { MANY = 40000 }; // some 1.5 MB
    const struct forged *ca = make_ca(*state, "Root");
    const struct forged *ed25519 =
        forge(*state, &(struct forge_plan){.cn = "Other", .is_ca = true, .key = FORGE_ED25519});
    const struct forged *p256 = make_ca(*state, "Other");
    const struct forge_crl_plan plans[] = {{.issuer = ed25519, .filler_count = MANY},
                                           {.issuer = p256, .filler_count = MANY}};
    struct errinfo info = {0};
    assert_null(load(forge_crl(*state, &plans[0]), ca, false, &info));
    assert_non_null(strstr(info.text, "`intermediates`"));
    crl_unref(load_good(forge_crl(*state, &plans[0]), ed25519));
    struct crl *crl = load_good(forge_crl(*state, &plans[1]), ca);
    assert_true(crl->is_waiting);
    assert_int_equal(crl_verify(crl, key_of(p256)), VERIFICATION_GOOD);
    crl_unref(crl);
}

static void a_weak_list_of_an_unknown_ca_never_counts(void **state)
{
    const struct forged *ca = make_ca(*state, "Root");
    const struct forge_crl_plan plan = {
        .issuer = make_ca(*state, "Other"), .is_sha1 = true, .serials = {5}};
    struct crl *crl = load_good(forge_crl(*state, &plan), ca);
    assert_false(crl->has_authority);
    assert_false(crl->is_waiting || has(crl, 5));
    crl_unref(crl);
}

// The key identifier tells a namesake with another key, whose list waits, from a damaged list.
static void a_list_of_a_namesake_waits_and_a_damaged_one_is_refused(void **state)
{
    const struct forged *ca = make_ca(*state, "Root");
    const struct forged *other = make_ca(*state, "Other");
    const struct forged *namesake = make_ca(*state, "Root");
    const struct forge_crl_plan waiting[] = {
        {.issuer = namesake},
        {.issuer = other, .named = ca},
        {.issuer = ca, .named = other}, // our key under another name
    };
    const struct forge_crl_plan refused[] = {
        {.issuer = namesake, .has_no_key_id = true},
        {.issuer = other, .named = ca, .has_no_key_id = true},
        {.issuer = ca, .has_broken_signature = true},
    };
    for (size_t i = 0; i < 3; i++) {
        struct errinfo info = {0};
        struct crl *crl = load_good(forge_crl(*state, &waiting[i]), ca);
        assert_false(crl->has_authority);
        assert_true(crl->is_waiting);
        crl_unref(crl);
        assert_null(load(forge_crl(*state, &refused[i]), ca, false, &info));
        assert_non_null(strstr(info.text, "not signed by the CA CN=Root"));
    }
}

static void the_later_date_is_the_newer_list(void **state)
{
    const struct forged *ca = make_ca(*state, "Root");
    const struct forge_crl_plan plans[] = {
        {.issuer = ca, .number = 900, .this_update_s = FORGE_NOW_S - 5 * FORGE_DAY_S},
        {.issuer = ca, .number = 255},
        {.issuer = ca, .number = 256},
        {.issuer = ca, .has_no_number = true, .this_update_s = FORGE_NOW_S - FORGE_DAY_S / 2},
    };
    struct crl *crls[4];
    for (size_t i = 0; i < 4; i++)
        crls[i] = load_good(forge_crl(*state, &plans[i]), ca);
    for (size_t i = 0; i < 4; i++) {
        for (size_t k = 0; k < 4; k++)
            assert_int_equal(crl_is_older(crls[i], crls[k]), i < k);
    }
    assert_true(crl_has_lower_number(crls[1], crls[0]) && crl_has_lower_number(crls[1], crls[2]));
    assert_false(crl_has_lower_number(crls[0], crls[1]) || crl_has_lower_number(crls[1], crls[1]));
    assert_false(crl_has_lower_number(crls[0], crls[3]) || crl_has_lower_number(crls[3], crls[0]));
    for (size_t i = 0; i < 4; i++)
        crl_unref(crls[i]);
}

static void writes_its_number(void **state)
{
    const struct forged *ca = make_ca(*state, "Root");
    const struct {
        struct forge_crl_plan plan;
        const char *text;
    } cases[] = {
        {{.number = 70000}, "70000"},
        {{.number_bytes = SLICE_LITERAL("\x00\xff\xff\xff\xff\xff\xff\xff\xff")},
         "18446744073709551615"},
        {{.number_bytes = SLICE_LITERAL("\x01\x00\x00\x00\x00\x00\x00\x00\x00")},
         "0x010000000000000000"},
        {{.has_no_number = true}, "none"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char buffer[64];
        struct text text;
        struct forge_crl_plan plan = cases[i].plan;
        plan.issuer = ca;
        struct crl *crl = load_good(forge_crl(*state, &plan), ca);
        text_init(&text, buffer, sizeof buffer);
        crl_format_number(crl, &text);
        assert_string_equal(buffer, cases[i].text);
        crl_unref(crl);
    }
}

static void a_million_entries_take_at_most_64_bytes_each(void **state)
{
    enum { COUNT = 1000000 };
    const struct forged *ca = make_ca(*state, "Root");
    struct crl *crl = load_good(
        forge_crl(*state, &(struct forge_crl_plan){.issuer = ca, .filler_count = COUNT}), ca);
    uint8_t serial[FORGE_FILLER_LEN];
    assert_int_equal(crl->count, COUNT);
    assert_true(sizeof *crl + crl->count * crl->width <= 64 * (size_t)COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        forge_filler(i, serial);
        assert_true(crl_has_serial(crl, slice_of(serial, sizeof serial)));
    }
    for (size_t i = 0; i < COUNT; i++) {
        forge_filler(COUNT + i, serial);
        assert_false(crl_has_serial(crl, slice_of(serial, sizeof serial)));
    }
    crl_unref(crl);
}

// authority_number makes the name of an issuer out of a number.
static const uint8_t *authority_number(size_t number)
{
    static uint8_t authority[CERT_DIGEST_LEN]; // until the next call
    for (size_t i = 0; i < sizeof authority; i++)
        authority[i] = (uint8_t)(number >> (8 * (i % 4)));
    return authority;
}

static void remembers_answers_by_list_and_key_and_forgets_the_oldest(void **state)
{
    enum { MANY = 10 * CRL_ANSWERS_SETS * CRL_ANSWERS_WAYS };
    const struct forged *ca = make_ca(*state, "Root");
    struct crl *one = load_good(forge_crl(*state, &(struct forge_crl_plan){.issuer = ca}), ca);
    struct crl *other = load_good(forge_crl(*state, &(struct forge_crl_plan){.issuer = ca}), ca);
    struct crl_answers *answers = crl_answers_create();
    size_t known = 0;
    bool is_signed = false;
    assert_false(crl_answers_find(answers, one, authority_number(0), &is_signed));
    for (size_t i = 0; i < MANY; i++) {
        crl_answers_add(answers, one, authority_number(i), i % 3 == 0);
        assert_true(crl_answers_find(answers, one, authority_number(i), &is_signed));
        assert_int_equal(is_signed, i % 3 == 0);
        assert_false(crl_answers_find(answers, other, authority_number(i), &is_signed));
    }
    for (size_t i = 0; i < MANY; i++) {
        if (!crl_answers_find(answers, one, authority_number(i), &is_signed))
            continue;
        assert_int_equal(is_signed, i % 3 == 0);
        known++;
    }
    assert_true(known > 0 && known <= MANY / 10);
    crl_answers_destroy(answers);
    crl_unref(one);
    crl_unref(other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workshop_create, workshop_destroy)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(finds_what_is_revoked_and_nothing_else),
        TEST(remembers_answers_by_list_and_key_and_forgets_the_oldest),
        TEST(an_empty_list_revokes_nobody),
        TEST(takes_lists_that_are_only_unusual),
        TEST(refuses_lists_that_are_not_the_whole_truth),
        TEST(refuses_every_cut_and_every_byte_behind_it),
        TEST(refuses_a_change_of_any_bit),
        TEST(the_letter_wants_version_number_and_key_id),
        TEST(an_entry_that_was_taken_back_does_not_revoke),
        TEST(a_negative_serial_names_nobody),
        TEST(only_a_ca_that_may_sign_lists_counts),
        TEST(a_list_of_an_unknown_ca_waits_for_its_key),
        TEST(only_a_large_list_with_ed25519_cannot_wait),
        TEST(a_weak_list_of_an_unknown_ca_never_counts),
        TEST(a_list_of_a_namesake_waits_and_a_damaged_one_is_refused),
        TEST(the_later_date_is_the_newer_list),
        TEST(writes_its_number),
        TEST(a_million_entries_take_at_most_64_bytes_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
