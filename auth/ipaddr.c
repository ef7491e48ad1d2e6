// The strict text forms of addresses and prefixes, and the bit arithmetic on them. Own parsers, so
// that no libc's taste for octal, hexadecimal or short forms can enter.
#include "auth/ipaddr.h"

#include "auth/base/hex.h"
#include "auth/base/text.h"

enum { V4_BYTES = 4, V6_BYTES = 16, V6_GROUPS = 8 };

// v4_mapped is ::ffff:0:0/96, the range of IPv4-mapped addresses (RFC 4291 2.5.5.2).
static const struct ip_prefix v4_mapped = {
    .addr = {.family = IP_V6, .bytes = {[10] = 0xFF, [11] = 0xFF}},
    .length = 96,
};

bool decimal_parse(struct slice s, uint64_t max, uint64_t *out)
{
    if (s.len < 1 || s.len > 19 || (s.len > 1 && s.data[0] == '0'))
        return false;
    uint64_t value = 0; // has room for 19 digits
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(s.data[i] - '0');
    }
    *out = value;
    return value <= max;
}

// parse_v4 reads a dotted quad: exactly four decimal numbers.
static bool parse_v4(struct slice s, uint8_t out[V4_BYTES])
{
    for (size_t i = 0; i < V4_BYTES; i++) {
        const size_t end = i + 1 < V4_BYTES ? slice_find(s, '.') : s.len;
        uint64_t number = 0;
        if (!decimal_parse(slice_first(s, end), 255, &number) || (i + 1 < V4_BYTES && end == s.len))
            return false;
        out[i] = (uint8_t)number;
        s = slice_from(s, end + 1);
    }
    return true;
}

// parse_group reads 1-4 hexadecimal digits.
static bool parse_group(struct slice s, uint8_t out[2])
{
    size_t digits = 0;
    if (!hex_read(s, out, 2, &digits))
        return false;
    if (digits <= 2) { // it was read as the first byte
        out[1] = out[0];
        out[0] = 0;
    }
    return true;
}

// parse_v6 reads the three forms of RFC 4291 2.2: groups with a colon between two of them, the last one may be a dotted
// quad. `::` stands for one or more groups of zeros; a second one, or a third colon, is not read.
static bool parse_v6(struct slice s, uint8_t out[V6_BYTES])
{
    uint8_t read[V6_BYTES] = {0};
    size_t len = 0;           // bytes in `read`
    size_t room = V6_BYTES;   // for `read`; with a gap one group less
    size_t gap_at = V6_BYTES; // bytes in front of the gap
    while (s.len > 0) {
        if (slice_starts_with(s, SLICE_LITERAL("::"))) {
            if (room < V6_BYTES || len == V6_BYTES)
                return false;
            room -= 2;
            gap_at = len;
            s = slice_from(s, 2);
            if (s.len == 0)
                break;
        } else if (len > 0) {
            s = slice_from(s, 1); // the colon after the group before
        }
        const size_t end = slice_find(s, ':');
        const struct slice group = slice_first(s, end);
        const bool is_quad = end == s.len && slice_find(group, '.') != group.len;
        const size_t width = is_quad ? V4_BYTES : 2;
        if (room - len < width ||
            !(is_quad ? parse_v4(group, read + len) : parse_group(group, read + len)))
            return false;
        len += width;
        s = slice_from(s, end);
    }
    if (room == V6_BYTES && len != V6_BYTES)
        return false;
    for (size_t i = 0; i < V6_BYTES; i++) {
        const size_t from_end = V6_BYTES - i;
        out[i] = i < gap_at ? read[i] : from_end > len - gap_at ? 0 : read[len - from_end];
    }
    return true;
}

enum err ip_addr_parse(struct slice s, struct ip_addr *out)
{
    struct ip_addr addr = {0};
    *out = addr;
    if (slice_find(s, ':') != s.len) {
        addr.family = IP_V6;
        if (!parse_v6(s, addr.bytes))
            return ERR_INPUT;
    } else {
        addr.family = IP_V4;
        if (!parse_v4(s, addr.bytes))
            return ERR_INPUT;
    }
    *out = addr;
    return ERR_OK;
}

static unsigned group_at(const struct ip_addr *addr, size_t index)
{
    return (unsigned)addr->bytes[2 * index] << 8 | addr->bytes[2 * index + 1];
}

// zero_run finds the run of groups that `::` replaces: the longest of two or more, the first of
// equals (RFC 5952 4.2).
static void zero_run(const struct ip_addr *addr, size_t *out_start, size_t *out_count)
{
    *out_start = V6_GROUPS;
    *out_count = 1;
    size_t count = 0;
    for (size_t i = 0; i < V6_GROUPS; i++) {
        count = group_at(addr, i) == 0 ? count + 1 : 0;
        if (count > *out_count) {
            *out_count = count;
            *out_start = i + 1 - count;
        }
    }
}

static void append_v4(struct text *text, const uint8_t bytes[V4_BYTES])
{
    text_append_format(text, "%u.%u.%u.%u", bytes[0], bytes[1], bytes[2], bytes[3]);
}

static void append_v6(struct text *text, const struct ip_addr *addr)
{
    if (ip_prefix_contains(&v4_mapped, addr)) { // RFC 5952 5: a well-known prefix, mixed notation
        text_append_string(text, "::ffff:");
        append_v4(text, addr->bytes + 12);
        return;
    }
    size_t start = 0;
    size_t count = 0;
    zero_run(addr, &start, &count);
    for (size_t i = 0; i < V6_GROUPS; i++) {
        if (i == start) {
            text_append_string(text, "::");
            i += count - 1;
            continue;
        }
        const bool after_gap = start < V6_GROUPS && i == start + count;
        text_append_format(text, i == 0 || after_gap ? "%x" : ":%x", group_at(addr, i));
    }
}

const char *ip_addr_format(const struct ip_addr *addr, char out[IP_TEXT_CAP])
{
    struct text text;
    text_init(&text, out, IP_TEXT_CAP);
    if (addr->family == IP_V4)
        append_v4(&text, addr->bytes);
    else if (addr->family == IP_V6)
        append_v6(&text, addr);
    return out;
}

bool ip_addr_equal(const struct ip_addr *a, const struct ip_addr *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

bool ip_addr_is_loopback(const struct ip_addr *addr)
{
    static const struct ip_prefix v4 = {.addr = {.family = IP_V4, .bytes = {127}}, .length = 8};
    static const struct ip_addr v6 = {.family = IP_V6, .bytes = {[15] = 1}};
    return ip_prefix_contains(&v4, addr) || ip_addr_equal(&v6, addr);
}

bool ip_addr_is_any(const struct ip_addr *addr)
{
    static const struct ip_addr any;
    return memcmp(addr->bytes, any.bytes, sizeof any.bytes) == 0;
}

struct slice ip_addr_slice(const struct ip_addr *addr)
{
    return slice_of(addr->bytes, addr->family == IP_V4 ? V4_BYTES : V6_BYTES);
}

struct ip_addr ip_addr_canonical(const struct ip_addr *addr)
{
    if (!ip_prefix_contains(&v4_mapped, addr))
        return *addr;
    struct ip_addr out = {.family = IP_V4};
    for (size_t i = 0; i < V4_BYTES; i++)
        out.bytes[i] = addr->bytes[12 + i];
    return out;
}

// clear_host_bits sets the bits after the first `length` to zero and tells whether any was set.
static bool clear_host_bits(struct ip_addr *addr, unsigned length)
{
    bool any = false;
    for (unsigned i = 0; i < V6_BYTES; i++) {
        const unsigned kept = length >= 8 * (i + 1) ? 8 : length > 8 * i ? length - 8 * i : 0;
        const uint8_t host = (uint8_t)(0xFF >> kept);
        any = any || (addr->bytes[i] & host) != 0;
        addr->bytes[i] = (uint8_t)(addr->bytes[i] & ~host);
    }
    return any;
}

// show_length bounds what a message repeats of a value from a file.
static int show_length(struct slice s)
{
    return (int)(s.len < 64 ? s.len : 64);
}

// refuse_mapped says how to write the IPv4 prefix that hides in a mapped one.
static enum err refuse_mapped(const struct ip_prefix *prefix, struct errinfo *info)
{
    const struct ip_prefix plain = {.addr = ip_addr_canonical(&prefix->addr),
                                    .length = (uint8_t)(prefix->length - v4_mapped.length)};
    char text[IP_PREFIX_TEXT_CAP];
    return errinfo_set(info, ERR_INPUT, "an IPv4-mapped range is written in plain IPv4: write `%s`",
                       ip_prefix_format(&plain, text));
}

enum err ip_prefix_parse(struct slice s, struct ip_prefix *out, struct errinfo *info)
{
    *out = (struct ip_prefix){0};
    const size_t slash = slice_find(s, '/');
    struct ip_prefix prefix = {0};
    if (ip_addr_parse(slice_first(s, slash), &prefix.addr) != ERR_OK)
        return errinfo_set(info, ERR_INPUT,
                           "`%.*s` is not an address range: write it like 192.0.2.0/24, "
                           "2001:db8::/32, or as one address without leading zeros",
                           show_length(s), (const char *)s.data);
    const unsigned bits = 8 * (unsigned)ip_addr_slice(&prefix.addr).len;
    uint64_t length = bits;
    if (slash != s.len && !decimal_parse(slice_from(s, slash + 1), bits, &length))
        return errinfo_set(
            info, ERR_INPUT,
            "`%.*s` has no valid prefix length: write a number from 0 to %u after the slash",
            show_length(s), (const char *)s.data, bits);
    prefix.length = (uint8_t)length;
    char text[IP_PREFIX_TEXT_CAP];
    if (clear_host_bits(&prefix.addr, prefix.length))
        return errinfo_set(info, ERR_INPUT,
                           "`%.*s` has bits set after its prefix: write `%s`, or /%u for the one "
                           "address",
                           show_length(s), (const char *)s.data, ip_prefix_format(&prefix, text),
                           bits);
    if (ip_prefix_covers(&v4_mapped, &prefix))
        return refuse_mapped(&prefix, info);
    *out = prefix;
    return ERR_OK;
}

const char *ip_prefix_format(const struct ip_prefix *prefix, char out[IP_PREFIX_TEXT_CAP])
{
    char addr[IP_TEXT_CAP];
    struct text text;
    text_init(&text, out, IP_PREFIX_TEXT_CAP);
    text_append_format(&text, "%s/%u", ip_addr_format(&prefix->addr, addr), prefix->length);
    return out;
}

bool ip_prefix_contains(const struct ip_prefix *prefix, const struct ip_addr *addr)
{
    if (addr->family == IP_NONE || prefix->addr.family != addr->family)
        return false;
    const size_t whole = prefix->length / 8;
    const unsigned rest = prefix->length % 8;
    for (size_t i = 0; i < whole; i++) { // most differ in the first bytes: quicker than memcmp
        if (prefix->addr.bytes[i] != addr->bytes[i])
            return false;
    }
    if (rest == 0)
        return true;
    const unsigned mask = 0xFF00U >> rest;
    return ((prefix->addr.bytes[whole] ^ addr->bytes[whole]) & mask & 0xFF) == 0;
}

bool ip_prefix_covers(const struct ip_prefix *outer, const struct ip_prefix *inner)
{
    return outer->length <= inner->length && ip_prefix_contains(outer, &inner->addr);
}
