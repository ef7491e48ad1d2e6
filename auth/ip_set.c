// Prefixes become ranges; ranges are sorted and joined; a question is one binary search.
//
// What an allow opens of the special ranges is not the same as what it holds: a prefix opens only
// from inside a special range, and never a narrower one within (10.0.0.0/7 opens nothing of 10/8,
// and ::/96 not ::1). That is worked out here, once a prefix, into ranges of their own.
#include "auth/ip_set.h"

#include <stdlib.h>

// number is an address as an integer; IPv4 in the low 32 bits.
struct number {
    uint64_t high;
    uint64_t low;
};

struct span {
    struct number first;
    struct number last; // in the span
};

struct span_v4 {
    uint32_t first;
    uint32_t last; // in the span
};

struct ranges {
    const struct span_v4 *v4; // arena
    const struct span *v6;    // arena
    size_t v4_count;
    size_t v6_count;
};

struct ip_set {
    struct ranges held;   // every address of the prefixes
    struct ranges opened; // the special ones that an allow opens
    bool has_public;
};

// ---- numbers ------------------------------------------------------------------------------------

static uint64_t read_u64(const uint8_t *bytes)
{
    uint64_t out = 0;
    for (size_t i = 0; i < 8; i++)
        out = out << 8 | bytes[i];
    return out;
}

static uint32_t number_v4(const struct ip_addr *addr)
{
    return (uint32_t)(read_u64(addr->bytes) >> 32);
}

static struct number number_of(const struct ip_addr *addr)
{
    if (addr->family == IP_V4)
        return (struct number){.low = number_v4(addr)};
    return (struct number){.high = read_u64(addr->bytes), .low = read_u64(addr->bytes + 8)};
}

static struct ip_addr address_of(struct number number, enum ip_family family)
{
    struct ip_addr out = {.family = (uint8_t)family};
    const size_t len = family == IP_V4 ? 4 : 16;
    for (size_t i = 0; i < len; i++) {
        const size_t shift = 8 * (len - 1 - i); // in bits
        out.bytes[i] = (uint8_t)(shift >= 64 ? number.high >> (shift - 64) : number.low >> shift);
    }
    return out;
}

static bool is_less(struct number a, struct number b)
{
    return a.high != b.high ? a.high < b.high : a.low < b.low;
}

static struct number plus_one(struct number n)
{
    n.low++;
    n.high += n.low == 0;
    return n;
}

static struct number minus_one(struct number n)
{
    n.high -= n.low == 0;
    n.low--;
    return n;
}

// low_bits gives a number whose `count` lowest bits are set.
static uint64_t low_bits(unsigned count)
{
    return count == 64 ? UINT64_MAX : (UINT64_C(1) << count) - 1;
}

static struct span span_of(const struct ip_prefix *prefix)
{
    const unsigned free_bits = (prefix->addr.family == IP_V4 ? 32u : 128u) - prefix->length;
    const struct number addr = number_of(&prefix->addr);
    const struct number free = {.high = low_bits(free_bits < 64 ? 0 : free_bits - 64),
                                .low = low_bits(free_bits < 64 ? free_bits : 64)};
    return (struct span){.first = {.high = addr.high & ~free.high, .low = addr.low & ~free.low},
                         .last = {.high = addr.high | free.high, .low = addr.low | free.low}};
}

// ---- lists of spans -----------------------------------------------------------------------------

struct span_list {
    struct span *items; // owned
    size_t count;
    size_t cap;
};

static bool push(struct span_list *list, struct span span)
{
    if (list->count == list->cap) {
        const size_t cap = list->cap == 0 ? 8 : list->cap * 2;
        struct span *grown = reallocarray(list->items, cap, sizeof *grown);
        if (grown == NULL)
            return false;
        list->items = grown;
        list->cap = cap;
    }
    list->items[list->count++] = span;
    return true;
}

static int compare_spans(const void *left, const void *right)
{
    const struct span *a = left;
    const struct span *b = right;
    return is_less(a->first, b->first) ? -1 : is_less(b->first, a->first);
}

// join sorts the spans and makes one of those that overlap or touch.
static void join(struct span_list *list)
{
    size_t kept = 0;
    if (list->count > 1)
        qsort(list->items, list->count, sizeof list->items[0], compare_spans);
    for (size_t i = 0; i < list->count; i++) {
        const struct span span = list->items[i];
        struct span *last = kept == 0 ? NULL : &list->items[kept - 1];
        // The span before begins no later; it takes this one in unless there is a gap between them.
        if (last != NULL &&
            !(is_less(last->last, span.first) && is_less(plus_one(last->last), span.first))) {
            if (is_less(last->last, span.last))
                last->last = span.last;
        } else {
            list->items[kept++] = span;
        }
    }
    list->count = kept;
}

// ---- what a prefix opens ------------------------------------------------------------------------

// push_opened adds what `prefix` opens of the special range that it lies in: all of itself but the
// narrower ranges within.
static bool push_opened(struct span_list *list, const struct ip_prefix *prefix)
{
    if (!ip_prefix_opens_special(prefix))
        return true;
    struct span_list holes = {0};
    const struct span whole = span_of(prefix);
    struct ip_prefix range;
    bool is_good = true;
    for (size_t i = 0; is_good && ip_special_range_at(prefix->addr.family, i, &range); i++) {
        if (range.length > prefix->length && ip_prefix_contains(prefix, &range.addr))
            is_good = push(&holes, span_of(&range));
    }
    join(&holes);
    struct number from = whole.first;
    for (size_t i = 0; i < holes.count && is_good; i++) {
        if (is_less(from, holes.items[i].first))
            is_good = push(list, (struct span){from, minus_one(holes.items[i].first)});
        from = plus_one(holes.items[i].last);
    }
    // A last hole may end where the prefix does.
    const bool has_rest =
        holes.count == 0 || is_less(holes.items[holes.count - 1].last, whole.last);
    if (is_good && has_rest)
        is_good = push(list, (struct span){from, whole.last});
    free(holes.items);
    return is_good;
}

// ---- building -----------------------------------------------------------------------------------

enum err ip_set_builder_add(struct ip_set_builder *builder, const struct ip_prefix *prefix)
{
    if (builder->count == builder->cap) {
        const size_t cap = builder->cap == 0 ? 4 : builder->cap * 2;
        struct ip_prefix *grown = reallocarray(builder->prefixes, cap, sizeof *grown);
        if (grown == NULL)
            return ERR_MEMORY;
        builder->prefixes = grown;
        builder->cap = cap;
    }
    builder->prefixes[builder->count++] = *prefix;
    return ERR_OK;
}

void ip_set_builder_add_public(struct ip_set_builder *builder)
{
    builder->has_public = true;
}

void ip_set_builder_deinit(struct ip_set_builder *builder)
{
    free(builder->prefixes);
    *builder = (struct ip_set_builder){0};
}

static bool keep_v4(struct arena *arena, const struct span_list *list, struct ranges *out)
{
    struct span_v4 *kept = arena_alloc(arena, list->count, sizeof *kept);
    if (kept == NULL)
        return false;
    for (size_t i = 0; i < list->count; i++)
        kept[i] =
            (struct span_v4){(uint32_t)list->items[i].first.low, (uint32_t)list->items[i].last.low};
    out->v4 = kept;
    out->v4_count = list->count;
    return true;
}

static bool keep_v6(struct arena *arena, const struct span_list *list, struct ranges *out)
{
    struct span *kept = arena_alloc(arena, list->count, sizeof *kept);
    if (kept == NULL)
        return false;
    for (size_t i = 0; i < list->count; i++)
        kept[i] = list->items[i];
    out->v6 = kept;
    out->v6_count = list->count;
    return true;
}

// compile gathers the ranges of one family, held or opened, into `out`.
static bool compile(const struct ip_set_builder *builder, struct arena *arena,
                    enum ip_family family, bool is_opened, struct ranges *out)
{
    struct span_list list = {0};
    bool is_good = true;
    for (size_t i = 0; i < builder->count && is_good; i++) {
        const struct ip_prefix *prefix = &builder->prefixes[i];
        if (prefix->addr.family == family)
            is_good = is_opened ? push_opened(&list, prefix) : push(&list, span_of(prefix));
    }
    join(&list);
    if (is_good && list.count > 0)
        is_good = family == IP_V4 ? keep_v4(arena, &list, out) : keep_v6(arena, &list, out);
    free(list.items);
    return is_good;
}

const struct ip_set *ip_set_builder_finish(struct ip_set_builder *builder, struct arena *arena)
{
    struct ip_set *set = arena_alloc(arena, 1, sizeof *set);
    bool is_good = set != NULL;
    if (is_good) {
        set->has_public = builder->has_public;
        is_good = compile(builder, arena, IP_V4, false, &set->held) &&
                  compile(builder, arena, IP_V6, false, &set->held) &&
                  compile(builder, arena, IP_V4, true, &set->opened) &&
                  compile(builder, arena, IP_V6, true, &set->opened);
    }
    ip_set_builder_deinit(builder);
    return is_good ? set : NULL;
}

// ---- asking -------------------------------------------------------------------------------------

static bool v4_has(const struct ranges *ranges, uint32_t wanted)
{
    size_t low = 0; // every span in front of it ends below `wanted`
    size_t high = ranges->v4_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (ranges->v4[middle].last < wanted)
            low = middle + 1;
        else
            high = middle;
    }
    return low < ranges->v4_count && ranges->v4[low].first <= wanted;
}

static bool v6_has(const struct ranges *ranges, struct number wanted)
{
    size_t low = 0; // every span in front of it ends below `wanted`
    size_t high = ranges->v6_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (is_less(ranges->v6[middle].last, wanted))
            low = middle + 1;
        else
            high = middle;
    }
    return low < ranges->v6_count && !is_less(wanted, ranges->v6[low].first);
}

static bool ranges_have(const struct ranges *ranges, const struct ip_addr *addr)
{
    if (addr->family == IP_V4)
        return v4_has(ranges, number_v4(addr));
    return addr->family == IP_V6 && v6_has(ranges, number_of(addr));
}

bool ip_set_holds(const struct ip_set *set, const struct ip_addr *addr, enum ip_class ip_class)
{
    return (set->has_public && ip_class == IP_CLASS_ORDINARY) || ranges_have(&set->held, addr);
}

bool ip_set_opens(const struct ip_set *set, const struct ip_addr *addr, enum ip_class ip_class)
{
    switch (ip_class) {
    case IP_CLASS_ORDINARY:
        return ip_set_holds(set, addr, ip_class);
    case IP_CLASS_SPECIAL:
        return ranges_have(&set->opened, addr);
    case IP_CLASS_CLOSED:
    case IP_CLASS_METADATA:
        return false;
    }
    return false;
}

bool ip_set_has_public(const struct ip_set *set)
{
    return set->has_public;
}

size_t ip_set_count(const struct ip_set *set)
{
    return set->held.v4_count + set->held.v6_count;
}

void ip_set_range(const struct ip_set *set, size_t index, struct ip_addr *first,
                  struct ip_addr *last)
{
    const struct ranges *held = &set->held;
    if (index < held->v4_count) {
        *first = address_of((struct number){.low = held->v4[index].first}, IP_V4);
        *last = address_of((struct number){.low = held->v4[index].last}, IP_V4);
        return;
    }
    ASSERT(index - held->v4_count < held->v6_count);
    *first = address_of(held->v6[index - held->v4_count].first, IP_V6);
    *last = address_of(held->v6[index - held->v4_count].last, IP_V6);
}
