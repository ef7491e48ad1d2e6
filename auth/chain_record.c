// Records of verified paths: digests, serials and dates copied out of the certificates.
#include "auth/chain_record.h"

#include <openssl/digest.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "auth/critical.h"
#include "auth/ocsp_urls.h"
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

// put copies bytes to `*at` and moves it past them.
static struct slice put(uint8_t **at, struct slice bytes)
{
    const struct slice copy = slice_of(*at, bytes.len);
    ASSERT(bytes_copy(*at, bytes.len, bytes));
    *at += bytes.len;
    return copy;
}

// read_extras gives the record what later lists, and questions to OCSP responders, will ask for: the points first, which
// are bytes like the rest.
static enum err read_extras(X509 *cert, bool is_issuer, struct chain_link *link)
{
    struct crl_points points;
    struct slice name = {0};
    uint8_t urls[OCSP_URLS_CAP];
    crl_points_read(cert, &points);
    const size_t points_len = points.count * sizeof points.points[0];
    const size_t urls_len = ocsp_urls_read(cert, urls);
    const X509_PUBKEY *key = X509_get_X509_PUBKEY(cert);
    const int key_len = is_issuer ? i2d_X509_PUBKEY(key, NULL) : 0;
    if (key_len < is_issuer ||
        X509_NAME_get0_der(X509_get_issuer_name(cert), &name.data, &name.len) != 1)
        return ERR_MEMORY;
    link->extra = malloc(points_len + name.len + urls_len + (size_t)key_len + 1);
    if (link->extra == NULL)
        return ERR_MEMORY;
    uint8_t *at = link->extra;
    (void)put(&at, slice_of(points.points[0].digest, points_len));
    link->names_points = points.is_there;
    link->points = (const struct crl_point *)link->extra;
    link->point_count = points.count;
    link->issuer_name = put(&at, name);
    link->ocsp_urls = put(&at, slice_of(urls, urls_len));
    link->key = slice_of(at, (size_t)key_len);
    return !is_issuer || i2d_X509_PUBKEY(key, &at) == key_len ? ERR_OK : ERR_MEMORY;
}

static enum err read_path(X509 *const *certs, struct chain_record *record)
{
    for (size_t i = 0; i < record->count; i++) {
        X509 *issuer = i + 1 < record->count ? certs[i + 1] : NULL;
        TRY(read_dates(certs[i], i == 0, record));
        TRY(read_link(certs[i], issuer, &record->links[i]));
        TRY(read_extras(certs[i], i > 0, &record->links[i]));
        if (i == 0)
            continue;
        cert_id_of_name(X509_get_subject_name(certs[i]), record->links[i].name);
        record->links[i].signs_lists = (X509_get_key_usage(certs[i]) & KU_CRL_SIGN) != 0;
    }
    return ERR_OK;
}

static enum err read_policies(X509 *const *certs, struct chain_record *record)
{
    struct oid_list policies;
    struct oid_list qc;
    cert_policies_of_path(certs, record->count, &policies);
    qc_statements_of(certs[0], &qc);
    return cert_policies_keep(oid_list_slice(&policies), oid_list_slice(&qc), &record->policies);
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
    enum err error = critical_read(certs[0], &record->critical, &record->critical_len);
    if (error == ERR_OK)
        error = read_path(certs, record);
    if (error == ERR_OK)
        error = read_policies(certs, record);
    if (error != ERR_OK) {
        chain_record_destroy(record);
        return error;
    }
    *out = record;
    return ERR_OK;
}

void chain_record_destroy(struct chain_record *record)
{
    for (size_t i = 0; record != NULL && i < record->count; i++)
        free(record->links[i].extra);
    if (record != NULL) {
        free(record->critical);
        free(record->policies.bytes);
    }
    free(record);
}
