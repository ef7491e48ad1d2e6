// Fuzzes base64: what is read is written as it was, and BoringSSL, which takes other spellings too, reads the same bytes. What it
// reads from a text that it would write itself is read here.
#include <openssl/base64.h>
#include <stdlib.h>

#include "auth/base/base64.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct slice input = slice_of(data, size);
    const size_t cap = size + 4;
    uint8_t *bytes = malloc(cap);
    uint8_t *other = malloc(cap);
    char *written = malloc(cap + 1);
    size_t len = 0;
    size_t other_len = 0;
    struct text text;
    ASSERT(bytes != NULL && other != NULL && written != NULL);
    const enum err error = base64_parse(input, bytes, cap, &len);
    const bool is_read = EVP_DecodeBase64(other, &other_len, cap, data, size) == 1;
    ASSERT(error == ERR_OK || (error == ERR_INPUT && len == 0));
    text_init(&text, written, cap + 1);
    base64_append(&text, slice_of(error == ERR_OK ? bytes : other, error == ERR_OK ? len : 0));
    if (error == ERR_OK) {
        ASSERT(slice_equal(text_slice(&text), input) && text.len == base64_text_len(len));
        ASSERT(is_read && slice_equal(slice_of(other, other_len), slice_of(bytes, len)));
        ASSERT(base64_read(input, bytes, len) && !base64_read(input, bytes, len - 1));
        ASSERT(base64_parse(input, bytes, len - 1, &len) == ERR_LIMIT);
    } else if (is_read && other_len > 0) {
        base64_append(&text, slice_of(other, other_len));
        ASSERT(!slice_equal(text_slice(&text), input));
    }
    free(bytes);
    free(other);
    free(written);
    return 0;
}
