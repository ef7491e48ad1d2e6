// Fuzzes target_parse: what is accepted has one canonical spelling, and that spelling reads back as
// the same target.
#include <stdio.h>

#include "auth/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same(const struct target *a, const struct target *b)
{
    return a->port == b->port && target_equal_host(a, b);
}

// check_canonical tells that nothing ambiguous got through.
static void check_canonical(const struct target *target, const char *host)
{
    const size_t len = strlen(host);
    struct ip_addr addr;
    const bool is_address = ip_addr_parse(slice_of(host, len), &addr) == ERR_OK;
    ASSERT(target->port != 0);
    ASSERT(is_address == (target->kind == TARGET_ADDRESS));
    for (size_t i = 0; i < len; i++)
        ASSERT(host[i] > ' ' && host[i] < 0x7F && !(host[i] >= 'A' && host[i] <= 'Z'));
    if (target->kind == TARGET_NAME)
        ASSERT(len == target->name.len && host[len - 1] != '.' && strchr(host, ':') == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct slice input = slice_of(data, size);
    struct target target;
    struct target again;
    char host[TARGET_TEXT_CAP];
    char authority[TARGET_TEXT_CAP + 16];
    if (target_host_parse(input, &target) == ERR_OK)
        ASSERT(target.port == 0);
    if (target_parse(input, &target) != ERR_OK)
        return 0;
    check_canonical(&target, target_format_host(&target, host));
    const bool needs_brackets = target.kind == TARGET_ADDRESS && target.address.family == IP_V6;
    (void)snprintf(authority, sizeof authority, needs_brackets ? "[%s]:%u" : "%s:%u", host,
                   target.port);
    ASSERT(target_parse(slice_of_string(authority), &again) == ERR_OK);
    ASSERT(same(&target, &again));
    return 0;
}
