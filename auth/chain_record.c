// Records of verified paths: digests, serials and dates copied out of the certificates.
#include "auth/chain_record.h"

#include <openssl/digest.h>
#include <openssl/mem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "auth/strict.h"
#include "auth/usages.h"

// read_numbers takes the serial. An issuer that is no dn cannot be written into a list either, and
// keeps a digest of zeros.
static void read_numbers(X509 *cert, struct chain_link *link)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);
    const struct slice bytes = cert_id_trim_serial(asn1_slice(serial));
    struct dn issuer;
    link->has_serial = ASN1_STRING_type(serial) == V_ASN1_INTEGER &&
                       bytes_copy(link->serial, sizeof link->serial, bytes);
    if (!link->has_serial)
        return;
    link->serial_len = (uint8_t)bytes.len;
    if (cert_id_read_name(X509_get_issuer_name(cert), &issuer) == ERR_OK)
        cert_id_of_serial(&issuer, bytes, link->issuer_serial);
}

static enum err read_link(X509 *cert, X509 *issuer, struct chain_link *link)
{
    link->is_ca = (X509_get_extension_flags(cert) & EXFLAG_CA) != 0;
    link->usages = usages_of(cert);
    read_numbers(cert, link);
    if (!X509_digest(cert, EVP_sha256(), link->sha256, NULL))
        return ERR_MEMORY;
    return issuer == NULL || cert_id_of_authority(issuer, link->authority) ? ERR_OK : ERR_MEMORY;
}

static enum err read_dates(X509 *cert, bool is_leaf, struct chain_record *record)
{
    int64_t not_before_s = 0;
    int64_t not_after_s = 0;
    if (!cert_read_validity(cert, &not_before_s, &not_after_s))
        return ERR_INPUT;
    if (is_leaf)
        record->lifetime_s = not_after_s - not_before_s;
    if (is_leaf || not_before_s > record->not_before_s)
        record->not_before_s = not_before_s;
    if (is_leaf || not_after_s < record->not_after_s)
        record->not_after_s = not_after_s;
    return ERR_OK;
}

// extras is what a certificate adds to the record's `extra`.
struct extras {
    struct crl_points points;
    uint8_t *key; // owned; SubjectPublicKeyInfo, of CAs only
    size_t key_len;
};

static enum err read_extras(X509 *cert, bool is_issuer, struct extras *out)
{
    crl_points_read(cert, &out->points);
    if (!is_issuer)
        return ERR_OK;
    const int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &out->key);
    out->key_len = len < 0 ? 0 : (size_t)len;
    return len > 0 ? ERR_OK : ERR_MEMORY;
}

// place_extras copies what was read to `at`: the points first, which are bytes like the key.
static size_t place_extras(const struct extras *extras, uint8_t *at, struct chain_link *link)
{
    const size_t points_len = extras->points.count * sizeof(struct crl_point);
    ASSERT(
        bytes_copy(at, points_len, slice_of((const uint8_t *)extras->points.points, points_len)));
    link->names_points = extras->points.is_there;
    link->points = (const struct crl_point *)at;
    link->point_count = extras->points.count;
    ASSERT(bytes_copy(at + points_len, extras->key_len, slice_of(extras->key, extras->key_len)));
    link->key = slice_of(at + points_len, extras->key_len);
    return points_len + extras->key_len;
}

// add_extras gives the record what later lists will ask for.
static enum err add_extras(X509 *const *certs, struct chain_record *record)
{
    enum err error = ERR_OK;
    size_t total_len = 1;
    struct extras *extras = calloc(record->count, sizeof *extras);
    if (extras == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < record->count && error == ERR_OK; i++) {
        error = read_extras(certs[i], i > 0, &extras[i]);
        total_len += extras[i].points.count * sizeof(struct crl_point) + extras[i].key_len;
    }
    if (error == ERR_OK)
        record->extra = malloc(total_len);
    if (record->extra == NULL)
        error = ERR_MEMORY;
    size_t used = 0;
    for (size_t i = 0; i < record->count; i++) {
        if (error == ERR_OK)
            used += place_extras(&extras[i], record->extra + used, &record->links[i]);
        OPENSSL_free(extras[i].key);
    }
    free(extras);
    return error;
}

static enum err read_path(X509 *const *certs, struct chain_record *record)
{
    for (size_t i = 0; i < record->count; i++) {
        X509 *issuer = i + 1 < record->count ? certs[i + 1] : NULL;
        TRY(read_dates(certs[i], i == 0, record));
        TRY(read_link(certs[i], issuer, &record->links[i]));
        if (i == 0)
            continue;
        cert_id_of_name(X509_get_subject_name(certs[i]), record->links[i].name);
        record->links[i].signs_lists = (X509_get_key_usage(certs[i]) & KU_CRL_SIGN) != 0;
    }
    return add_extras(certs, record);
}

enum err chain_record_create(X509 *const *certs, size_t count, struct chain_record **out)
{
    *out = NULL;
    ASSERT(count >= 1);
    struct chain_record *record = calloc(1, sizeof *record + count * sizeof record->links[0]);
    if (record == NULL)
        return ERR_MEMORY;
    record->count = count;
    record->depth = count < 2 ? 0 : (uint32_t)count - 2;
    record->is_strict = strict_find_fault(certs, count) == NULL;
    const enum err error = read_path(certs, record);
    if (error != ERR_OK) {
        chain_record_destroy(record);
        return error;
    }
    *out = record;
    return ERR_OK;
}

void chain_record_destroy(struct chain_record *record)
{
    if (record != NULL)
        free(record->extra);
    free(record);
}
