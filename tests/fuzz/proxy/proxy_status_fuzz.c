// Fuzzes proxy_status_last: what it gives lies within the value, and a member that follows takes the place of any before it.
#include <stdlib.h>
#include <string.h>

#include "auth/base/err.h"
#include "proxy/http/proxy_status.h"

enum { INPUT_MAX = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_within(struct slice part, struct slice value)
{
    ASSERT(part.len == 0 ||
           (part.data >= value.data && part.data + part.len <= value.data + value.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct slice ours = {(const uint8_t *)", sallyport; details=\"x\"", 24};
    uint8_t longer[INPUT_MAX + 64];
    const struct slice input = slice_of(data, size < INPUT_MAX ? size : INPUT_MAX);
    const struct proxy_status_member member = proxy_status_last(input);
    check_within(member.name, input);
    check_within(member.details, input);
    ASSERT(bytes_copy(longer, sizeof longer, input));
    ASSERT(bytes_copy(longer + input.len, sizeof longer - input.len, ours));
    const struct proxy_status_member last =
        proxy_status_last(slice_of(longer, input.len + ours.len));
    if (member.name.len > 0) // it was well-formed
        ASSERT(slice_equal(last.name, SLICE_LITERAL("sallyport")) &&
               slice_equal(last.details, SLICE_LITERAL("x")));
    return 0;
}
