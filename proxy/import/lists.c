// Pairs are compared one by one, up to a bound.
#include "proxy/import/lists.h"

enum {
    PAIRS_MAX = 1000 * 1000, // compared at a time
    WIDE_V4 = 4,             // bits of a prefix below which it is a large part of all addresses
    WIDE_V6 = 4,
};

void import_hosts_add(struct import_notes *notes, struct import_hosts *hosts, struct slice name,
                      bool is_suffix)
{
    struct import_host *items =
        import_grow(notes, hosts->items, hosts->count, &hosts->cap, sizeof *items);
    if (items == NULL)
        return;
    hosts->items = items;
    items[hosts->count++] = (struct import_host){
        .name = slice_of(import_copy(notes, name), name.len), .is_suffix = is_suffix};
    if (notes->is_out_of_memory)
        hosts->count--;
}

void import_prefixes_add(struct import_notes *notes, struct import_prefixes *prefixes,
                         const struct ip_prefix *prefix)
{
    struct ip_prefix *items =
        import_grow(notes, prefixes->items, prefixes->count, &prefixes->cap, sizeof *items);
    if (items == NULL)
        return;
    prefixes->items = items;
    items[prefixes->count++] = *prefix;
}

// is_below tells whether `name` has labels in front of `parent`.
static bool is_below(struct slice name, struct slice parent)
{
    return name.len > parent.len + 1 && slice_ends_with(name, parent) &&
           name.data[name.len - parent.len - 1] == '.';
}

// host_meet tells whether a name can be both, and gives the narrower of the two.
static bool host_meet(const struct import_host *a, const struct import_host *b,
                      struct import_host *out)
{
    const bool is_equal = slice_equal(a->name, b->name);
    *out = *a;
    if (is_equal)
        return a->is_suffix == b->is_suffix;
    if (b->is_suffix && is_below(a->name, b->name))
        return true;
    *out = *b;
    return a->is_suffix && is_below(b->name, a->name);
}

static bool is_too_much(size_t a, size_t b)
{
    return b != 0 && a > PAIRS_MAX / b;
}

bool import_hosts_meet(struct import_notes *notes, const struct import_hosts *a,
                       const struct import_hosts *b, struct import_hosts *out)
{
    if (is_too_much(a->count, b->count))
        return false;
    for (size_t i = 0; i < a->count; i++) {
        for (size_t k = 0; k < b->count; k++) {
            struct import_host both;
            if (!host_meet(&a->items[i], &b->items[k], &both))
                continue;
            if (out->count == a->count + b->count) // they repeat themselves
                return false;
            import_hosts_add(notes, out, both.name, both.is_suffix);
        }
    }
    return true;
}

bool import_hosts_overlap(const struct import_hosts *a, const struct import_hosts *b)
{
    struct import_host both;
    if (is_too_much(a->count, b->count))
        return true;
    for (size_t i = 0; i < a->count; i++) {
        for (size_t k = 0; k < b->count; k++) {
            if (host_meet(&a->items[i], &b->items[k], &both))
                return true;
        }
    }
    return false;
}

static bool host_is_covered(const struct import_hosts *outer, const struct import_host *inner)
{
    for (size_t i = 0; i < outer->count; i++) {
        const struct import_host *host = &outer->items[i];
        if ((host->is_suffix == inner->is_suffix && slice_equal(host->name, inner->name)) ||
            (host->is_suffix && is_below(inner->name, host->name)))
            return true;
    }
    return false;
}

void import_hosts_drop(struct import_notes *notes, const struct import_hosts *hosts,
                       const struct import_hosts *dropped, struct import_hosts *out)
{
    const bool is_long = is_too_much(hosts->count, dropped->count);
    for (size_t i = 0; i < hosts->count; i++) {
        if (is_long || !host_is_covered(dropped, &hosts->items[i]))
            import_hosts_add(notes, out, hosts->items[i].name, hosts->items[i].is_suffix);
    }
}

static bool is_covered(const struct import_prefixes *outer, const struct ip_prefix *inner)
{
    for (size_t i = 0; i < outer->count; i++) {
        if (ip_prefix_covers(&outer->items[i], inner))
            return true;
    }
    return false;
}

bool import_prefixes_cover(const struct import_prefixes *outer, const struct import_prefixes *inner)
{
    if (is_too_much(outer->count, inner->count))
        return false;
    for (size_t i = 0; i < inner->count; i++) {
        if (!is_covered(outer, &inner->items[i]))
            return false;
    }
    return true;
}

bool import_prefixes_overlap(const struct import_prefixes *a, const struct import_prefixes *b)
{
    if (is_too_much(a->count, b->count))
        return true;
    for (size_t i = 0; i < a->count; i++) {
        for (size_t k = 0; k < b->count; k++) {
            if (ip_prefix_covers(&a->items[i], &b->items[k]) ||
                ip_prefix_covers(&b->items[k], &a->items[i]))
                return true;
        }
    }
    return false;
}

// mask_length gives the bits of a netmask: ones, then zeros.
static bool mask_length(const struct ip_addr *mask, uint64_t *out)
{
    const size_t bits = mask->family == IP_V4 ? 32 : 128;
    bool has_ended = false;
    *out = 0;
    for (size_t i = 0; i < bits; i++) {
        const bool is_one = (mask->bytes[i / 8] >> (7 - i % 8) & 1) != 0;
        if (is_one && has_ended)
            return false;
        has_ended = !is_one;
        *out += is_one;
    }
    return true;
}

bool import_prefix_parse(struct slice text, struct ip_prefix *out)
{
    const size_t slash = slice_find(text, '/');
    const struct slice after = slice_from(text, slash + 1);
    struct ip_addr mask;
    uint64_t length = 0;
    *out = (struct ip_prefix){0};
    if (ip_addr_parse(slice_first(text, slash), &out->addr) != ERR_OK ||
        ip_addr_canonical(&out->addr).family != out->addr.family)
        return false;
    const uint64_t most = out->addr.family == IP_V4 ? 32 : 128;
    if (slash == text.len)
        length = most;
    else if (!decimal_parse(after, most, &length) &&
             (ip_addr_parse(after, &mask) != ERR_OK || mask.family != out->addr.family ||
              !mask_length(&mask, &length)))
        return false;
    out->length = (uint8_t)length;
    for (size_t i = (size_t)length; i < (size_t)most; i++)
        out->addr.bytes[i / 8] &= (uint8_t) ~(0x80U >> i % 8);
    return true;
}

static uint32_t number_of(const struct ip_addr *addr)
{
    return (uint32_t)addr->bytes[0] << 24 | (uint32_t)addr->bytes[1] << 16 |
           (uint32_t)addr->bytes[2] << 8 | addr->bytes[3];
}

// prefix_at gives the prefix of `length` bits that begins with an address.
static struct ip_prefix prefix_at(uint32_t first, uint8_t length)
{
    return (struct ip_prefix){.addr = {.family = IP_V4,
                                       .bytes = {(uint8_t)(first >> 24), (uint8_t)(first >> 16),
                                                 (uint8_t)(first >> 8), (uint8_t)first}},
                              .length = length};
}

bool import_range_add(struct import_notes *notes, struct import_prefixes *prefixes,
                      struct slice text)
{
    struct ip_addr first, last;
    const size_t dash = slice_find(text, '-');
    if (ip_addr_parse(slice_first(text, dash), &first) != ERR_OK || first.family != IP_V4 ||
        ip_addr_parse(slice_from(text, dash + 1), &last) != ERR_OK || last.family != IP_V4 ||
        number_of(&first) > number_of(&last))
        return false;
    const uint64_t end = (uint64_t)number_of(&last) + 1;
    for (uint64_t at = number_of(&first); at < end;) {
        uint8_t length = 32;
        while (length > 0 && at % (UINT64_C(1) << (33 - length)) == 0 &&
               at + (UINT64_C(1) << (33 - length)) <= end)
            length--;
        const struct ip_prefix prefix = prefix_at((uint32_t)at, length);
        import_prefixes_add(notes, prefixes, &prefix);
        at += UINT64_C(1) << (32 - length);
    }
    return true;
}

bool import_prefixes_are_wide(const struct import_prefixes *prefixes)
{
    for (size_t i = 0; i < prefixes->count; i++) {
        const struct ip_prefix *prefix = &prefixes->items[i];
        if (prefix->length < (prefix->addr.family == IP_V4 ? WIDE_V4 : WIDE_V6))
            return true;
    }
    return false;
}

void import_ports_add(struct import_ports *ports, uint32_t first, uint32_t last)
{
    for (uint32_t port = first; port <= last && port < IMPORT_PORTS; port++)
        ports->bits[port / 64] |= UINT64_C(1) << port % 64;
}

bool import_ports_has(const struct import_ports *ports, uint32_t port)
{
    return port < IMPORT_PORTS && (ports->bits[port / 64] >> port % 64 & 1) != 0;
}

void import_ports_fill(struct import_ports *ports)
{
    for (size_t i = 0; i < IMPORT_PORTS / 64; i++)
        ports->bits[i] = UINT64_MAX;
    ports->bits[0] &= ~UINT64_C(1);
}

void import_ports_keep(struct import_ports *ports, const struct import_ports *kept)
{
    for (size_t i = 0; i < IMPORT_PORTS / 64; i++)
        ports->bits[i] &= kept->bits[i];
}

void import_ports_drop(struct import_ports *ports, const struct import_ports *dropped)
{
    for (size_t i = 0; i < IMPORT_PORTS / 64; i++)
        ports->bits[i] &= ~dropped->bits[i];
}

bool import_ports_overlap(const struct import_ports *a, const struct import_ports *b)
{
    for (size_t i = 0; i < IMPORT_PORTS / 64; i++) {
        if ((a->bits[i] & b->bits[i]) != 0)
            return true;
    }
    return false;
}

bool import_ports_are_empty(const struct import_ports *ports)
{
    return !import_ports_overlap(ports, ports);
}

bool import_ports_next(const struct import_ports *ports, uint32_t *port, struct port_range *out)
{
    uint32_t at = *port;
    while (at < IMPORT_PORTS && !import_ports_has(ports, at))
        at++;
    if (at == IMPORT_PORTS)
        return false;
    out->first = (uint16_t)at;
    while (at < IMPORT_PORTS && import_ports_has(ports, at))
        at++;
    out->last = (uint16_t)(at - 1);
    *port = at;
    return true;
}
