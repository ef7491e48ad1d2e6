// Fuzzes addresses and prefixes: the text form (round trip) and, with the same bytes taken as raw
// addresses, the classes, embeddings and prefix arithmetic.

#include "auth/iprange.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_class(const struct ip_addr *addr)
{
    const enum ip_class ip_class = ip_addr_classify(addr);
    const struct ip_prefix self = {*addr, addr->family == IP_V4 ? 32 : 128};
    const struct ip_prefix all = {{.family = addr->family}, 0};
    ASSERT((ip_addr_special_name(addr) == NULL) == (ip_class == IP_CLASS_ORDINARY));
    ASSERT(ip_prefix_contains(&self, addr) && ip_prefix_contains(&all, addr));
    ASSERT(ip_prefix_covers(&all, &self));
    ASSERT(ip_prefix_opens(&all, addr) == (ip_class == IP_CLASS_ORDINARY));
    ASSERT(ip_prefix_opens(&self, addr) ==
           (ip_class == IP_CLASS_ORDINARY || ip_class == IP_CLASS_SPECIAL));
    ASSERT(ip_prefix_opens_special(&self) == (ip_class == IP_CLASS_SPECIAL));
}

static void check_embedded(const struct ip_addr *addr)
{
    struct ip_addr inner[IP_EMBEDDED_MAX];
    const size_t count = ip_addr_embedded(addr, (struct nat64_list){0}, inner);
    const struct ip_addr canonical = ip_addr_canonical(addr);
    ASSERT(count <= IP_EMBEDDED_MAX && (addr->family == IP_V6 || count == 0));
    for (size_t i = 0; i < count; i++) {
        struct ip_addr none[IP_EMBEDDED_MAX];
        ASSERT(inner[i].family == IP_V4 &&
               ip_addr_embedded(&inner[i], (struct nat64_list){0}, none) == 0);
        check_class(&inner[i]);
    }
    if (!ip_addr_equal(&canonical, addr))
        ASSERT(count == 1 && ip_addr_equal(&canonical, &inner[0]));
}

static void check_address(const struct ip_addr *addr)
{
    char text[IP_TEXT_CAP];
    struct ip_addr again;
    ASSERT(ip_addr_parse(slice_of_string(ip_addr_format(addr, text)), &again) == ERR_OK);
    ASSERT(ip_addr_equal(addr, &again));
    check_class(addr);
    check_embedded(addr);
}

static void check_prefix(struct slice input)
{
    char text[IP_PREFIX_TEXT_CAP];
    struct ip_prefix prefix;
    struct ip_prefix again;
    struct errinfo info = {.text = ""};
    if (ip_prefix_parse(input, &prefix, &info) != ERR_OK) {
        ASSERT(info.text[0] != '\0');
        return;
    }
    ASSERT(ip_prefix_contains(&prefix, &prefix.addr));
    ASSERT(ip_prefix_parse(slice_of_string(ip_prefix_format(&prefix, text)), &again, &info) ==
           ERR_OK);
    ASSERT(again.length == prefix.length && ip_addr_equal(&again.addr, &prefix.addr));
    check_address(&prefix.addr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct slice input = slice_of(data, size);
    struct ip_addr addr;
    if (ip_addr_parse(input, &addr) == ERR_OK)
        check_address(&addr);
    check_prefix(input);
    struct ip_addr raw = {.family = IP_V4};
    if (bytes_copy(raw.bytes, 4, slice_first(input, 4)))
        check_address(&raw);
    raw = (struct ip_addr){.family = IP_V6};
    if (bytes_copy(raw.bytes, sizeof raw.bytes, slice_first(input, sizeof raw.bytes)))
        check_address(&raw);
    return 0;
}
