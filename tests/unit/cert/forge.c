// Certificates forged with the library's own tools, field by field.
#include "tests/unit/cert/forge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
// cmocka wants the four above first
#include <cmocka.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/obj.h>
#include <openssl/pem.h>
#include <openssl/pool.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "auth/ipaddr.h"

enum { WORKSHOP_MAX = 256 };

struct workshop {
    struct forged certs[WORKSHOP_MAX];
    size_t cert_count;
    BIO *pems[WORKSHOP_MAX];
    size_t pem_count;
    STACK_OF(CRYPTO_BUFFER) *chains[WORKSHOP_MAX];
    size_t chain_count;
    struct trust *trusts[WORKSHOP_MAX];
    size_t trust_count;
};

int workshop_create(void **state)
{
    *state = calloc(1, sizeof(struct workshop));
    return *state == NULL;
}

int workshop_destroy(void **state)
{
    struct workshop *workshop = *state;
    for (size_t i = 0; i < workshop->cert_count; i++) {
        X509_free(workshop->certs[i].cert);
        EVP_PKEY_free(workshop->certs[i].key);
    }
    for (size_t i = 0; i < workshop->pem_count; i++)
        BIO_free(workshop->pems[i]);
    for (size_t i = 0; i < workshop->chain_count; i++)
        sk_CRYPTO_BUFFER_pop_free(workshop->chains[i], CRYPTO_BUFFER_free);
    for (size_t i = 0; i < workshop->trust_count; i++)
        trust_destroy(workshop->trusts[i]);
    free(workshop);
    return 0;
}

static EVP_PKEY *make_rsa(unsigned bits)
{
    RSA *rsa = RSA_new();
    BIGNUM *exponent = BN_new();
    EVP_PKEY *key = EVP_PKEY_new();
    assert_true(BN_set_word(exponent, RSA_F4));
    assert_true(RSA_generate_key_ex(rsa, (int)bits, exponent, NULL));
    assert_true(EVP_PKEY_assign_RSA(key, rsa));
    BN_free(exponent);
    return key;
}

static EVP_PKEY *make_ec(int curve)
{
    EC_KEY *ec = EC_KEY_new_by_curve_name(curve);
    EVP_PKEY *key = EVP_PKEY_new();
    assert_true(EC_KEY_generate_key(ec) && EVP_PKEY_assign_EC_KEY(key, ec));
    return key;
}

static EVP_PKEY *make_key(enum forge_key kind)
{
    static const uint8_t seed[32] = {7};
    switch (kind) {
    case FORGE_P256:
        return make_ec(NID_X9_62_prime256v1);
    case FORGE_P224:
        return make_ec(NID_secp224r1);
    case FORGE_P521:
        return make_ec(NID_secp521r1);
    case FORGE_ED25519:
        return EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof seed);
    case FORGE_RSA_1024:
        return make_rsa(1024);
    case FORGE_RSA_2048:
        return make_rsa(2048);
    }
    return NULL;
}

static X509_NAME *make_name(const struct forge_plan *plan)
{
    if (plan->subject_der.data != NULL) {
        const uint8_t *at = plan->subject_der.data;
        return d2i_X509_NAME(NULL, &at, (long)plan->subject_der.len);
    }
    X509_NAME *name = X509_NAME_new();
    const struct {
        int nid;
        const char *value;
    } parts[] = {{NID_organizationName, plan->o},
                 {NID_commonName, plan->cn},
                 {NID_commonName, plan->second_cn}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].value != NULL)
            assert_true(X509_NAME_add_entry_by_NID(name, parts[i].nid, MBSTRING_UTF8,
                                                   (const uint8_t *)parts[i].value, -1, -1, 0));
    }
    return name;
}

static void add_raw(X509 *cert, int nid, bool is_critical, struct slice value)
{
    ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
    assert_true(ASN1_OCTET_STRING_set(octets, value.data, (int)value.len));
    X509_EXTENSION *extension = X509_EXTENSION_create_by_NID(NULL, nid, is_critical, octets);
    assert_non_null(extension);
    assert_true(X509_add_ext(cert, extension, -1));
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(octets);
}

static void add_basic_constraints(X509 *cert, const struct forge_plan *plan)
{
    if (plan->has_no_basic_constraints)
        return;
    BASIC_CONSTRAINTS *constraints = BASIC_CONSTRAINTS_new();
    constraints->ca = plan->is_ca ? ASN1_BOOLEAN_TRUE : ASN1_BOOLEAN_FALSE;
    if (plan->has_pathlen) {
        constraints->pathlen = ASN1_INTEGER_new();
        assert_true(ASN1_INTEGER_set_int64(constraints->pathlen, plan->pathlen));
    }
    assert_true(X509_add1_ext_i2d(cert, NID_basic_constraints, constraints,
                                  !plan->has_soft_basic_constraints, X509V3_ADD_DEFAULT));
    BASIC_CONSTRAINTS_free(constraints);
}

static void add_usages(X509 *cert, const struct forge_plan *plan)
{
    enum { DIGITAL_SIGNATURE = 1 << 0, KEY_CERT_SIGN = 1 << 5, CRL_SIGN = 1 << 6 };
    const int standard = plan->is_ca ? KEY_CERT_SIGN | CRL_SIGN : DIGITAL_SIGNATURE;
    const int bits = plan->key_usage != 0 ? plan->key_usage : standard;
    if (!plan->has_no_key_usage) {
        ASN1_BIT_STRING *usage = ASN1_BIT_STRING_new();
        for (int i = 0; i < 9; i++) {
            if ((bits & (1 << i)) != 0)
                assert_true(ASN1_BIT_STRING_set_bit(usage, i, 1));
        }
        assert_true(X509_add1_ext_i2d(cert, NID_key_usage, usage, 1, X509V3_ADD_DEFAULT));
        ASN1_BIT_STRING_free(usage);
    }
    const int purpose =
        plan->purpose_nid == 0 && !plan->is_ca ? NID_client_auth : plan->purpose_nid;
    if (plan->has_no_purpose || purpose == 0)
        return;
    EXTENDED_KEY_USAGE *purposes = sk_ASN1_OBJECT_new_null();
    assert_true(sk_ASN1_OBJECT_push(purposes, OBJ_nid2obj(purpose)) != 0);
    assert_true(X509_add1_ext_i2d(cert, NID_ext_key_usage, purposes, 0, X509V3_ADD_DEFAULT));
    sk_ASN1_OBJECT_free(purposes);
}

static GENERAL_NAME *make_general_name(const char *text)
{
    static const struct {
        const char *prefix;
        int type;
    } kinds[] = {{"dns:", GEN_DNS}, {"uri:", GEN_URI}, {"email:", GEN_EMAIL}, {"ip4:", GEN_IPADD}};
    const struct slice all = slice_of_string(text);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const struct slice prefix = slice_of_string(kinds[i].prefix);
        if (!slice_starts_with(all, prefix))
            continue;
        struct slice value = slice_from(all, prefix.len);
        struct ip_addr addr;
        if (kinds[i].type == GEN_IPADD) {
            assert_int_equal(ip_addr_parse(value, &addr), ERR_OK);
            value = slice_of(addr.bytes, 4);
        }
        GENERAL_NAME *name = GENERAL_NAME_new();
        ASN1_STRING *string = ASN1_STRING_type_new(kinds[i].type == GEN_IPADD ? V_ASN1_OCTET_STRING
                                                                              : V_ASN1_IA5STRING);
        assert_true(ASN1_STRING_set(string, value.data, (ossl_ssize_t)value.len));
        GENERAL_NAME_set0_value(name, kinds[i].type, string);
        return name;
    }
    fail_msg("no general name: %s", text);
    return NULL;
}

static void add_sans(X509 *cert, const struct forge_plan *plan)
{
    if (plan->san_der.data != NULL) {
        add_raw(cert, NID_subject_alt_name, false, plan->san_der);
        if (plan->has_san_twice)
            add_raw(cert, NID_subject_alt_name, false, plan->san_der);
        return;
    }
    if (plan->sans[0] == NULL)
        return;
    GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
    for (size_t i = 0; i < FORGE_MAX_NAMES && plan->sans[i] != NULL; i++)
        assert_true(sk_GENERAL_NAME_push(names, make_general_name(plan->sans[i])) != 0);
    assert_true(X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT));
    sk_GENERAL_NAME_pop_free(names, GENERAL_NAME_free);
}

static STACK_OF(GENERAL_SUBTREE) *make_subtrees(const char *const *texts)
{
    if (texts[0] == NULL)
        return NULL;
    STACK_OF(GENERAL_SUBTREE) *subtrees = sk_GENERAL_SUBTREE_new_null();
    for (size_t i = 0; i < FORGE_MAX_NAMES && texts[i] != NULL; i++) {
        GENERAL_SUBTREE *subtree = GENERAL_SUBTREE_new();
        GENERAL_NAME_free(subtree->base);
        subtree->base = make_general_name(texts[i]);
        assert_true(sk_GENERAL_SUBTREE_push(subtrees, subtree) != 0);
    }
    return subtrees;
}

static void add_name_constraints(X509 *cert, const struct forge_plan *plan)
{
    if (plan->permitted[0] == NULL && plan->excluded[0] == NULL)
        return;
    NAME_CONSTRAINTS *constraints = NAME_CONSTRAINTS_new();
    constraints->permittedSubtrees = make_subtrees(plan->permitted);
    constraints->excludedSubtrees = make_subtrees(plan->excluded);
    assert_true(X509_add1_ext_i2d(cert, NID_name_constraints, constraints, 1, X509V3_ADD_DEFAULT));
    NAME_CONSTRAINTS_free(constraints);
}

static ASN1_OCTET_STRING *make_key_id(X509 *cert)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    ASN1_OCTET_STRING *id = ASN1_OCTET_STRING_new();
    assert_true(X509_pubkey_digest(cert, EVP_sha256(), digest, &len));
    assert_true(ASN1_OCTET_STRING_set(id, digest, (int)len));
    return id;
}

static void add_key_ids(X509 *cert, const struct forge_plan *plan)
{
    if (plan->has_no_key_ids)
        return;
    X509 *issuer = plan->issuer == NULL ? cert : plan->issuer->cert;
    ASN1_OCTET_STRING *own_id = make_key_id(cert);
    AUTHORITY_KEYID *authority = AUTHORITY_KEYID_new();
    authority->keyid = make_key_id(issuer);
    if (plan->has_issuer_in_key_id) {
        GENERAL_NAME *name = GENERAL_NAME_new();
        GENERAL_NAME_set0_value(name, GEN_DIRNAME, X509_NAME_dup(X509_get_issuer_name(issuer)));
        authority->issuer = sk_GENERAL_NAME_new_null();
        assert_true(sk_GENERAL_NAME_push(authority->issuer, name) != 0);
        authority->serial = ASN1_INTEGER_dup(X509_get0_serialNumber(issuer));
    }
    assert_true(X509_add1_ext_i2d(cert, NID_subject_key_identifier, own_id, 0, X509V3_ADD_DEFAULT));
    assert_true(
        X509_add1_ext_i2d(cert, NID_authority_key_identifier, authority, 0, X509V3_ADD_DEFAULT));
    AUTHORITY_KEYID_free(authority);
    ASN1_OCTET_STRING_free(own_id);
}

// ECParameters of P-256 written out (SEC 1, C.2), with one bit of the prime changed, so that the
// field is none (CVE-2022-0778).
static const uint8_t EXPLICIT_CURVE[] = {
    0x30, 0x81, 0xf7, 0x02, 0x01, 0x01, 0x30, 0x2c, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x01,
    0x01, 0x02, 0x21, 0x00, 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xfd, 0x30, 0x5b, 0x04, 0x20, 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x01,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfc, 0x04, 0x20, 0x5a, 0xc6, 0x35, 0xd8, 0xaa, 0x3a,
    0x93, 0xe7, 0xb3, 0xeb, 0xbd, 0x55, 0x76, 0x98, 0x86, 0xbc, 0x65, 0x1d, 0x06, 0xb0, 0xcc, 0x53,
    0xb0, 0xf6, 0x3b, 0xce, 0x3c, 0x3e, 0x27, 0xd2, 0x60, 0x4b, 0x03, 0x15, 0x00, 0xc4, 0x9d, 0x36,
    0x08, 0x86, 0xe7, 0x04, 0x93, 0x6a, 0x66, 0x78, 0xe1, 0x13, 0x9d, 0x26, 0xb7, 0x81, 0x9f, 0x7e,
    0x90, 0x04, 0x41, 0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5,
    0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45,
    0xd8, 0x98, 0xc2, 0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a,
    0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68,
    0x37, 0xbf, 0x51, 0xf5, 0x02, 0x21, 0x00, 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3,
    0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51, 0x02, 0x01, 0x01,
};

static void set_explicit_curve(X509 *cert)
{
    X509_PUBKEY *pubkey = X509_get_X509_PUBKEY(cert);
    const ASN1_BIT_STRING *point = X509_PUBKEY_get0_public_key(pubkey);
    const int len = ASN1_STRING_length(point);
    uint8_t *copy = OPENSSL_memdup(ASN1_STRING_get0_data(point), (size_t)len);
    ASN1_STRING *curve = ASN1_STRING_type_new(V_ASN1_SEQUENCE);
    assert_true(ASN1_STRING_set(curve, EXPLICIT_CURVE, sizeof EXPLICIT_CURVE));
    assert_true(X509_PUBKEY_set0_param(pubkey, OBJ_nid2obj(NID_X9_62_id_ecPublicKey),
                                       V_ASN1_SEQUENCE, curve, copy, len));
}

static void set_fields(X509 *cert, const struct forge_plan *plan, int64_t serial, EVP_PKEY *key)
{
    ASN1_INTEGER *number = ASN1_INTEGER_new();
    assert_true(ASN1_INTEGER_set_int64(number, serial));
    ASN1_TIME *not_before = ASN1_TIME_set_posix(
        NULL, plan->not_before_s != 0 ? plan->not_before_s : FORGE_NOW_S - FORGE_DAY_S);
    ASN1_TIME *not_after = ASN1_TIME_set_posix(
        NULL, plan->not_after_s != 0 ? plan->not_after_s : FORGE_NOW_S + FORGE_DAY_S);
    X509_NAME *name = make_name(plan);
    assert_non_null(name);
    assert_true(X509_set_version(cert, X509_VERSION_3) && X509_set_serialNumber(cert, number) &&
                X509_set1_notBefore(cert, not_before) && X509_set1_notAfter(cert, not_after) &&
                X509_set_subject_name(cert, name) && X509_set_pubkey(cert, key));
    assert_true(X509_set_issuer_name(
        cert, plan->issuer == NULL ? name : X509_get_subject_name(plan->issuer->cert)));
    X509_NAME_free(name);
    ASN1_INTEGER_free(number);
    ASN1_TIME_free(not_before);
    ASN1_TIME_free(not_after);
}

// reparse gives the certificate as a peer would see it, with a bit of its signature flipped if so
// planned.
static X509 *reparse(X509 *cert, bool has_broken_signature)
{
    uint8_t *der = NULL;
    const int len = i2d_X509(cert, &der);
    assert_true(len > 0);
    if (has_broken_signature)
        der[len - 1] ^= 1;
    const uint8_t *at = der;
    X509 *again = d2i_X509(NULL, &at, len);
    assert_non_null(again);
    OPENSSL_free(der);
    X509_free(cert);
    return again;
}

static void add_crl_points(X509 *cert, const struct forge_plan *plan)
{
    CRL_DIST_POINTS *list = sk_DIST_POINT_new_null();
    DIST_POINT *point = DIST_POINT_new();
    if (plan->crl_points_der.data != NULL)
        add_raw(cert, NID_crl_distribution_points, false, plan->crl_points_der);
    point->distpoint = DIST_POINT_NAME_new();
    point->distpoint->type = 0;
    point->distpoint->name.fullname = GENERAL_NAMES_new();
    for (size_t i = 0; i < FORGE_MAX_NAMES && plan->crl_points[i] != NULL; i++) {
        GENERAL_NAME *name = GENERAL_NAME_new();
        ASN1_IA5STRING *uri = ASN1_IA5STRING_new();
        assert_true(ASN1_STRING_set(uri, plan->crl_points[i], -1));
        GENERAL_NAME_set0_value(name, GEN_URI, uri);
        assert_true(sk_GENERAL_NAME_push(point->distpoint->name.fullname, name));
    }
    assert_true(sk_DIST_POINT_push(list, point));
    if (plan->crl_points[0] != NULL)
        assert_true(X509_add1_ext_i2d(cert, NID_crl_distribution_points, list, 0, 0));
    CRL_DIST_POINTS_free(list);
}

const struct forged *forge(struct workshop *workshop, const struct forge_plan *plan)
{
    assert_true(workshop->cert_count < WORKSHOP_MAX);
    struct forged *forged = &workshop->certs[workshop->cert_count];
    if (plan->key_of != NULL) {
        forged->key = plan->key_of->key;
        EVP_PKEY_up_ref(forged->key);
    } else {
        forged->key = make_key(plan->key);
    }
    assert_non_null(forged->key);
    X509 *cert = X509_new();
    const int64_t serial = plan->serial != 0 ? plan->serial : 1000 + (int64_t)workshop->cert_count;
    workshop->cert_count++;
    set_fields(cert, plan, serial, forged->key);
    add_basic_constraints(cert, plan);
    add_usages(cert, plan);
    add_sans(cert, plan);
    add_name_constraints(cert, plan);
    add_key_ids(cert, plan);
    add_crl_points(cert, plan);
    if (plan->has_unknown_critical)
        add_raw(cert, NID_netscape_comment, true, SLICE_LITERAL("\x16\x01x"));
    if (plan->has_explicit_curve)
        set_explicit_curve(cert);
    EVP_PKEY *issuer_key = plan->issuer == NULL ? forged->key : plan->issuer->key;
    const EVP_MD *digest = plan->is_sha1 ? EVP_sha1() : EVP_sha256();
    if (EVP_PKEY_id(issuer_key) == EVP_PKEY_ED25519)
        digest = NULL;
    assert_true(X509_sign(cert, issuer_key, digest) > 0);
    forged->cert = reparse(cert, plan->has_broken_signature);
    return forged;
}

struct slice forge_pem(struct workshop *workshop, const struct forged *const *certs)
{
    BIO *bio = BIO_new(BIO_s_mem());
    assert_true(workshop->pem_count < WORKSHOP_MAX);
    workshop->pems[workshop->pem_count++] = bio;
    for (size_t i = 0; certs[i] != NULL; i++)
        assert_true(PEM_write_bio_X509(bio, certs[i]->cert));
    const uint8_t *data = NULL;
    size_t len = 0;
    assert_true(BIO_mem_contents(bio, &data, &len));
    return slice_of(data, len);
}

struct slice forge_keep(struct workshop *workshop, struct slice bytes)
{
    BIO *bio = BIO_new(BIO_s_mem());
    const uint8_t *data = NULL;
    size_t len = 0;
    assert_true(workshop->pem_count < WORKSHOP_MAX);
    workshop->pems[workshop->pem_count++] = bio;
    assert_int_equal(BIO_write(bio, bytes.data, (int)bytes.len), bytes.len);
    assert_true(BIO_mem_contents(bio, &data, &len));
    return slice_of(data, len);
}

STACK_OF(CRYPTO_BUFFER) *forge_chain(struct workshop *workshop, const struct forged *const *certs)
{
    STACK_OF(CRYPTO_BUFFER) *chain = sk_CRYPTO_BUFFER_new_null();
    assert_true(workshop->chain_count < WORKSHOP_MAX);
    workshop->chains[workshop->chain_count++] = chain;
    for (size_t i = 0; certs[i] != NULL; i++) {
        uint8_t *der = NULL;
        const int len = i2d_X509(certs[i]->cert, &der);
        assert_true(len > 0);
        CRYPTO_BUFFER *buffer = CRYPTO_BUFFER_new(der, (size_t)len, NULL);
        assert_true(sk_CRYPTO_BUFFER_push(chain, buffer) != 0);
        OPENSSL_free(der);
    }
    return chain;
}

struct trust *forge_trust(struct workshop *workshop, const struct trust_options *options,
                          const struct forged *const *cas, const struct forged *const *helpers)
{
    struct errinfo info = {0};
    struct trust *trust = NULL;
    assert_int_equal(trust_create(options, &trust), ERR_OK);
    assert_true(workshop->trust_count < WORKSHOP_MAX);
    workshop->trusts[workshop->trust_count++] = trust;
    if (cas != NULL && trust_add_ca(trust, forge_pem(workshop, cas), &info) != ERR_OK)
        fail_msg("%s", info.text);
    if (helpers != NULL &&
        trust_add_intermediates(trust, forge_pem(workshop, helpers), &info) != ERR_OK)
        fail_msg("%s", info.text);
    if (trust_finish(trust, FORGE_NOW_S, &info) != ERR_OK)
        fail_msg("%s", info.text);
    return trust;
}
