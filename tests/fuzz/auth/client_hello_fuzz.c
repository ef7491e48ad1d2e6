// Fuzzes client_hello_read. An answer once given is never taken back by more bytes, `needed` never asks for too much, and
// it does not matter into how many records the message is cut.
#include <stdlib.h>

#include "auth/client_hello.h"

enum { INPUT_MAX = 2 * CLIENT_HELLO_MAX_LEN, PREFIXES = 256 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t scratch[CLIENT_HELLO_MAX_LEN];

// check_prefix reads the first `len` bytes, copied so that reading one too far is seen.
static void check_prefix(struct slice input, size_t len, enum client_hello_status whole,
                         size_t whole_len)
{
    struct client_hello hello;
    uint8_t *copy = malloc(len == 0 ? 1 : len);
    ASSERT(copy != NULL && bytes_copy(copy, len, slice_first(input, len)));
    const enum client_hello_status status = client_hello_read(slice_of(copy, len), scratch, &hello);
    ASSERT(status == CLIENT_HELLO_PARTIAL || status == whole);
    if (status == CLIENT_HELLO_PARTIAL)
        ASSERT(hello.needed > len && hello.needed <= CLIENT_HELLO_MAX_LEN);
    if (whole == CLIENT_HELLO_READ)
        ASSERT((status == CLIENT_HELLO_READ) == (len >= whole_len));
    if (status == CLIENT_HELLO_PARTIAL && whole == CLIENT_HELLO_READ)
        ASSERT(hello.needed <= whole_len);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct slice input = slice_of(data, size < INPUT_MAX ? size : INPUT_MAX);
    struct client_hello hello;
    const enum client_hello_status status = client_hello_read(input, scratch, &hello);
    if (status == CLIENT_HELLO_READ) {
        struct hostname again;
        ASSERT(hello.len <= input.len && hello.len <= CLIENT_HELLO_MAX_LEN);
        if (hello.naming == CLIENT_HELLO_NAMED)
            ASSERT(hostname_parse(hostname_slice(&hello.name), &again) == ERR_OK);
    }
    if (status == CLIENT_HELLO_PARTIAL)
        ASSERT(hello.needed > input.len);
    const size_t step = 1 + input.len / PREFIXES;
    for (size_t len = 0; len < input.len; len += step)
        check_prefix(input, len, status, hello.len);
    return 0;
}
