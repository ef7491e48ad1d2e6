// Fuzzes signable_by_tls: what is accepted is no certificate, and not what another protocol would sign.
#include <openssl/bytestring.h>

#include "auth/base/err.h"
#include "proxy/keys/signable.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// is_certificate tells whether a message begins as a certificate to be signed does (RFC 5280 4.1), and is nothing else.
static bool is_certificate(struct slice message)
{
    CBS cbs;
    CBS all;
    CBS_init(&cbs, message.data, message.len);
    return CBS_get_asn1(&cbs, &all, CBS_ASN1_SEQUENCE) && CBS_len(&cbs) == 0 &&
           CBS_get_optional_asn1(&all, NULL, NULL,
                                 CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 0) &&
           CBS_get_asn1(&all, NULL, CBS_ASN1_INTEGER) &&
           CBS_get_asn1(&all, NULL, CBS_ASN1_SEQUENCE) &&
           CBS_get_asn1(&all, NULL, CBS_ASN1_SEQUENCE) &&
           CBS_get_asn1(&all, NULL, CBS_ASN1_SEQUENCE) &&
           CBS_get_asn1(&all, NULL, CBS_ASN1_SEQUENCE) &&
           CBS_get_asn1(&all, NULL, CBS_ASN1_SEQUENCE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct slice message = slice_of(data, size);
    if (signable_by_tls(message) == SIGNABLE_NOT)
        return 0;
    ASSERT(size >= 12);
    ASSERT(data[0] == ' ' || data[0] == 1 || size <= 64 + 4 + 97);
    ASSERT(!is_certificate(message));
    return 0;
}
