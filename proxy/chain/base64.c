// BoringSSL's coder; what is read is written again and compared, so that no value has two spellings.
#include "proxy/chain/base64.h"

#include <openssl/base64.h>

enum { TEXT_MAX = (BASE64_BYTES_MAX + 2) / 3 * 4 };

static size_t encode(struct slice bytes, uint8_t out[TEXT_MAX + 1])
{
    ASSERT(bytes.len <= BASE64_BYTES_MAX);
    return EVP_EncodeBlock(out, bytes.data, bytes.len);
}

void base64_append(struct text *out, struct slice bytes)
{
    uint8_t data[TEXT_MAX + 1];
    const size_t len = encode(bytes, data);
    text_append(out, slice_of(data, len));
}

bool base64_read(struct slice text, uint8_t *out, size_t len)
{
    uint8_t bytes[TEXT_MAX];
    uint8_t again[TEXT_MAX + 1];
    size_t count = 0;
    if (len > BASE64_BYTES_MAX || text.len != (len + 2) / 3 * 4 ||
        !EVP_DecodeBase64(bytes, &count, sizeof bytes, text.data, text.len) || count != len)
        return false;
    return slice_equal(slice_of(again, encode(slice_of(bytes, len), again)), text) &&
           bytes_copy(out, len, slice_of(bytes, len));
}
