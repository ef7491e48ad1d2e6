// Lists forged byte by byte, so that a million entries take no time.
#include "tests/unit/cert/forge_crl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>

#include <openssl/bio.h>
#include <openssl/bytestring.h>
#include <openssl/digest.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <time.h>

static const uint8_t ECDSA_SHA256[] = {0x30, 0x0A, 0x06, 0x08, 0x2A, 0x86,
                                       0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02};
static const uint8_t ED25519[] = {0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70};
static const uint8_t RSA_SHA256[] = {0x30, 0x0D, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86,
                                     0xF7, 0x0D, 0x01, 0x01, 0x0B, 0x05, 0x00};
static const uint8_t ECDSA_SHA1[] = {0x30, 0x09, 0x06, 0x07, 0x2A, 0x86,
                                     0x48, 0xCE, 0x3D, 0x04, 0x01};

static void add_bytes(CBB *cbb, struct slice bytes)
{
    assert_true(CBB_add_bytes(cbb, bytes.data, bytes.len));
}

static void add_time(CBB *cbb, int64_t time_s)
{
    const time_t time = (time_t)time_s;
    struct tm tm;
    char text[20];
    CBB child;
    assert_non_null(gmtime_r(&time, &tm));
    assert_int_equal(strftime(text, sizeof text, "%y%m%d%H%M%SZ", &tm), 13);
    assert_true(CBB_add_asn1(cbb, &child, CBS_ASN1_UTCTIME));
    add_bytes(&child, slice_of_string(text));
    assert_true(CBB_flush(cbb));
}

// add_extension adds 2.5.29.`id` with the given DER inside.
static void add_extension(CBB *list, uint8_t id, bool is_critical, struct slice value)
{
    CBB sequence;
    CBB oid;
    CBB octets;
    const uint8_t bytes[] = {0x55, 0x1D, id};
    assert_true(CBB_add_asn1(list, &sequence, CBS_ASN1_SEQUENCE));
    assert_true(CBB_add_asn1(&sequence, &oid, CBS_ASN1_OBJECT));
    add_bytes(&oid, slice_of(bytes, sizeof bytes));
    if (is_critical)
        assert_true(CBB_add_asn1_bool(&sequence, 1));
    assert_true(CBB_add_asn1(&sequence, &octets, CBS_ASN1_OCTETSTRING));
    add_bytes(&octets, value);
    assert_true(CBB_flush(list));
}

static void add_entry_extensions(CBB *entry, const struct forge_crl_plan *plan)
{
    const uint8_t reason[] = {0x0A, 0x01, (uint8_t)plan->reason};
    CBB list;
    if (plan->reason == 0 && !plan->has_entry_issuer && !plan->has_critical_in_entry)
        return;
    assert_true(CBB_add_asn1(entry, &list, CBS_ASN1_SEQUENCE));
    if (plan->reason != 0)
        add_extension(&list, 21, false, slice_of(reason, sizeof reason));
    if (plan->has_entry_issuer)
        add_extension(&list, 29, true, SLICE_LITERAL("\x30\x02\xa4\x00"));
    if (plan->has_critical_in_entry)
        add_extension(&list, 99, true, SLICE_LITERAL("\x05\x00"));
    assert_true(CBB_flush(entry));
}

static void add_entry(CBB *entries, struct slice serial, const struct forge_crl_plan *plan)
{
    CBB entry;
    CBB integer;
    assert_true(CBB_add_asn1(entries, &entry, CBS_ASN1_SEQUENCE));
    assert_true(CBB_add_asn1(&entry, &integer, CBS_ASN1_INTEGER));
    add_bytes(&integer, serial);
    add_bytes(&entry, SLICE_LITERAL("\x17\x0d"
                                    "250101000000Z"));
    add_entry_extensions(&entry, plan);
    assert_true(CBB_flush(entries));
}

void forge_filler(size_t index, uint8_t out[FORGE_FILLER_LEN])
{
    uint64_t mixed = (index + 1) * UINT64_C(0x9E3779B97F4A7C15); // odd: no two are equal
    for (size_t i = 0; i < FORGE_FILLER_LEN; i++)
        out[i] = (uint8_t)(mixed >> (8 * (i % 8)));
    out[0] = 0x5A; // positive, and no zero in front
    out[8] = (uint8_t)mixed;
}

static void add_entries(CBB *tbs, const struct forge_crl_plan *plan)
{
    CBB entries;
    if (plan->serials[0] == 0 && plan->serial_der.len == 0 && plan->filler_count == 0)
        return;
    assert_true(CBB_add_asn1(tbs, &entries, CBS_ASN1_SEQUENCE));
    for (size_t i = 0; i < FORGE_MAX_SERIALS && plan->serials[i] != 0; i++) {
        CBB number;
        CBS content;
        uint8_t buffer[16];
        size_t len = 0;
        assert_true(CBB_init_fixed(&number, buffer, sizeof buffer));
        assert_true(CBB_add_asn1_int64(&number, plan->serials[i]));
        assert_true(CBB_finish(&number, NULL, &len));
        CBS_init(&content, buffer + 2, len - 2);
        add_entry(&entries, slice_of(CBS_data(&content), CBS_len(&content)), plan);
    }
    if (plan->serial_der.len != 0)
        add_entry(&entries, plan->serial_der, plan);
    for (size_t i = 0; i < plan->filler_count; i++) {
        uint8_t serial[FORGE_FILLER_LEN];
        forge_filler(i, serial);
        add_entry(&entries, slice_of(serial, sizeof serial), plan);
    }
    assert_true(CBB_flush(tbs));
}

static void add_number(CBB *list, const struct forge_crl_plan *plan)
{
    uint8_t buffer[64];
    size_t len = 0;
    CBB number;
    CBB integer;
    if (plan->has_no_number)
        return;
    assert_true(CBB_init_fixed(&number, buffer, sizeof buffer));
    if (plan->number_bytes.len != 0) {
        assert_true(CBB_add_asn1(&number, &integer, CBS_ASN1_INTEGER));
        add_bytes(&integer, plan->number_bytes);
    } else {
        assert_true(CBB_add_asn1_int64(&number, plan->number == 0 ? 1 : plan->number));
    }
    assert_true(CBB_finish(&number, NULL, &len));
    add_extension(list, 20, plan->has_critical_number, slice_of(buffer, len));
    if (plan->has_number_twice)
        add_extension(list, 20, plan->has_critical_number, slice_of(buffer, len));
}

// add_flag adds one of the BOOLEANs of an IssuingDistributionPoint.
static void add_flag(CBB *list, unsigned number, bool is_set)
{
    CBB flag;
    if (is_set)
        assert_true(CBB_add_asn1(list, &flag, CBS_ASN1_CONTEXT_SPECIFIC | number) &&
                    CBB_add_u8(&flag, 0xFF) && CBB_flush(list));
}

// add_point adds the IssuingDistributionPoint of a plan that has one.
static void add_point(CBB *list, const struct forge_crl_plan *plan)
{
    uint8_t *der = NULL;
    size_t len = 0;
    CBB cbb;
    CBB point;
    CBB name;
    CBB full;
    CBB uri;
    if (plan->points[0] == NULL && !plan->is_for_leaves && !plan->is_for_cas)
        return;
    assert_true(CBB_init(&cbb, 256) && CBB_add_asn1(&cbb, &point, CBS_ASN1_SEQUENCE));
    if (plan->points[0] != NULL)
        assert_true(
            CBB_add_asn1(&point, &name, CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 0) &&
            CBB_add_asn1(&name, &full, CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 0));
    for (size_t i = 0; i < FORGE_MAX_NAMES && plan->points[i] != NULL; i++) {
        assert_true(CBB_add_asn1(&full, &uri, CBS_ASN1_CONTEXT_SPECIFIC | 6));
        add_bytes(&uri, slice_of_string(plan->points[i]));
        assert_true(CBB_flush(&full));
    }
    assert_true(CBB_flush(&point));
    add_flag(&point, 1, plan->is_for_leaves);
    add_flag(&point, 2, plan->is_for_cas);
    assert_true(CBB_finish(&cbb, &der, &len));
    add_extension(list, 28, true, slice_of(der, len));
    OPENSSL_free(der);
}

static void add_scope(CBB *list, const struct forge_crl_plan *plan)
{
    if (plan->is_delta)
        add_extension(list, 27, true, SLICE_LITERAL("\x02\x01\x01"));
    if (plan->has_directory_point)
        add_extension(list, 28, true, SLICE_LITERAL("\x30\x08\xa0\x06\xa0\x04\xa4\x02\x30\x00"));
    add_point(list, plan);
    if (plan->is_for_some_reasons)
        add_extension(list, 28, true, SLICE_LITERAL("\x30\x04\x83\x02\x06\x40"));
    if (plan->is_indirect)
        add_extension(list, 28, true, SLICE_LITERAL("\x30\x03\x84\x01\xff"));
    if (plan->is_for_attributes)
        add_extension(list, 28, true, SLICE_LITERAL("\x30\x03\x85\x01\xff"));
    if (plan->has_unknown_critical)
        add_extension(list, 99, true, SLICE_LITERAL("\x05\x00"));
    if (plan->has_unknown_soft)
        add_extension(list, 98, false, SLICE_LITERAL("\x05\x00"));
}

// add_key_id adds the signer's key identifier, or one of nobody.
static void add_key_id(CBB *list, const struct forge_crl_plan *plan)
{
    uint8_t buffer[64];
    size_t len = 0;
    CBB value;
    CBB sequence;
    CBB id;
    const ASN1_OCTET_STRING *key_id = X509_get0_subject_key_id(plan->issuer->cert);
    if (plan->has_no_key_id)
        return;
    assert_true(CBB_init_fixed(&value, buffer, sizeof buffer) &&
                CBB_add_asn1(&value, &sequence, CBS_ASN1_SEQUENCE) &&
                CBB_add_asn1(&sequence, &id, CBS_ASN1_CONTEXT_SPECIFIC | 0));
    if (plan->has_other_key_id || key_id == NULL)
        add_bytes(&id, SLICE_LITERAL("\x07"));
    else
        add_bytes(&id, slice_of(ASN1_STRING_get0_data(key_id), (size_t)ASN1_STRING_length(key_id)));
    assert_true(CBB_finish(&value, NULL, &len));
    add_extension(list, 35, false, slice_of(buffer, len));
}

static void add_extensions(CBB *tbs, const struct forge_crl_plan *plan)
{
    CBB outer;
    CBB list;
    if (plan->is_v1)
        return;
    assert_true(CBB_add_asn1(tbs, &outer, CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 0));
    assert_true(CBB_add_asn1(&outer, &list, CBS_ASN1_SEQUENCE));
    add_number(&list, plan);
    add_key_id(&list, plan);
    add_scope(&list, plan);
    assert_true(CBB_flush(tbs));
}

static void add_tbs(CBB *cbb, const struct forge_crl_plan *plan, struct slice algorithm)
{
    const struct forged *named = plan->named == NULL ? plan->issuer : plan->named;
    struct slice name = {0};
    CBB tbs;
    assert_true(X509_NAME_get0_der(X509_get_subject_name(named->cert), &name.data, &name.len));
    assert_true(CBB_add_asn1(cbb, &tbs, CBS_ASN1_SEQUENCE));
    if (!plan->is_v1)
        assert_true(CBB_add_asn1_uint64(&tbs, 1));
    add_bytes(&tbs, plan->has_other_inner_algorithm ? slice_of(ECDSA_SHA1, sizeof ECDSA_SHA1)
                                                    : algorithm);
    add_bytes(&tbs, name);
    add_time(&tbs, plan->this_update_s == 0 ? FORGE_NOW_S - FORGE_DAY_S : plan->this_update_s);
    if (!plan->has_no_next_update)
        add_time(&tbs, plan->next_update_s == 0 ? FORGE_NOW_S + FORGE_DAY_S : plan->next_update_s);
    add_entries(&tbs, plan);
    add_extensions(&tbs, plan);
    assert_true(CBB_flush(cbb));
}

struct slice forge_crl(struct workshop *workshop, const struct forge_crl_plan *plan)
{
    const int kind = EVP_PKEY_id(plan->issuer->key);
    const struct slice algorithm = kind == EVP_PKEY_ED25519 ? slice_of(ED25519, sizeof ED25519)
                                   : kind == EVP_PKEY_RSA ? slice_of(RSA_SHA256, sizeof RSA_SHA256)
                                   : plan->is_sha1        ? slice_of(ECDSA_SHA1, sizeof ECDSA_SHA1)
                                                   : slice_of(ECDSA_SHA256, sizeof ECDSA_SHA256);
    const EVP_MD *digest = kind == EVP_PKEY_ED25519 ? NULL
                           : plan->is_sha1          ? EVP_sha1()
                                                    : EVP_sha256();
    uint8_t *tbs = NULL;
    uint8_t *der = NULL;
    size_t tbs_len = 0;
    size_t der_len = 0;
    uint8_t signature[512];
    size_t signature_len = sizeof signature;
    CBB cbb;
    CBB list;
    CBB bits;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_true(CBB_init(&cbb, 1024));
    add_tbs(&cbb, plan, algorithm);
    assert_true(CBB_finish(&cbb, &tbs, &tbs_len));
    assert_true(EVP_DigestSignInit(ctx, NULL, digest, NULL, plan->issuer->key));
    assert_true(EVP_DigestSign(ctx, signature, &signature_len, tbs, tbs_len));
    EVP_MD_CTX_free(ctx);
    signature[signature_len - 1] ^= plan->has_broken_signature;
    assert_true(CBB_init(&cbb, tbs_len + 1024) && CBB_add_asn1(&cbb, &list, CBS_ASN1_SEQUENCE));
    add_bytes(&list, slice_of(tbs, tbs_len));
    add_bytes(&list, algorithm);
    assert_true(CBB_add_asn1(&list, &bits, CBS_ASN1_BITSTRING) && CBB_add_u8(&bits, 0));
    add_bytes(&bits, slice_of(signature, signature_len));
    assert_true(CBB_finish(&cbb, &der, &der_len));
    const struct slice kept = forge_keep(workshop, slice_of(der, der_len));
    OPENSSL_free(tbs);
    OPENSSL_free(der);
    return kept;
}

struct slice forge_crl_pem(struct workshop *workshop, struct slice der)
{
    BIO *bio = BIO_new(BIO_s_mem());
    const uint8_t *data = NULL;
    size_t len = 0;
    assert_true(PEM_write_bio(bio, "X509 CRL", "", der.data, (long)der.len));
    assert_true(BIO_mem_contents(bio, &data, &len));
    const struct slice kept = forge_keep(workshop, slice_of(data, len));
    BIO_free(bio);
    return kept;
}
