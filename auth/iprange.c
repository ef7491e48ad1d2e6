// The special-purpose ranges as tables, one row a range, to be read against the registries:
//
//   https://www.iana.org/assignments/iana-ipv4-special-registry
//   https://www.iana.org/assignments/iana-ipv6-special-registry
//   https://www.iana.org/assignments/ipv6-address-space
//
// Every row of the registries stands here, those that IANA calls globally reachable too (anycast
// services of the IETF, AS112): nobody needs a proxy to get there. For IPv6 the tables cover all
// that is outside 2000::/3. Knows no rules and no configuration.
#include "auth/iprange.h"

#include "auth/base/err.h"

struct ip_range {
    struct ip_prefix prefix;
    enum ip_class ip_class;
    const char *name;
};

#define V4(a, b, c, d, bits)                                                                       \
    {                                                                                              \
        .addr = {.family = IP_V4, .bytes = {a, b, c, d}}, .length = (bits)                         \
    }
#define PAIR(group) (uint8_t)((group) >> 8), (uint8_t)((group)&0xFF)
#define V6(a, b, c, d, e, f, g, h, bits)                                                           \
    {                                                                                              \
        .addr = {.family = IP_V6,                                                                  \
                 .bytes = {PAIR(a), PAIR(b), PAIR(c), PAIR(d), PAIR(e), PAIR(f), PAIR(g),          \
                           PAIR(h)}},                                                              \
        .length = (bits)                                                                           \
    }

// Never reachable, whatever the rules say.
static const struct ip_range always_closed[] = {
    {V4(0, 0, 0, 0, 32), IP_CLASS_CLOSED, "unspecified"},
    {V4(224, 0, 0, 0, 4), IP_CLASS_CLOSED, "multicast"},
    {V4(255, 255, 255, 255, 32), IP_CLASS_CLOSED, "broadcast"},
    {V6(0, 0, 0, 0, 0, 0, 0, 0, 128), IP_CLASS_CLOSED, "unspecified"},
    {V6(0xFF00, 0, 0, 0, 0, 0, 0, 0, 8), IP_CLASS_CLOSED, "multicast"},
    {V4(169, 254, 169, 254, 32), IP_CLASS_METADATA, "metadata (most clouds)"},
    {V4(169, 254, 170, 2, 32), IP_CLASS_METADATA, "metadata (AWS ECS)"},
    {V4(169, 254, 170, 23, 32), IP_CLASS_METADATA, "metadata (AWS EKS)"},
    {V4(169, 254, 42, 42, 32), IP_CLASS_METADATA, "metadata (Scaleway)"},
    {V4(168, 63, 129, 16, 32), IP_CLASS_METADATA, "metadata (Azure)"},
    {V4(100, 100, 100, 200, 32), IP_CLASS_METADATA, "metadata (Alibaba)"},
    {V4(192, 0, 0, 192, 32), IP_CLASS_METADATA, "metadata (Oracle)"},
    {V6(0xFD00, 0x0EC2, 0, 0, 0, 0, 0, 0x254, 128), IP_CLASS_METADATA, "metadata (AWS)"},
    {V6(0xFD00, 0x0EC2, 0, 0, 0, 0, 0, 0x23, 128), IP_CLASS_METADATA, "metadata (AWS EKS)"},
    {V6(0xFD20, 0x00CE, 0, 0, 0, 0, 0, 0x254, 128), IP_CLASS_METADATA, "metadata (Google)"},
};

static const struct ip_range special[] = {
    {V4(0, 0, 0, 0, 8), IP_CLASS_SPECIAL, "this network"},
    {V4(10, 0, 0, 0, 8), IP_CLASS_SPECIAL, "private use"},
    {V4(100, 64, 0, 0, 10), IP_CLASS_SPECIAL, "shared address space"},
    {V4(127, 0, 0, 0, 8), IP_CLASS_SPECIAL, "loopback"},
    {V4(169, 254, 0, 0, 16), IP_CLASS_SPECIAL, "link-local"},
    {V4(172, 16, 0, 0, 12), IP_CLASS_SPECIAL, "private use"},
    {V4(192, 0, 0, 0, 24), IP_CLASS_SPECIAL, "IETF protocol assignments"},
    {V4(192, 0, 0, 0, 29), IP_CLASS_SPECIAL, "IPv4 service continuity"},
    {V4(192, 0, 0, 8, 32), IP_CLASS_SPECIAL, "IPv4 dummy address"},
    {V4(192, 0, 0, 9, 32), IP_CLASS_SPECIAL, "port control protocol anycast"},
    {V4(192, 0, 0, 10, 32), IP_CLASS_SPECIAL, "TURN anycast"},
    {V4(192, 0, 0, 170, 31), IP_CLASS_SPECIAL, "NAT64 discovery"},
    {V4(192, 0, 2, 0, 24), IP_CLASS_SPECIAL, "documentation"},
    {V4(192, 31, 196, 0, 24), IP_CLASS_SPECIAL, "AS112"},
    {V4(192, 52, 193, 0, 24), IP_CLASS_SPECIAL, "AMT"},
    {V4(192, 88, 99, 0, 24), IP_CLASS_SPECIAL, "6to4 relay anycast"},
    {V4(192, 88, 99, 2, 32), IP_CLASS_SPECIAL, "6a44 relay anycast"},
    {V4(192, 168, 0, 0, 16), IP_CLASS_SPECIAL, "private use"},
    {V4(192, 175, 48, 0, 24), IP_CLASS_SPECIAL, "AS112"},
    {V4(198, 18, 0, 0, 15), IP_CLASS_SPECIAL, "benchmarking"},
    {V4(198, 51, 100, 0, 24), IP_CLASS_SPECIAL, "documentation"},
    {V4(203, 0, 113, 0, 24), IP_CLASS_SPECIAL, "documentation"},
    {V4(240, 0, 0, 0, 4), IP_CLASS_SPECIAL, "reserved"},
    {V6(0, 0, 0, 0, 0, 0, 0, 1, 128), IP_CLASS_SPECIAL, "loopback"},
    {V6(0, 0, 0, 0, 0, 0, 0, 0, 96), IP_CLASS_SPECIAL, "IPv4-compatible"},
    {V6(0, 0, 0, 0, 0, 0xFFFF, 0, 0, 96), IP_CLASS_SPECIAL, "IPv4-mapped"},
    {V6(0, 0, 0, 0, 0xFFFF, 0, 0, 0, 96), IP_CLASS_SPECIAL, "IPv4-translated"},
    {V6(0x64, 0xFF9B, 0, 0, 0, 0, 0, 0, 96), IP_CLASS_SPECIAL, "NAT64"},
    {V6(0x64, 0xFF9B, 1, 0, 0, 0, 0, 0, 48), IP_CLASS_SPECIAL, "local-use NAT64"},
    {V6(0x100, 0, 0, 0, 0, 0, 0, 0, 64), IP_CLASS_SPECIAL, "discard-only"},
    {V6(0x100, 0, 0, 1, 0, 0, 0, 0, 64), IP_CLASS_SPECIAL, "IPv6 dummy prefix"},
    {V6(0x2001, 0, 0, 0, 0, 0, 0, 0, 23), IP_CLASS_SPECIAL, "IETF protocol assignments"},
    {V6(0x2001, 0, 0, 0, 0, 0, 0, 0, 32), IP_CLASS_SPECIAL, "Teredo"},
    {V6(0x2001, 1, 0, 0, 0, 0, 0, 1, 128), IP_CLASS_SPECIAL, "port control protocol anycast"},
    {V6(0x2001, 1, 0, 0, 0, 0, 0, 2, 128), IP_CLASS_SPECIAL, "TURN anycast"},
    {V6(0x2001, 1, 0, 0, 0, 0, 0, 3, 128), IP_CLASS_SPECIAL, "service registration anycast"},
    {V6(0x2001, 2, 0, 0, 0, 0, 0, 0, 48), IP_CLASS_SPECIAL, "benchmarking"},
    {V6(0x2001, 3, 0, 0, 0, 0, 0, 0, 32), IP_CLASS_SPECIAL, "AMT"},
    {V6(0x2001, 4, 0x112, 0, 0, 0, 0, 0, 48), IP_CLASS_SPECIAL, "AS112"},
    {V6(0x2001, 0x10, 0, 0, 0, 0, 0, 0, 28), IP_CLASS_SPECIAL, "ORCHID"},
    {V6(0x2001, 0x20, 0, 0, 0, 0, 0, 0, 28), IP_CLASS_SPECIAL, "ORCHIDv2"},
    {V6(0x2001, 0x30, 0, 0, 0, 0, 0, 0, 28), IP_CLASS_SPECIAL, "drone remote id"},
    {V6(0x2001, 0xDB8, 0, 0, 0, 0, 0, 0, 32), IP_CLASS_SPECIAL, "documentation"},
    {V6(0x2002, 0, 0, 0, 0, 0, 0, 0, 16), IP_CLASS_SPECIAL, "6to4"},
    {V6(0x2620, 0x4F, 0x8000, 0, 0, 0, 0, 0, 48), IP_CLASS_SPECIAL, "AS112"},
    {V6(0x3FFF, 0, 0, 0, 0, 0, 0, 0, 20), IP_CLASS_SPECIAL, "documentation"},
    {V6(0x5F00, 0, 0, 0, 0, 0, 0, 0, 16), IP_CLASS_SPECIAL, "segment routing"},
    {V6(0xFC00, 0, 0, 0, 0, 0, 0, 0, 7), IP_CLASS_SPECIAL, "unique local"},
    {V6(0xFE80, 0, 0, 0, 0, 0, 0, 0, 10), IP_CLASS_SPECIAL, "link-local"},
    {V6(0xFEC0, 0, 0, 0, 0, 0, 0, 0, 10), IP_CLASS_SPECIAL, "site-local"},
    // The rest of what is outside 2000::/3, in the blocks of the address space registry.
    {V6(0x0000, 0, 0, 0, 0, 0, 0, 0, 8), IP_CLASS_SPECIAL, "unassigned"},
    {V6(0x0100, 0, 0, 0, 0, 0, 0, 0, 8), IP_CLASS_SPECIAL, "unassigned"},
    {V6(0x0200, 0, 0, 0, 0, 0, 0, 0, 7), IP_CLASS_SPECIAL, "unassigned"},
    {V6(0x0400, 0, 0, 0, 0, 0, 0, 0, 6), IP_CLASS_SPECIAL, "unassigned"},
    {V6(0x0800, 0, 0, 0, 0, 0, 0, 0, 5), IP_CLASS_SPECIAL, "unassigned"},
    {V6(0x1000, 0, 0, 0, 0, 0, 0, 0, 4), IP_CLASS_SPECIAL, "unassigned"},
    {V6(0x4000, 0, 0, 0, 0, 0, 0, 0, 3), IP_CLASS_SPECIAL, "unassigned"},
    {V6(0x6000, 0, 0, 0, 0, 0, 0, 0, 3), IP_CLASS_SPECIAL, "unassigned"},
    {V6(0x8000, 0, 0, 0, 0, 0, 0, 0, 3), IP_CLASS_SPECIAL, "unassigned"},
    {V6(0xA000, 0, 0, 0, 0, 0, 0, 0, 3), IP_CLASS_SPECIAL, "unassigned"},
    {V6(0xC000, 0, 0, 0, 0, 0, 0, 0, 3), IP_CLASS_SPECIAL, "unassigned"},
    {V6(0xE000, 0, 0, 0, 0, 0, 0, 0, 4), IP_CLASS_SPECIAL, "unassigned"},
    {V6(0xF000, 0, 0, 0, 0, 0, 0, 0, 5), IP_CLASS_SPECIAL, "unassigned"},
    {V6(0xF800, 0, 0, 0, 0, 0, 0, 0, 6), IP_CLASS_SPECIAL, "unassigned"},
    {V6(0xFE00, 0, 0, 0, 0, 0, 0, 0, 9), IP_CLASS_SPECIAL, "unassigned"},
};

// no_address is the range of what is no address at all: a zeroed value is never reachable.
static const struct ip_range no_address = {.ip_class = IP_CLASS_CLOSED, .name = "no address"};

enum {
    CLOSED_COUNT = sizeof always_closed / sizeof always_closed[0],
    SPECIAL_COUNT = sizeof special / sizeof special[0],
};

// narrowest_range gives the longest of `count` ranges around `addr`, or NULL.
static const struct ip_range *narrowest_range(const struct ip_range *rows, size_t count,
                                              const struct ip_addr *addr)
{
    const struct ip_range *best = NULL;
    for (size_t i = 0; i < count; i++) {
        if (ip_prefix_contains(&rows[i].prefix, addr) &&
            (best == NULL || rows[i].prefix.length > best->prefix.length))
            best = &rows[i];
    }
    return best;
}

// may_be_listed tells whether some row could hold the address, by its first bytes: most addresses that
// are asked about are ordinary, and end here. Every first byte, or first two, of the rows stands here.
static bool may_be_listed(const struct ip_addr *addr)
{
    const uint8_t first = addr->bytes[0];
    const uint8_t second = addr->bytes[1];
    if (addr->family == IP_V6)
        return (first & 0xE0) != 0x20 || (first == 0x20 && (second == 0x01 || second == 0x02)) ||
               (first == 0x26 && second == 0x20) || (first == 0x3F && second == 0xFF);
    switch (first) {
    case 0:
    case 10:
    case 100:
    case 127:
    case 168:
    case 169:
    case 172:
    case 192:
    case 198:
    case 203:
        return true;
    }
    return first >= 224;
}

// range_of gives the range that decides about `addr`: closed before special; NULL when ordinary.
static const struct ip_range *range_of(const struct ip_addr *addr)
{
    if (addr->family == IP_NONE)
        return &no_address;
    if (!may_be_listed(addr))
        return NULL;
    const struct ip_range *closed = narrowest_range(always_closed, CLOSED_COUNT, addr);
    return closed != NULL ? closed : narrowest_range(special, SPECIAL_COUNT, addr);
}

enum ip_class ip_addr_classify(const struct ip_addr *addr)
{
    const struct ip_range *range = range_of(addr);
    return range == NULL ? IP_CLASS_ORDINARY : range->ip_class;
}

const char *ip_addr_special_name(const struct ip_addr *addr)
{
    const struct ip_range *range = range_of(addr);
    return range == NULL ? NULL : range->name;
}

// Where an IPv6 range keeps the four bytes of an IPv4 address: after its first `length` bits, of which byte 8 is no
// part (RFC 6052 2.2).
struct embedding {
    struct ip_prefix prefix;
    uint8_t length; // bits: 16 to 64, or 96
    uint8_t flip;   // 0xFF where they are stored inverted
};

static const struct embedding embeddings[] = {
    {V6(0, 0, 0, 0, 0, 0xFFFF, 0, 0, 96), 96, 0},    // mapped, RFC 4291
    {V6(0, 0, 0, 0, 0, 0, 0, 0, 96), 96, 0},         // compatible, RFC 4291
    {V6(0, 0, 0, 0, 0xFFFF, 0, 0, 0, 96), 96, 0},    // translated, RFC 2765
    {V6(0x64, 0xFF9B, 0, 0, 0, 0, 0, 0, 96), 96, 0}, // NAT64, RFC 6052
    {V6(0x64, 0xFF9B, 1, 0, 0, 0, 0, 0, 48), 48, 0}, // local, RFC 8215, as /48
    {V6(0x64, 0xFF9B, 1, 0, 0, 0, 0, 0, 48), 56, 0}, // the same as /56
    {V6(0x64, 0xFF9B, 1, 0, 0, 0, 0, 0, 48), 64, 0}, // the same as /64
    {V6(0x64, 0xFF9B, 1, 0, 0, 0, 0, 0, 48), 96, 0}, // the same as /96
    {V6(0x2002, 0, 0, 0, 0, 0, 0, 0, 16), 16, 0},    // 6to4, RFC 3056
    {V6(0x2001, 0, 0, 0, 0, 0, 0, 0, 32), 32, 0},    // Teredo server, RFC 4380
    {V6(0x2001, 0, 0, 0, 0, 0, 0, 0, 32), 96, 0xFF}, // Teredo client
};

static struct ip_addr extract(const struct ip_addr *addr, unsigned length, uint8_t flip)
{
    struct ip_addr out = {.family = IP_V4};
    size_t at = length / 8;
    for (size_t i = 0; i < 4; i++, at++) {
        at += at == 8;
        out.bytes[i] = addr->bytes[at] ^ flip;
    }
    return out;
}

// is_isatap tells whether the interface identifier is one of RFC 5214 6.1, under any prefix: those
// of a site's own prefix would look ordinary.
static bool is_isatap(const struct ip_addr *addr)
{
    return addr->family == IP_V6 && (addr->bytes[8] & 0xFC) == 0 && addr->bytes[9] == 0 &&
           addr->bytes[10] == 0x5E && addr->bytes[11] == 0xFE;
}

// is_plain_zero_or_one tells whether `addr` is :: or ::1, which only look compatible.
static bool is_plain_zero_or_one(const struct ip_addr *addr)
{
    for (size_t i = 0; i + 1 < sizeof addr->bytes; i++) {
        if (addr->bytes[i] != 0)
            return false;
    }
    return addr->bytes[15] <= 1;
}

// put adds a reading to the list unless it stands there.
static void put(struct ip_addr reading, struct ip_addr out[IP_EMBEDDED_MAX], size_t *count)
{
    for (size_t i = 0; i < *count; i++) {
        if (ip_addr_equal(&out[i], &reading))
            return;
    }
    ASSERT(*count < IP_EMBEDDED_MAX);
    out[(*count)++] = reading;
}

// is_nat64_length tells whether a translator's prefix may have this length (RFC 6052 2.2).
static bool is_nat64_length(uint8_t length)
{
    return (length >= 32 && length <= 64 && length % 8 == 0) || length == 96;
}

static const struct ip_prefix local_nat64 = V6(0x64, 0xFF9B, 1, 0, 0, 0, 0, 0, 48);

// put_configured adds the readings that the site's own prefixes give, and tells whether one of them
// says how long a local prefix is.
static bool put_configured(const struct ip_addr *addr, struct nat64_list nat64,
                           struct ip_addr out[IP_EMBEDDED_MAX], size_t *count)
{
    bool names_local = false;
    for (size_t i = 0; i < nat64.count; i++) {
        const struct ip_prefix *prefix = &nat64.prefixes[i];
        if (!is_nat64_length(prefix->length) || !ip_prefix_contains(prefix, addr))
            continue;
        put(extract(addr, prefix->length, 0), out, count);
        names_local |= ip_prefix_covers(&local_nat64, prefix);
    }
    return names_local;
}

size_t ip_addr_embedded(const struct ip_addr *addr, struct nat64_list nat64,
                        struct ip_addr out[IP_EMBEDDED_MAX])
{
    if (addr->family != IP_V6 || is_plain_zero_or_one(addr))
        return 0;
    size_t count = 0;
    const bool is_named_local = put_configured(addr, nat64, out, &count);
    for (size_t i = 0; i < sizeof embeddings / sizeof embeddings[0] && !is_named_local; i++) {
        if (ip_prefix_contains(&embeddings[i].prefix, addr))
            put(extract(addr, embeddings[i].length, embeddings[i].flip), out, &count);
    }
    if (is_isatap(addr))
        put(extract(addr, 96, 0), out, &count);
    return count;
}

enum err nat64_prefix_parse(struct slice s, struct ip_prefix *out, struct errinfo *info)
{
    struct ip_prefix prefix;
    *out = (struct ip_prefix){0};
    TRY(ip_prefix_parse(s, &prefix, info));
    const int shown = (int)(s.len < 100 ? s.len : 100);
    if (prefix.addr.family != IP_V6 || !is_nat64_length(prefix.length))
        return errinfo_set(
            info, ERR_INPUT,
            "`%.*s` is not a NAT64 prefix: expected an IPv6 prefix of length 32, 40, "
            "48, 56, 64 or 96, such as 64:ff9b::/96",
            shown, (const char *)s.data);
    if (prefix.addr.bytes[8] != 0)
        return errinfo_set(info, ERR_INPUT,
                           "`%.*s` is not a NAT64 prefix: its bits 64 to 71 are zero", shown,
                           (const char *)s.data);
    *out = prefix;
    return ERR_OK;
}

bool ip_prefix_opens(const struct ip_prefix *prefix, const struct ip_addr *addr)
{
    if (!ip_prefix_contains(prefix, addr))
        return false;
    const struct ip_range *range = range_of(addr);
    if (range == NULL)
        return true;
    return range->ip_class == IP_CLASS_SPECIAL && ip_prefix_covers(&range->prefix, prefix);
}

bool ip_prefix_opens_special(const struct ip_prefix *prefix)
{
    for (size_t i = 0; i < CLOSED_COUNT; i++) {
        if (ip_prefix_covers(&always_closed[i].prefix, prefix))
            return false;
    }
    for (size_t i = 0; i < SPECIAL_COUNT; i++) {
        if (ip_prefix_covers(&special[i].prefix, prefix))
            return true;
    }
    return false;
}

const struct ip_prefix *ip_special_range_at(size_t index)
{
    return index < SPECIAL_COUNT ? &special[index].prefix : NULL;
}
