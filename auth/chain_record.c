// Records of verified paths: digests, serials and dates copied out of the certificates.
#include "auth/chain_record.h"

#include <openssl/digest.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "auth/crl.h"
#include "auth/strict.h"

_Static_assert((int)CRL_AUTHORITY_LEN == (int)CHAIN_DIGEST_LEN, "an authority is a digest");
_Static_assert((int)CRL_SERIAL_MAX == (int)CHAIN_SERIAL_MAX, "a list can name every serial kept");

static struct slice drop_zeros(struct slice bytes)
{
    while (bytes.len > 0 && bytes.data[0] == 0)
        bytes = slice_from(bytes, 1);
    return bytes;
}

void chain_issuer_serial(const struct dn *issuer, struct slice serial,
                         uint8_t out[CHAIN_DIGEST_LEN])
{
    const uint8_t len[2] = {(uint8_t)(issuer->len >> 8), (uint8_t)issuer->len};
    const struct slice number = drop_zeros(serial);
    SHA256_CTX sha;
    (void)SHA256_Init(&sha);
    (void)SHA256_Update(&sha, len, sizeof len);
    (void)SHA256_Update(&sha, issuer->bytes, issuer->len);
    if (number.len > 0)
        (void)SHA256_Update(&sha, number.data, number.len);
    (void)SHA256_Final(out, &sha);
}

// read_numbers takes the serial. An issuer that is no dn cannot be written into a list either, and
// keeps a digest of zeros.
static void read_numbers(X509 *cert, struct chain_link *link)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);
    const struct slice bytes =
        drop_zeros(slice_of(ASN1_STRING_get0_data(serial), (size_t)ASN1_STRING_length(serial)));
    struct slice der = {0};
    struct dn issuer;
    link->has_serial = ASN1_STRING_type(serial) == V_ASN1_INTEGER &&
                       bytes_copy(link->serial, sizeof link->serial, bytes);
    if (!link->has_serial)
        return;
    link->serial_len = (uint8_t)bytes.len;
    if (X509_NAME_get0_der(X509_get_issuer_name(cert), &der.data, &der.len) == 1 &&
        dn_from_der(der, &issuer) == ERR_OK)
        chain_issuer_serial(&issuer, bytes, link->issuer_serial);
}

static enum err read_link(X509 *cert, X509 *issuer, struct chain_link *link)
{
    unsigned len = 0;
    link->is_ca = (X509_get_extension_flags(cert) & EXFLAG_CA) != 0;
    read_numbers(cert, link);
    if (!X509_digest(cert, EVP_sha256(), link->sha256, &len))
        return ERR_MEMORY;
    return issuer == NULL || crl_authority_of(issuer, link->authority) ? ERR_OK : ERR_MEMORY;
}

static enum err read_dates(X509 *cert, bool is_leaf, struct chain_record *record)
{
    int64_t not_before_s = 0;
    int64_t not_after_s = 0;
    if (!ASN1_TIME_to_posix(X509_get0_notBefore(cert), &not_before_s) ||
        !ASN1_TIME_to_posix(X509_get0_notAfter(cert), &not_after_s))
        return ERR_INPUT;
    if (is_leaf)
        record->lifetime_s = not_after_s - not_before_s;
    if (is_leaf || not_before_s > record->not_before_s)
        record->not_before_s = not_before_s;
    if (is_leaf || not_after_s < record->not_after_s)
        record->not_after_s = not_after_s;
    return ERR_OK;
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
    enum err error = ERR_OK;
    for (size_t i = 0; i < count && error == ERR_OK; i++) {
        error = read_dates(certs[i], i == 0, record);
        if (error == ERR_OK)
            error = read_link(certs[i], i + 1 < count ? certs[i + 1] : NULL, &record->links[i]);
    }
    if (error != ERR_OK) {
        chain_record_destroy(record);
        return error;
    }
    *out = record;
    return ERR_OK;
}

void chain_record_destroy(struct chain_record *record)
{
    free(record);
}
