// Certificates, put together field by field. Text from a user never goes through the library's little languages for names
// and extensions; only constants do.
#include "proxy/pki/certificate.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/digest.h>
#include <openssl/err.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdio.h>

enum {
    SERIAL_LEN = 16,
    BACKDATE_PART = 10, // of a short lifetime, this part may lie before its beginning
};

struct validity certificate_validity(int64_t now_s, int64_t ttl_s, int64_t limit_s)
{
    const int64_t part_s = ttl_s / BACKDATE_PART;
    const int64_t back_s = part_s < CERTIFICATE_BACKDATE_S ? part_s : CERTIFICATE_BACKDATE_S;
    const bool is_cut = ttl_s - back_s > limit_s - now_s;
    return (struct validity){
        .not_before_s = now_s - back_s,
        .not_after_s = is_cut ? limit_s : now_s - back_s + ttl_s,
        .is_cut = is_cut,
    };
}

static bool set_serial(X509 *cert)
{
    uint8_t bytes[SERIAL_LEN];
    RAND_bytes(bytes, sizeof bytes);
    BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
    const bool is_set =
        number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) != NULL;
    BN_free(number);
    return is_set;
}

static bool set_validity(X509 *cert, const struct certificate_plan *plan)
{
    return ASN1_TIME_set_posix(X509_getm_notBefore(cert), plan->not_before_s) != NULL &&
           ASN1_TIME_set_posix(X509_getm_notAfter(cert), plan->not_after_s) != NULL;
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

// add_extension adds one extension from a constant text in the library's language.
static bool add_extension(X509 *cert, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, NULL, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_nconf_nid(NULL, &context, nid, value);
    const bool is_added = extension != NULL && X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
    return is_added;
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

static bool add_authority_key_id(X509 *cert, X509 *issuer)
{
    AUTHORITY_KEYID *authority = certificate_make_authority_key_id(issuer == NULL ? cert : issuer);
    const bool is_added = authority != NULL && X509_add1_ext_i2d(cert, NID_authority_key_identifier,
                                                                 authority, 0, X509V3_ADD_DEFAULT);
    AUTHORITY_KEYID_free(authority);
    return is_added;
}

static bool push_general_name(GENERAL_NAMES *names, const struct san *san)
{
    static const int types[] = {
        [SAN_DNS] = GEN_DNS, [SAN_URI] = GEN_URI, [SAN_EMAIL] = GEN_EMAIL, [SAN_IP] = GEN_IPADD};
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_STRING *value =
        ASN1_STRING_type_new(san->kind == SAN_IP ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);
    if (name == NULL || value == NULL ||
        !ASN1_STRING_set(value, san->value.data, (ossl_ssize_t)san->value.len)) {
        GENERAL_NAME_free(name);
        ASN1_STRING_free(value);
        return false;
    }
    GENERAL_NAME_set0_value(name, types[san->kind], value); // takes `value`
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

static GENERAL_NAME *make_url(const char *url)
{
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_STRING *value = ASN1_STRING_type_new(V_ASN1_IA5STRING);
    if (name == NULL || value == NULL || !ASN1_STRING_set(value, url, -1)) {
        GENERAL_NAME_free(name);
        ASN1_STRING_free(value);
        return NULL;
    }
    GENERAL_NAME_set0_value(name, GEN_URI, value); // takes `value`
    return name;
}

// make_point makes a distribution point with one URL. NULL without memory.
static DIST_POINT *make_point(const char *url)
{
    DIST_POINT *point = DIST_POINT_new();
    GENERAL_NAME *name = make_url(url);
    if (point != NULL && name != NULL) {
        point->distpoint = DIST_POINT_NAME_new();
        GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
        if (point->distpoint != NULL && names != NULL && sk_GENERAL_NAME_push(names, name) != 0) {
            point->distpoint->type = 0; // fullName
            point->distpoint->name.fullname = names;
            return point;
        }
        sk_GENERAL_NAME_free(names);
    }
    GENERAL_NAME_free(name);
    DIST_POINT_free(point);
    return NULL;
}

static bool add_crl_url(X509 *cert, const char *url)
{
    CRL_DIST_POINTS *points = sk_DIST_POINT_new_null();
    DIST_POINT *point = make_point(url);
    bool is_added = points != NULL && point != NULL && sk_DIST_POINT_push(points, point) != 0;
    if (!is_added)
        DIST_POINT_free(point);
    is_added = is_added &&
               X509_add1_ext_i2d(cert, NID_crl_distribution_points, points, 0, X509V3_ADD_DEFAULT);
    sk_DIST_POINT_pop_free(points, DIST_POINT_free);
    return is_added;
}

static bool add_ocsp_url(X509 *cert, const char *url)
{
    AUTHORITY_INFO_ACCESS *places = sk_ACCESS_DESCRIPTION_new_null();
    ACCESS_DESCRIPTION *place = ACCESS_DESCRIPTION_new();
    bool is_added = places != NULL && place != NULL;
    if (is_added) {
        GENERAL_NAME_free(place->location);
        place->method = OBJ_nid2obj(NID_ad_OCSP);
        place->location = make_url(url);
        is_added = place->location != NULL && sk_ACCESS_DESCRIPTION_push(places, place) != 0;
    }
    if (!is_added)
        ACCESS_DESCRIPTION_free(place);
    is_added = is_added && X509_add1_ext_i2d(cert, NID_info_access, places, 0, X509V3_ADD_DEFAULT);
    sk_ACCESS_DESCRIPTION_pop_free(places, ACCESS_DESCRIPTION_free);
    return is_added;
}

// copy_extension copies one of another certificate, if that has it.
static bool copy_extension(X509 *cert, const X509 *other, int nid)
{
    const int at = X509_get_ext_by_NID(other, nid, -1);
    return at < 0 || X509_add_ext(cert, X509_get_ext(other, at), -1);
}

// add_places says where to ask whether the certificate was revoked.
static bool add_places(X509 *cert, const struct certificate_plan *plan)
{
    if (plan->like != NULL)
        return copy_extension(cert, plan->like, NID_crl_distribution_points) &&
               copy_extension(cert, plan->like, NID_info_access);
    return (plan->crl_url == NULL || add_crl_url(cert, plan->crl_url)) &&
           (plan->ocsp_url == NULL || add_ocsp_url(cert, plan->ocsp_url));
}

static bool add_extensions(X509 *cert, const struct certificate_plan *plan, X509 *issuer)
{
    char ca_constraints[32];
    (void)snprintf(ca_constraints, sizeof ca_constraints, "critical,CA:TRUE,pathlen:%u",
                   plan->path_len);
    const bool is_ca = plan->kind == CERTIFICATE_CA;
    const char *constraints = is_ca ? ca_constraints : "critical,CA:FALSE";
    const char *usage = is_ca ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature";
    const char *purpose = plan->kind == CERTIFICATE_CLIENT ? "clientAuth" : "serverAuth";
    return add_extension(cert, NID_basic_constraints, constraints) &&
           add_extension(cert, NID_key_usage, usage) &&
           (is_ca || add_extension(cert, NID_ext_key_usage, purpose)) && add_sans(cert, plan) &&
           add_extension(cert, NID_subject_key_identifier, "hash") &&
           add_authority_key_id(cert, issuer) && add_places(cert, plan);
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

enum err certificate_format(X509 *const *certs, size_t count, struct pem *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    bool is_written = bio != NULL;
    for (size_t i = 0; i < count && is_written; i++)
        is_written = PEM_write_bio_X509(bio, certs[i]);
    return pem_take(bio, is_written, out);
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
