// Answers forged byte by byte.
#include "tests/unit/cert/forge_ocsp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>

#include <openssl/bytestring.h>
#include <openssl/digest.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/obj.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <time.h>

#define EXPLICIT(number)                                                                           \
    ((CBS_ASN1_TAG)(CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | (number)))

static const uint8_t ECDSA_SHA256[] = {0x30, 0x0A, 0x06, 0x08, 0x2A, 0x86,
                                       0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02};
static const uint8_t ECDSA_SHA1[] = {0x30, 0x09, 0x06, 0x07, 0x2A, 0x86,
                                     0x48, 0xCE, 0x3D, 0x04, 0x01};
static const uint8_t RSA_SHA256[] = {0x30, 0x0D, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86,
                                     0xF7, 0x0D, 0x01, 0x01, 0x0B, 0x05, 0x00};
static const uint8_t ED25519[] = {0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70};

static void add_bytes(CBB *cbb, struct slice bytes)
{
    assert_true(CBB_add_bytes(cbb, bytes.data, bytes.len) && CBB_flush(cbb));
}

static void open_tag(CBB *cbb, CBB *child, CBS_ASN1_TAG tag)
{
    assert_true(CBB_add_asn1(cbb, child, tag));
}

static struct slice name_of(X509 *cert)
{
    struct slice der = {0};
    assert_true(X509_NAME_get0_der(X509_get_subject_name(cert), &der.data, &der.len));
    return der;
}

// key_of gives the SubjectPublicKeyInfo; it lives as long as the workshop.
static struct slice key_of(struct workshop *workshop, X509 *cert)
{
    uint8_t *der = NULL;
    const int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
    assert_true(len > 0);
    const struct slice kept = forge_keep(workshop, slice_of(der, (size_t)len));
    OPENSSL_free(der);
    return kept;
}

// bits_of gives what a hash of the key is made over, without a copy.
static struct slice bits_of(X509 *cert)
{
    const ASN1_BIT_STRING *bits = X509_get0_pubkey_bitstr(cert);
    return slice_of(ASN1_STRING_get0_data(bits), (size_t)ASN1_STRING_length(bits));
}

struct ocsp_subject forge_ocsp_subject(struct workshop *workshop, const struct forged *issuer,
                                       int64_t serial)
{
    uint8_t bytes[8];
    size_t zeros = 0;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(serial >> (8 * (7 - i)));
    while (zeros < sizeof bytes && bytes[zeros] == 0)
        zeros++;
    return (struct ocsp_subject){
        .issuer_name = name_of(issuer->cert),
        .issuer_key = key_of(workshop, issuer->cert),
        .serial = forge_keep(workshop, slice_of(bytes + zeros, sizeof bytes - zeros)),
    };
}

static void add_time(CBB *cbb, int64_t time_s, const char *format, CBS_ASN1_TAG tag)
{
    const time_t time = (time_t)time_s;
    struct tm tm;
    char text[24];
    CBB child;
    assert_non_null(gmtime_r(&time, &tm));
    assert_true(strftime(text, sizeof text, format, &tm) > 0);
    open_tag(cbb, &child, tag);
    add_bytes(&child, slice_of_string(text));
    assert_true(CBB_flush(cbb));
}

static void add_date(CBB *cbb, int64_t time_s)
{
    add_time(cbb, time_s, "%Y%m%d%H%M%SZ", CBS_ASN1_GENERALIZEDTIME);
}

static void add_extension(CBB *list, const char *dotted, bool is_critical, struct slice value)
{
    CBB sequence;
    CBB oid;
    CBB octets;
    open_tag(list, &sequence, CBS_ASN1_SEQUENCE);
    open_tag(&sequence, &oid, CBS_ASN1_OBJECT);
    assert_true(CBB_add_asn1_oid_from_text(&oid, dotted, strlen(dotted)));
    if (is_critical)
        assert_true(CBB_add_asn1_bool(&sequence, 1));
    open_tag(&sequence, &octets, CBS_ASN1_OCTETSTRING);
    add_bytes(&octets, value);
    assert_true(CBB_flush(list));
}

static void add_hash(CBB *cbb, const EVP_MD *md, struct slice bytes)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    assert_true(EVP_Digest(bytes.data, bytes.len, digest, &len, md, NULL) &&
                CBB_add_asn1_octet_string(cbb, digest, len));
}

static void add_id(CBB *cbb, const struct forge_ocsp_plan *plan, int64_t serial)
{
    const EVP_MD *md = plan->hash_nid == 0 ? EVP_sha1() : EVP_get_digestbynid(plan->hash_nid);
    const struct forged *issuer = plan->id_issuer != NULL ? plan->id_issuer : plan->issuer;
    CBB id;
    CBB algorithm;
    CBB oid;
    open_tag(cbb, &id, CBS_ASN1_SEQUENCE);
    open_tag(&id, &algorithm, CBS_ASN1_SEQUENCE);
    open_tag(&algorithm, &oid, CBS_ASN1_OBJECT);
    const ASN1_OBJECT *object = OBJ_nid2obj(EVP_MD_type(md));
    add_bytes(&oid, slice_of(OBJ_get0_data(object), OBJ_length(object)));
    assert_true(CBB_flush(&id));
    add_hash(&id, md, name_of(issuer->cert));
    add_hash(&id, md, bits_of(issuer->cert));
    assert_true(CBB_add_asn1_int64(&id, serial) && CBB_flush(cbb));
}

static void add_revoked(CBB *cbb, int reason)
{
    CBB info;
    CBB tagged;
    CBB code;
    open_tag(cbb, &info, EXPLICIT(1));
    add_date(&info, FORGE_NOW_S - FORGE_DAY_S);
    if (reason != 0) {
        open_tag(&info, &tagged, EXPLICIT(0));
        open_tag(&tagged, &code, CBS_ASN1_ENUMERATED);
        assert_true(CBB_add_u8(&code, (uint8_t)reason));
    }
    assert_true(CBB_flush(cbb));
}

static void add_status(CBB *cbb, const struct forge_ocsp_plan *plan, enum ocsp_status status)
{
    CBB child;
    if (status == OCSP_REVOKED && !plan->has_wrong_status_tag) {
        add_revoked(cbb, plan->reason);
        return;
    }
    const unsigned tag = plan->has_wrong_status_tag ? 5 : status == OCSP_GOOD ? 0 : 2;
    open_tag(cbb, &child, CBS_ASN1_CONTEXT_SPECIFIC | tag);
    assert_true(CBB_flush(cbb));
}

static void add_single_extensions(CBB *cbb, const struct forge_ocsp_plan *plan, bool is_critical)
{
    CBB tagged;
    CBB list;
    if (!is_critical && !plan->has_archive_cutoff && !plan->has_soft_extension)
        return;
    open_tag(cbb, &tagged, EXPLICIT(1));
    open_tag(&tagged, &list, CBS_ASN1_SEQUENCE);
    if (is_critical)
        add_extension(&list, "1.2.3.4", true, SLICE_LITERAL("\x05\x00"));
    if (plan->has_archive_cutoff)
        add_extension(&list, "1.3.6.1.5.5.7.48.1.6", true,
                      SLICE_LITERAL("\x18\x0f"
                                    "20200101000000Z"));
    if (plan->has_soft_extension)
        add_extension(&list, "1.2.3.5", false, SLICE_LITERAL("\x05\x00"));
    assert_true(CBB_flush(cbb));
}

static int64_t this_update_of(const struct forge_ocsp_plan *plan)
{
    return plan->this_update_s != 0 ? plan->this_update_s : FORGE_NOW_S - 3600;
}

static void add_single(CBB *list, const struct forge_ocsp_plan *plan, int64_t serial,
                       enum ocsp_status status)
{
    const bool is_it = serial == plan->serial;
    const int64_t this_update_s = this_update_of(plan);
    CBB single;
    CBB tagged;
    open_tag(list, &single, CBS_ASN1_SEQUENCE);
    add_id(&single, plan, serial);
    add_status(&single, plan, status);
    if (plan->is_utc_time)
        add_time(&single, this_update_s, "%y%m%d%H%M%SZ", CBS_ASN1_UTCTIME);
    else if (plan->has_fraction)
        add_time(&single, this_update_s, "%Y%m%d%H%M%S.5Z", CBS_ASN1_GENERALIZEDTIME);
    else
        add_date(&single, this_update_s);
    if (!plan->has_no_next_update) {
        open_tag(&single, &tagged, EXPLICIT(0));
        add_date(&tagged, plan->next_update_s != 0 ? plan->next_update_s : FORGE_NOW_S + 3600);
        assert_true(CBB_flush(&single));
    }
    add_single_extensions(&single, plan,
                          is_it ? plan->has_critical_single : plan->has_critical_other);
    assert_true(CBB_flush(list));
}

static void add_responder(CBB *data, const struct forged *named, bool is_by_key)
{
    CBB tagged;
    open_tag(data, &tagged, EXPLICIT(is_by_key ? 2 : 1));
    if (is_by_key)
        add_hash(&tagged, EVP_sha1(), bits_of(named->cert));
    else
        add_bytes(&tagged, name_of(named->cert));
    assert_true(CBB_flush(data));
}

static void add_nonce(CBB *list, struct slice nonce)
{
    uint8_t value[OCSP_NONCE_MAX_LEN + 2] = {0x04, (uint8_t)nonce.len};
    assert_true(bytes_copy(value + 2, OCSP_NONCE_MAX_LEN, nonce));
    add_extension(list, "1.3.6.1.5.5.7.48.1.2", false, slice_of(value, nonce.len + 2));
}

static void add_response_extensions(CBB *data, const struct forge_ocsp_plan *plan)
{
    CBB tagged;
    CBB list;
    if (plan->nonce.len == 0 && !plan->has_unknown_critical)
        return;
    open_tag(data, &tagged, EXPLICIT(1));
    open_tag(&tagged, &list, CBS_ASN1_SEQUENCE);
    if (plan->nonce.len != 0)
        add_nonce(&list, plan->nonce);
    if (plan->has_nonce_twice)
        add_nonce(&list, plan->nonce);
    if (plan->has_unknown_critical)
        add_extension(&list, "1.2.3.4", true, SLICE_LITERAL("\x05\x00"));
    assert_true(CBB_flush(data));
}

// make_data makes ResponseData.
static struct slice make_data(struct workshop *workshop, const struct forge_ocsp_plan *plan,
                              const struct forged *named)
{
    CBB cbb;
    CBB data;
    CBB tagged;
    CBB list;
    uint8_t *der = NULL;
    size_t len = 0;
    assert_true(CBB_init(&cbb, 1024));
    open_tag(&cbb, &data, CBS_ASN1_SEQUENCE);
    if (plan->is_version_2 || plan->has_written_version) {
        open_tag(&data, &tagged, EXPLICIT(0));
        assert_true(CBB_add_asn1_uint64(&tagged, plan->is_version_2) && CBB_flush(&data));
    }
    add_responder(&data, named, plan->is_by_key);
    add_date(&data, plan->produced_s != 0 ? plan->produced_s : this_update_of(plan));
    open_tag(&data, &list, CBS_ASN1_SEQUENCE);
    for (size_t i = 0; i < plan->filler_count; i++)
        add_single(&list, plan, 500000 + (int64_t)i, OCSP_GOOD);
    for (size_t i = 0; i < 4 && plan->other_serials[i] != 0; i++)
        add_single(&list, plan, plan->other_serials[i], OCSP_GOOD);
    if (!plan->is_empty)
        add_single(&list, plan, plan->serial, plan->status);
    if (plan->has_second)
        add_single(&list, plan, plan->serial, plan->second_status);
    assert_true(CBB_flush(&data));
    add_response_extensions(&data, plan);
    assert_true(CBB_finish(&cbb, &der, &len));
    const struct slice kept = forge_keep(workshop, slice_of(der, len));
    OPENSSL_free(der);
    return kept;
}

static struct slice algorithm_of(const struct forged *signer, bool is_sha1)
{
    const int type = EVP_PKEY_id(signer->key);
    if (type == EVP_PKEY_RSA)
        return slice_of(RSA_SHA256, sizeof RSA_SHA256);
    if (type == EVP_PKEY_ED25519)
        return slice_of(ED25519, sizeof ED25519);
    return is_sha1 ? slice_of(ECDSA_SHA1, sizeof ECDSA_SHA1)
                   : slice_of(ECDSA_SHA256, sizeof ECDSA_SHA256);
}

static void add_signature(CBB *basic, struct slice data, const struct forged *signer,
                          const struct forge_ocsp_plan *plan)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint8_t bytes[1024];
    size_t len = sizeof bytes;
    CBB bits;
    const EVP_MD *md = EVP_PKEY_id(signer->key) == EVP_PKEY_ED25519 ? NULL
                       : plan->is_sha1                              ? EVP_sha1()
                                                                    : EVP_sha256();
    assert_true(EVP_DigestSignInit(ctx, NULL, md, NULL, signer->key));
    assert_true(EVP_DigestSign(ctx, bytes, &len, data.data, data.len));
    EVP_MD_CTX_free(ctx);
    bytes[len - 1] ^= plan->has_broken_signature ? 1 : 0;
    open_tag(basic, &bits, CBS_ASN1_BITSTRING);
    assert_true(CBB_add_u8(&bits, 0));
    add_bytes(&bits, slice_of(bytes, len));
    assert_true(CBB_flush(basic));
}

static void add_certs(CBB *basic, const struct forge_ocsp_plan *plan)
{
    CBB tagged;
    CBB list;
    if (plan->certs[0] == NULL && !plan->has_bad_cert)
        return;
    open_tag(basic, &tagged, EXPLICIT(0));
    open_tag(&tagged, &list, CBS_ASN1_SEQUENCE);
    if (plan->has_bad_cert)
        add_bytes(&list, SLICE_LITERAL("\x30\x03\x02\x01\x01"));
    for (size_t i = 0; plan->certs[i] != NULL; i++) {
        uint8_t *der = NULL;
        const int len = i2d_X509(plan->certs[i]->cert, &der);
        assert_true(len > 0);
        add_bytes(&list, slice_of(der, (size_t)len));
        OPENSSL_free(der);
    }
    assert_true(CBB_flush(basic));
}

static void add_basic(CBB *bytes, struct workshop *workshop, const struct forge_ocsp_plan *plan)
{
    const struct forged *signer = plan->signer != NULL ? plan->signer : plan->issuer;
    const struct slice data = make_data(workshop, plan, plan->named != NULL ? plan->named : signer);
    CBB octets;
    CBB basic;
    open_tag(bytes, &octets, CBS_ASN1_OCTETSTRING);
    open_tag(&octets, &basic, CBS_ASN1_SEQUENCE);
    add_bytes(&basic, data);
    add_bytes(&basic, algorithm_of(signer, plan->is_sha1));
    add_signature(&basic, data, signer, plan);
    add_certs(&basic, plan);
    assert_true(CBB_flush(&octets));
    if (plan->has_inner_tail)
        assert_true(CBB_add_u8(&octets, 0));
    assert_true(CBB_flush(bytes));
}

struct slice forge_ocsp(struct workshop *workshop, const struct forge_ocsp_plan *plan)
{
    const char *type = plan->is_other_type ? "1.3.6.1.5.5.7.48.1.99" : "1.3.6.1.5.5.7.48.1.1";
    CBB cbb;
    CBB response;
    CBB status;
    CBB tagged;
    CBB bytes;
    CBB oid;
    uint8_t *der = NULL;
    size_t len = 0;
    assert_true(CBB_init(&cbb, 1024));
    open_tag(&cbb, &response, CBS_ASN1_SEQUENCE);
    open_tag(&response, &status, CBS_ASN1_ENUMERATED);
    assert_true(CBB_add_u8(&status, (uint8_t)plan->response_status) && CBB_flush(&response));
    if (!plan->has_no_bytes) {
        open_tag(&response, &tagged, EXPLICIT(0));
        open_tag(&tagged, &bytes, CBS_ASN1_SEQUENCE);
        open_tag(&bytes, &oid, CBS_ASN1_OBJECT);
        assert_true(CBB_add_asn1_oid_from_text(&oid, type, strlen(type)) && CBB_flush(&bytes));
        add_basic(&bytes, workshop, plan);
    }
    assert_true(CBB_flush(&cbb));
    if (plan->has_tail)
        assert_true(CBB_add_u8(&cbb, 0));
    assert_true(CBB_finish(&cbb, &der, &len));
    const struct slice kept = forge_keep(workshop, slice_of(der, len));
    OPENSSL_free(der);
    return kept;
}
