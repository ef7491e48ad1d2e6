// A digest that must be that of the list.
#include "auth/crl_mark.h"

#include <openssl/sha.h>

void crl_mark_make(struct slice list, const uint8_t signer[CERT_DIGEST_LEN],
                   uint8_t out[CRL_MARK_LEN])
{
    SHA256(list.data, list.len, out);
    ASSERT(bytes_copy(out + CERT_DIGEST_LEN, CERT_DIGEST_LEN, slice_of(signer, CERT_DIGEST_LEN)));
}

const uint8_t *crl_mark_signer(struct slice mark, struct slice list)
{
    uint8_t digest[CERT_DIGEST_LEN];
    if (mark.len != CRL_MARK_LEN)
        return NULL;
    SHA256(list.data, list.len, digest);
    return slice_starts_with(mark, slice_of(digest, sizeof digest)) ? mark.data + CERT_DIGEST_LEN
                                                                    : NULL;
}
