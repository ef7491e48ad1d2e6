// Fuzzes host names and patterns: `pattern \n name`. One canonical form, which is a fixed point,
// and which a pattern made of the name itself matches.

#include "auth/hostname.h"
#include "auth/ipaddr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_name(struct slice input, const struct hostname *name)
{
    struct hostname again;
    struct ip_addr addr;
    ASSERT(name->len >= 1 && name->len <= HOSTNAME_MAX_LEN && name->text[name->len] == '\0');
    ASSERT(hostname_parse(hostname_slice(name), &again) == ERR_OK);
    ASSERT(slice_equal(hostname_slice(name), hostname_slice(&again)));
    ASSERT(ip_addr_parse(hostname_slice(name), &addr) != ERR_OK);
    ASSERT(slice_equal_ignore_case(slice_first(input, name->len), hostname_slice(name)));
}

static void check_own_pattern(const struct hostname *name)
{
    struct host_pattern pattern;
    struct errinfo info;
    ASSERT(host_pattern_parse(hostname_slice(name), &pattern, &info) == ERR_OK);
    ASSERT(pattern.kind == HOST_PATTERN_EXACT && host_pattern_matches(&pattern, name));
    pattern.kind = HOST_PATTERN_SUFFIX;
    ASSERT(!host_pattern_matches(&pattern, name));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct slice input = slice_of(data, size);
    const size_t end = slice_find(input, '\n');
    struct hostname name;
    struct host_pattern pattern;
    struct errinfo info = {.text = ""};
    const bool is_name = hostname_parse(slice_from(input, end + 1), &name) == ERR_OK;
    const bool is_pattern = host_pattern_parse(slice_first(input, end), &pattern, &info) == ERR_OK;
    ASSERT(is_pattern || info.text[0] != '\0');
    if (is_name) {
        check_name(slice_from(input, end + 1), &name);
        check_own_pattern(&name);
    }
    if (is_name && is_pattern && host_pattern_matches(&pattern, &name)) {
        ASSERT(pattern.kind == HOST_PATTERN_ANY ||
               slice_ends_with(hostname_slice(&name), hostname_slice(&pattern.name)));
    }
    return 0;
}
