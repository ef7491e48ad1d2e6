// OCSPRequest from the inside out: CertID, the list of one Request, the nonce.
#include "auth/ocsp_request.h"

#include <openssl/bytestring.h>
#include <openssl/sha.h>

// AlgorithmIdentifier of SHA-1 with NULL, as every responder's software writes it.
static const uint8_t SHA1_ALGORITHM[] = {0x30, 0x09, 0x06, 0x05, 0x2B, 0x0E,
                                         0x03, 0x02, 0x1A, 0x05, 0x00};
static const uint8_t NONCE_OID[] = {0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x02};

bool ocsp_key_bits(struct slice key, struct slice *out)
{
    CBS cbs;
    CBS list;
    CBS bits;
    uint8_t unused = 0;
    CBS_init(&cbs, key.data, key.len);
    if (!CBS_get_asn1(&cbs, &list, CBS_ASN1_SEQUENCE) || CBS_len(&cbs) != 0 ||
        !CBS_get_asn1(&list, NULL, CBS_ASN1_SEQUENCE) ||
        !CBS_get_asn1(&list, &bits, CBS_ASN1_BITSTRING) || CBS_len(&list) != 0 ||
        !CBS_get_u8(&bits, &unused) || unused != 0)
        return false;
    *out = slice_of(CBS_data(&bits), CBS_len(&bits));
    return true;
}

static bool add_hash(CBB *cbb, struct slice bytes)
{
    uint8_t digest[OCSP_KEY_HASH_LEN];
    SHA1(bytes.data, bytes.len, digest);
    return CBB_add_asn1_octet_string(cbb, digest, sizeof digest);
}

// add_serial writes the number with a zero in front where it would be negative, or nothing, otherwise.
static bool add_serial(CBB *cbb, struct slice serial)
{
    CBB number;
    if (!CBB_add_asn1(cbb, &number, CBS_ASN1_INTEGER) ||
        ((serial.len == 0 || serial.data[0] >= 0x80) && !CBB_add_u8(&number, 0)) ||
        (serial.len > 0 && !CBB_add_bytes(&number, serial.data, serial.len)))
        return false;
    return CBB_flush(cbb);
}

static bool add_certificate(CBB *list, const struct ocsp_subject *subject, struct slice key_bits)
{
    CBB request;
    CBB id;
    return CBB_add_asn1(list, &request, CBS_ASN1_SEQUENCE) &&
           CBB_add_asn1(&request, &id, CBS_ASN1_SEQUENCE) &&
           CBB_add_bytes(&id, SHA1_ALGORITHM, sizeof SHA1_ALGORITHM) &&
           add_hash(&id, subject->issuer_name) && add_hash(&id, key_bits) &&
           add_serial(&id, subject->serial) && CBB_flush(list);
}

// add_nonce writes the extension; its value is an OCTET STRING in the extension's own (RFC 8954 2.1).
static bool add_nonce(CBB *tbs, struct slice nonce)
{
    CBB tagged;
    CBB list;
    CBB extension;
    CBB oid;
    CBB value;
    return CBB_add_asn1(tbs, &tagged, CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 2) &&
           CBB_add_asn1(&tagged, &list, CBS_ASN1_SEQUENCE) &&
           CBB_add_asn1(&list, &extension, CBS_ASN1_SEQUENCE) &&
           CBB_add_asn1(&extension, &oid, CBS_ASN1_OBJECT) &&
           CBB_add_bytes(&oid, NONCE_OID, sizeof NONCE_OID) &&
           CBB_add_asn1(&extension, &value, CBS_ASN1_OCTETSTRING) &&
           CBB_add_asn1_octet_string(&value, nonce.data, nonce.len) && CBB_flush(tbs);
}

enum err ocsp_request_format(const struct ocsp_subject *subject, struct slice nonce,
                             uint8_t out[OCSP_REQUEST_CAP], size_t *out_len)
{
    CBB cbb;
    CBB request;
    CBB tbs;
    CBB list;
    struct slice key_bits;
    *out_len = 0;
    if (subject->serial.len > OCSP_SERIAL_MAX_LEN || nonce.len > OCSP_NONCE_MAX_LEN)
        return ERR_LIMIT;
    if (!ocsp_key_bits(subject->issuer_key, &key_bits))
        return ERR_INPUT;
    if (!CBB_init_fixed(&cbb, out, OCSP_REQUEST_CAP))
        return ERR_MEMORY;
    const bool is_written = CBB_add_asn1(&cbb, &request, CBS_ASN1_SEQUENCE) &&
                            CBB_add_asn1(&request, &tbs, CBS_ASN1_SEQUENCE) &&
                            CBB_add_asn1(&tbs, &list, CBS_ASN1_SEQUENCE) &&
                            add_certificate(&list, subject, key_bits) && CBB_flush(&tbs) &&
                            (nonce.len == 0 || add_nonce(&tbs, nonce)) &&
                            CBB_finish(&cbb, NULL, out_len);
    if (!is_written)
        CBB_cleanup(&cbb);
    return is_written ? ERR_OK : ERR_MEMORY;
}
