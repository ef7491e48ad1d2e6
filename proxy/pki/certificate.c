// Certificates put together field by field. No text of a user ever goes through the library's
// little languages for names and extensions.
#include "proxy/pki/certificate.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/digest.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/obj.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

enum { SERIAL_LEN = 16 };

static bool set_serial(X509 *cert)
{
    uint8_t bytes[SERIAL_LEN];
    RAND_bytes(bytes, sizeof bytes);
    BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
    ASN1_INTEGER *serial = number == NULL ? NULL : BN_to_ASN1_INTEGER(number, NULL);
    const bool is_set = serial != NULL && X509_set_serialNumber(cert, serial);
    ASN1_INTEGER_free(serial);
    BN_free(number);
    return is_set;
}

static bool set_validity(X509 *cert, const struct certificate_plan *plan)
{
    ASN1_TIME *not_before = ASN1_TIME_set_posix(NULL, plan->not_before_s);
    ASN1_TIME *not_after = ASN1_TIME_set_posix(NULL, plan->not_after_s);
    const bool is_set = not_before != NULL && not_after != NULL &&
                        X509_set1_notBefore(cert, not_before) &&
                        X509_set1_notAfter(cert, not_after);
    ASN1_TIME_free(not_before);
    ASN1_TIME_free(not_after);
    return is_set;
}

static bool set_names(X509 *cert, const struct certificate_plan *plan, X509 *issuer)
{
    X509_NAME *name = X509_NAME_new();
    const bool is_set =
        name != NULL &&
        X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
                                   (const uint8_t *)plan->common_name, -1, -1, 0) &&
        X509_set_subject_name(cert, name) &&
        X509_set_issuer_name(cert, issuer == NULL ? name : X509_get_subject_name(issuer));
    X509_NAME_free(name);
    return is_set;
}

static bool add_basic_constraints(X509 *cert, bool is_ca, unsigned path_len)
{
    BASIC_CONSTRAINTS *constraints = BASIC_CONSTRAINTS_new();
    if (constraints == NULL)
        return false;
    constraints->ca = is_ca ? ASN1_BOOLEAN_TRUE : ASN1_BOOLEAN_FALSE;
    bool is_set = true;
    if (is_ca) {
        constraints->pathlen = ASN1_INTEGER_new();
        is_set =
            constraints->pathlen != NULL && ASN1_INTEGER_set_uint64(constraints->pathlen, path_len);
    }
    is_set = is_set &&
             X509_add1_ext_i2d(cert, NID_basic_constraints, constraints, 1, X509V3_ADD_DEFAULT);
    BASIC_CONSTRAINTS_free(constraints);
    return is_set;
}

static bool add_key_usage(X509 *cert, bool is_ca)
{
    enum { DIGITAL_SIGNATURE = 0, KEY_CERT_SIGN = 5, CRL_SIGN = 6 }; // RFC 5280 4.2.1.3
    ASN1_BIT_STRING *usage = ASN1_BIT_STRING_new();
    if (usage == NULL)
        return false;
    const bool is_set = (is_ca ? ASN1_BIT_STRING_set_bit(usage, KEY_CERT_SIGN, 1) &&
                                     ASN1_BIT_STRING_set_bit(usage, CRL_SIGN, 1)
                               : ASN1_BIT_STRING_set_bit(usage, DIGITAL_SIGNATURE, 1)) &&
                        X509_add1_ext_i2d(cert, NID_key_usage, usage, 1, X509V3_ADD_DEFAULT);
    ASN1_BIT_STRING_free(usage);
    return is_set;
}

static bool add_extended_key_usage(X509 *cert, int purpose_nid)
{
    EXTENDED_KEY_USAGE *usage = sk_ASN1_OBJECT_new_null();
    const bool is_set = usage != NULL &&
                        sk_ASN1_OBJECT_push(usage, OBJ_nid2obj(purpose_nid)) != 0 &&
                        X509_add1_ext_i2d(cert, NID_ext_key_usage, usage, 0, X509V3_ADD_DEFAULT);
    sk_ASN1_OBJECT_free(usage); // the object is static
    return is_set;
}

// make_key_id gives the identifier of the key in `cert` (RFC 5280 4.2.1.2, method 1).
static ASN1_OCTET_STRING *make_key_id(X509 *cert)
{
    uint8_t digest[SHA_DIGEST_LENGTH];
    unsigned len = 0;
    ASN1_OCTET_STRING *id = ASN1_OCTET_STRING_new();
    if (id != NULL && X509_pubkey_digest(cert, EVP_sha1(), digest, &len) &&
        ASN1_OCTET_STRING_set(id, digest, (int)len))
        return id;
    ASN1_OCTET_STRING_free(id);
    return NULL;
}

AUTHORITY_KEYID *certificate_make_authority_key_id(X509 *issuer)
{
    AUTHORITY_KEYID *authority = AUTHORITY_KEYID_new();
    if (authority == NULL)
        return NULL;
    const ASN1_OCTET_STRING *id = X509_get0_subject_key_id(issuer);
    authority->keyid = id == NULL ? make_key_id(issuer) : ASN1_OCTET_STRING_dup(id);
    if (authority->keyid != NULL)
        return authority;
    AUTHORITY_KEYID_free(authority);
    return NULL;
}

static bool add_key_ids(X509 *cert, X509 *issuer)
{
    ASN1_OCTET_STRING *own_id = make_key_id(cert);
    bool is_set = own_id != NULL && X509_add1_ext_i2d(cert, NID_subject_key_identifier, own_id, 0,
                                                      X509V3_ADD_DEFAULT);
    if (is_set) {
        AUTHORITY_KEYID *authority =
            certificate_make_authority_key_id(issuer == NULL ? cert : issuer);
        is_set = authority != NULL && X509_add1_ext_i2d(cert, NID_authority_key_identifier,
                                                        authority, 0, X509V3_ADD_DEFAULT);
        AUTHORITY_KEYID_free(authority);
    }
    ASN1_OCTET_STRING_free(own_id);
    return is_set;
}

static int general_name_type(enum san_kind kind)
{
    switch (kind) {
    case SAN_DNS:
        return GEN_DNS;
    case SAN_URI:
        return GEN_URI;
    case SAN_EMAIL:
        return GEN_EMAIL;
    case SAN_IP:
        return GEN_IPADD;
    }
    return GEN_DNS;
}

static bool push_general_name(GENERAL_NAMES *names, const struct san *san)
{
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_STRING *value =
        ASN1_STRING_type_new(san->kind == SAN_IP ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);
    if (name == NULL || value == NULL ||
        !ASN1_STRING_set(value, san->value.data, (ossl_ssize_t)san->value.len)) {
        GENERAL_NAME_free(name);
        ASN1_STRING_free(value);
        return false;
    }
    GENERAL_NAME_set0_value(name, general_name_type(san->kind), value); // takes `value`
    if (sk_GENERAL_NAME_push(names, name) != 0)
        return true;
    GENERAL_NAME_free(name);
    return false;
}

static bool add_sans(X509 *cert, const struct certificate_plan *plan)
{
    if (plan->san_count == 0)
        return true;
    GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
    bool is_set = names != NULL;
    for (size_t i = 0; i < plan->san_count && is_set; i++)
        is_set = push_general_name(names, &plan->sans[i]);
    is_set = is_set && X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT);
    sk_GENERAL_NAME_pop_free(names, GENERAL_NAME_free);
    return is_set;
}

static bool add_extensions(X509 *cert, const struct certificate_plan *plan, X509 *issuer)
{
    const bool is_ca = plan->kind == CERTIFICATE_CA;
    const int purpose = plan->kind == CERTIFICATE_CLIENT ? NID_client_auth : NID_server_auth;
    return add_basic_constraints(cert, is_ca, plan->path_len) && add_key_usage(cert, is_ca) &&
           (is_ca || add_extended_key_usage(cert, purpose)) && add_sans(cert, plan) &&
           add_key_ids(cert, issuer);
}

enum err certificate_make(const struct certificate_plan *plan, EVP_PKEY *key, X509 *issuer,
                          EVP_PKEY *issuer_key, X509 **out)
{
    *out = NULL;
    X509 *cert = X509_new();
    if (cert != NULL && X509_set_version(cert, X509_VERSION_3) && set_serial(cert) &&
        set_validity(cert, plan) && set_names(cert, plan, issuer) && X509_set_pubkey(cert, key) &&
        add_extensions(cert, plan, issuer) && X509_sign(cert, issuer_key, EVP_sha256()) > 0) {
        *out = cert;
        return ERR_OK;
    }
    X509_free(cert);
    ERR_clear_error();
    return ERR_MEMORY;
}

enum err certificate_format(X509 *cert, struct pem *out)
{
    *out = (struct pem){0};
    BIO *bio = BIO_new(BIO_s_mem());
    const uint8_t *data = NULL;
    enum err error = ERR_MEMORY;
    if (bio != NULL && PEM_write_bio_X509(bio, cert) && BIO_mem_contents(bio, &data, &out->len)) {
        out->data = OPENSSL_memdup(data, out->len);
        error = out->data != NULL ? ERR_OK : ERR_MEMORY;
    }
    BIO_free(bio);
    return error;
}

enum err certificate_parse(struct slice pem, X509 **out)
{
    *out = NULL;
    BIO *bio = BIO_new_mem_buf(pem.data, (ossl_ssize_t)pem.len);
    if (bio == NULL)
        return ERR_MEMORY;
    *out = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    ERR_clear_error();
    return *out != NULL ? ERR_OK : ERR_INPUT;
}

int64_t certificate_not_after_s(const X509 *cert)
{
    int64_t not_after_s = 0;
    return ASN1_TIME_to_posix(X509_get0_notAfter(cert), &not_after_s) ? not_after_s : INT64_MIN;
}
