// Fuzzes proxy_header_parse: what it says does not depend on how the bytes arrive, it never waits for ever, it never takes a
// byte that it was not shown, and what it takes for a client's address is one.
#include "auth/iprange.h"
#include "proxy/net/proxy_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_header(const struct proxy_header *header, size_t len)
{
    ASSERT(header->len > 0 && header->len <= len && header->len <= PROXY_HEADER_MAX_LEN);
    ASSERT(header->is_unknown == (header->source.family == IP_NONE));
    if (header->is_unknown)
        return;
    const struct ip_addr canonical = ip_addr_canonical(&header->source);
    ASSERT(ip_addr_equal(&canonical, &header->source));
    ASSERT(ip_addr_classify(&header->source) != IP_CLASS_CLOSED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct slice input = slice_first(slice_of(data, size), PROXY_HEADER_MAX_LEN + 64);
    struct proxy_header whole;
    struct proxy_header header;
    const char *why = NULL;
    const enum proxy_header_status last = proxy_header_parse(input, &whole, &why);
    ASSERT(last != PROXY_HEADER_BAD || why != NULL);
    ASSERT(last != PROXY_HEADER_MORE || input.len < PROXY_HEADER_MAX_LEN);
    if (last == PROXY_HEADER_OK)
        check_header(&whole, input.len);
    for (size_t len = 0; len < input.len; len++) {
        const enum proxy_header_status status =
            proxy_header_parse(slice_first(input, len), &header, &why);
        if (status == PROXY_HEADER_MORE)
            continue;
        ASSERT(status == last); // it stays what it is, whatever follows
        ASSERT(status == PROXY_HEADER_BAD || (len == whole.len && header.port == whole.port &&
                                              ip_addr_equal(&header.source, &whole.source)));
        break;
    }
    return 0;
}
