// Digests over canonical names, numbers without leading zeros, and keys in DER.
#include "auth/cert_id.h"

#include <openssl/mem.h>
#include <openssl/obj.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

struct slice asn1_slice(const ASN1_STRING *string)
{
    return slice_of(ASN1_STRING_get0_data(string), (size_t)ASN1_STRING_length(string));
}

bool cert_has_extension(const X509 *cert, int nid)
{
    return X509_get_ext_by_NID(cert, nid, -1) >= 0;
}

CBS cert_extension_value(const X509 *cert, int index)
{
    CBS cbs;
    const struct slice value = asn1_slice(X509_EXTENSION_get_data(X509_get_ext(cert, index)));
    CBS_init(&cbs, value.data, value.len);
    return cbs;
}

struct extension extension_at(const X509 *cert, int index)
{
    const X509_EXTENSION *extension = X509_get_ext(cert, index);
    const ASN1_OBJECT *oid = X509_EXTENSION_get_object(extension);
    return (struct extension){.oid = slice_of(OBJ_get0_data(oid), OBJ_length(oid)),
                              .value = asn1_slice(X509_EXTENSION_get_data(extension))};
}

bool cert_is_self_issued(X509 *cert)
{
    return (X509_get_extension_flags(cert) & EXFLAG_SI) != 0;
}

bool cert_read_validity(const X509 *cert, int64_t *not_before_s, int64_t *not_after_s)
{
    return ASN1_TIME_to_posix(X509_get0_notBefore(cert), not_before_s) &&
           ASN1_TIME_to_posix(X509_get0_notAfter(cert), not_after_s);
}

struct slice cert_id_trim_serial(struct slice serial)
{
    while (serial.len > 0 && serial.data[0] == 0)
        serial = slice_from(serial, 1);
    return serial;
}

enum err cert_id_read_name(X509_NAME *name, struct dn *out)
{
    struct slice der = {0};
    return X509_NAME_get0_der(name, &der.data, &der.len) == 1 ? dn_from_der(der, out) : ERR_INPUT;
}

void cert_id_of_name(X509_NAME *name, uint8_t out[CERT_DIGEST_LEN])
{
    struct dn dn;
    if (cert_id_read_name(name, &dn) == ERR_OK)
        SHA256(dn.bytes, dn.len, out);
    else
        ASSERT(bytes_copy(out, CERT_DIGEST_LEN, slice_of((const uint8_t[32]){0}, 32)));
}

void cert_id_of_serial(const struct dn *issuer, struct slice serial, uint8_t out[CERT_DIGEST_LEN])
{
    const uint8_t len[2] = {(uint8_t)(issuer->len >> 8), (uint8_t)issuer->len};
    const struct slice number = cert_id_trim_serial(serial);
    SHA256_CTX sha;
    (void)SHA256_Init(&sha);
    (void)SHA256_Update(&sha, len, sizeof len);
    (void)SHA256_Update(&sha, issuer->bytes, issuer->len);
    if (number.len > 0)
        (void)SHA256_Update(&sha, number.data, number.len);
    (void)SHA256_Final(out, &sha);
}

bool cert_id_of_authority(X509 *issuer, uint8_t out[CERT_DIGEST_LEN])
{
    uint8_t *key = NULL;
    struct slice name = {0};
    SHA256_CTX sha;
    const int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(issuer), &key);
    if (len <= 0 || X509_NAME_get0_der(X509_get_subject_name(issuer), &name.data, &name.len) != 1) {
        OPENSSL_free(key);
        return false;
    }
    // Both are DER and tell their own length, so that no two pairs are the same bytes.
    (void)SHA256_Init(&sha);
    (void)SHA256_Update(&sha, key, (size_t)len);
    (void)SHA256_Update(&sha, name.data, name.len);
    (void)SHA256_Final(out, &sha);
    OPENSSL_free(key);
    return true;
}
