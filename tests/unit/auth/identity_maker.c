// Self-signed certificates with an Ed25519 key, made in memory; nothing verifies them here.
#include "tests/unit/auth/identity_maker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <openssl/bn.h>
#include <openssl/bytestring.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "auth/ipaddr.h"

enum { WORD_CAP = 512 };

struct words {
    char key[WORD_CAP];
    char value[WORD_CAP];
};

// next_word takes `key=value` from the front of `*rest`, and tells whether there was one.
static bool next_word(struct slice *rest, struct words *out)
{
    while (rest->len > 0 && rest->data[0] == ' ')
        *rest = slice_from(*rest, 1);
    if (rest->len == 0)
        return false;
    const struct slice word = slice_first(*rest, slice_find(*rest, ' '));
    *rest = slice_from(*rest, word.len);
    const size_t equals = slice_find(word, '=');
    assert_true(equals < word.len);
    assert_true(string_copy(out->key, sizeof out->key, slice_first(word, equals)));
    assert_true(string_copy(out->value, sizeof out->value, slice_from(word, equals + 1)));
    return true;
}

static void add_attribute(X509_NAME *name, const char *type, const char *value)
{
    assert_int_equal(1, X509_NAME_add_entry_by_txt(name, type, MBSTRING_UTF8,
                                                   (const unsigned char *)value, -1, -1, 0));
}

// add_san puts one GeneralName (RFC 5280 4.2.1.6) into `sans`.
static void add_san(CBB *sans, CBS_ASN1_TAG tag, struct slice value)
{
    CBB name;
    assert_int_equal(1, CBB_add_asn1(sans, &name, CBS_ASN1_CONTEXT_SPECIFIC | tag));
    assert_int_equal(1, CBB_add_bytes(&name, value.data, value.len));
    assert_int_equal(1, CBB_flush(sans));
}

static void add_word(X509 *leaf, CBB *sans, char *trust, const struct words *word)
{
    const struct slice value = slice_of_string(word->value);
    if (strcmp(word->key, "cn") == 0) {
        add_attribute(X509_get_subject_name(leaf), "CN", word->value);
    } else if (strcmp(word->key, "ou") == 0) {
        add_attribute(X509_get_subject_name(leaf), "OU", word->value);
    } else if (strcmp(word->key, "o") == 0) {
        add_attribute(X509_get_subject_name(leaf), "O", word->value);
    } else if (strcmp(word->key, "issuer") == 0) {
        add_attribute(X509_get_issuer_name(leaf), "CN", word->value);
    } else if (strcmp(word->key, "email") == 0) {
        add_san(sans, 1, value);
    } else if (strcmp(word->key, "dns") == 0) {
        add_san(sans, 2, value);
    } else if (strcmp(word->key, "uri") == 0) {
        add_san(sans, 6, value);
    } else if (strcmp(word->key, "ip") == 0) {
        struct ip_addr addr;
        assert_int_equal(ERR_OK, ip_addr_parse(value, &addr));
        add_san(sans, 7, slice_of(addr.bytes, addr.family == IP_V4 ? 4 : 16));
    } else if (strcmp(word->key, "serial") == 0) {
        BIGNUM *serial = NULL;
        assert_true(BN_hex2bn(&serial, word->value) != 0);
        assert_non_null(BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(leaf)));
        BN_free(serial);
    } else if (strcmp(word->key, "trust") == 0) {
        assert_true(string_copy(trust, WORD_CAP, value));
    } else {
        fail_msg("no such key in a certificate: %s", word->key);
    }
}

// attach_sans adds the extension when there is anything in it.
static void attach_sans(X509 *leaf, CBB *cbb)
{
    uint8_t *der = NULL;
    size_t der_len = 0;
    assert_int_equal(1, CBB_finish(cbb, &der, &der_len));
    if (der_len > 2) {
        ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
        assert_non_null(octets);
        assert_int_equal(1, ASN1_OCTET_STRING_set(octets, der, (int)der_len));
        X509_EXTENSION *extension =
            X509_EXTENSION_create_by_NID(NULL, NID_subject_alt_name, 0, octets);
        assert_int_equal(1, X509_add_ext(leaf, extension, -1));
        X509_EXTENSION_free(extension);
        ASN1_OCTET_STRING_free(octets);
    }
    OPENSSL_free(der);
}

static void sign(X509 *leaf)
{
    static const uint8_t seed[32] = {7};
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof seed);
    assert_non_null(key);
    assert_int_equal(1, X509_set_pubkey(leaf, key));
    assert_true(X509_sign(leaf, key, NULL) > 0);
    EVP_PKEY_free(key);
}

struct identity *identity_make(const char *description)
{
    X509 *leaf = X509_new();
    assert_non_null(leaf);
    assert_int_equal(1, X509_set_version(leaf, X509_VERSION_3));
    assert_int_equal(1, ASN1_INTEGER_set(X509_get_serialNumber(leaf), 1));
    assert_non_null(ASN1_TIME_set(X509_getm_notBefore(leaf), 1700000000));
    assert_non_null(ASN1_TIME_set(X509_getm_notAfter(leaf), 1800000000));
    CBB cbb;
    CBB sans;
    assert_int_equal(1, CBB_init(&cbb, 64));
    assert_int_equal(1, CBB_add_asn1(&cbb, &sans, CBS_ASN1_SEQUENCE));
    char trust[WORD_CAP] = "";
    struct slice rest = slice_of_string(description);
    struct words word;
    while (next_word(&rest, &word))
        add_word(leaf, &sans, trust, &word);
    attach_sans(leaf, &cbb);
    sign(leaf);
    struct identity *out = NULL;
    const enum err error = identity_create(leaf, trust[0] == '\0' ? NULL : trust, &out);
    X509_free(leaf);
    if (error != ERR_OK)
        fail_msg("no identity from `%s`: error %d", description, (int)error);
    return out;
}
