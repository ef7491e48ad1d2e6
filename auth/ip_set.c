// Prefixes become ranges; ranges are sorted and joined; a question is one binary search.
//
// What an allow opens of the special ranges is not the same as what it holds: a prefix opens only
// from inside a special range, and never a narrower one within (10.0.0.0/7 opens nothing of 10/8,
// and ::/96 not ::1). That is worked out here, once a prefix, into ranges of their own.
#include "auth/ip_set.h"

#include <stdlib.h>

#include "auth/base/array.h"

// span is a run of addresses as integers, both ends in it.
struct span {
    unsigned __int128 first;
    unsigned __int128 last;
};

// ranges are the spans of one family as bytes in network order, sorted: first and last, each of 4 or 16 bytes.
struct ranges {
    const uint8_t *bounds; // arena
    size_t count;
};

enum { FAMILY_COUNT = 2 };
static const enum ip_family families[FAMILY_COUNT] = {IP_V4, IP_V6};

// In the order of `families`.
struct ip_set {
    struct ranges held[FAMILY_COUNT];   // every address of the prefixes
    struct ranges opened[FAMILY_COUNT]; // the special ones that an allow opens
    bool has_public;
};

// ---- lists of spans -----------------------------------------------------------------------------

struct span_list {
    struct span *items; // owned
    size_t count;
    size_t cap;
};

static bool push(struct span_list *list, unsigned __int128 first, unsigned __int128 last)
{
    struct span *items = array_make_room(list->items, list->count, &list->cap, sizeof *items);
    if (items == NULL)
        return false;
    list->items = items;
    items[list->count++] = (struct span){first, last};
    return true;
}

static struct span span_of(const struct ip_prefix *prefix)
{
    const size_t width = ip_addr_slice(&prefix->addr).len;
    const size_t free_bits = 8 * width - prefix->length;
    unsigned __int128 first = 0;
    for (size_t i = 0; i < width; i++)
        first = first << 8 | prefix->addr.bytes[i];
    const unsigned __int128 all = ~(unsigned __int128)0;
    const unsigned __int128 host = free_bits == 128 ? all : ~(all << free_bits);
    return (struct span){first & ~host, first | host};
}

static int compare_spans(const void *left, const void *right)
{
    const struct span *a = left;
    const struct span *b = right;
    return (a->first > b->first) - (a->first < b->first);
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
        if (last != NULL && !(last->last < span.first && last->last + 1 < span.first)) {
            if (last->last < span.last)
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
    const struct ip_prefix *range = NULL;
    bool is_good = true;
    for (size_t i = 0; is_good && (range = ip_special_range_at(i)) != NULL; i++) {
        const struct span hole = span_of(range);
        if (range->length > prefix->length && ip_prefix_contains(prefix, &range->addr))
            is_good = push(&holes, hole.first, hole.last);
    }
    join(&holes);
    unsigned __int128 from = whole.first;
    for (size_t i = 0; i < holes.count && is_good; i++) {
        if (from < holes.items[i].first)
            is_good = push(list, from, holes.items[i].first - 1);
        from = holes.items[i].last + 1;
    }
    // A last hole may end where the prefix does.
    const bool has_rest = holes.count == 0 || holes.items[holes.count - 1].last < whole.last;
    if (is_good && has_rest)
        is_good = push(list, from, whole.last);
    free(holes.items);
    return is_good;
}

// ---- building -----------------------------------------------------------------------------------

enum err ip_set_builder_add(struct ip_set_builder *builder, const struct ip_prefix *prefix)
{
    struct ip_prefix *prefixes =
        array_make_room(builder->prefixes, builder->count, &builder->cap, sizeof *prefixes);
    if (prefixes == NULL)
        return ERR_MEMORY;
    builder->prefixes = prefixes;
    prefixes[builder->count++] = *prefix;
    return ERR_OK;
}

void ip_set_builder_deinit(struct ip_set_builder *builder)
{
    free(builder->prefixes);
    *builder = (struct ip_set_builder){0};
}

static uint8_t *put_number(unsigned __int128 number, size_t width, uint8_t *out)
{
    for (size_t i = width; i-- > 0; number >>= 8)
        out[i] = (uint8_t)number;
    return out + width;
}

// compile gathers the ranges of one family, held or opened, into `out`.
static bool compile(const struct ip_set_builder *builder, struct arena *arena,
                    enum ip_family family, bool is_opened, struct ranges *out)
{
    struct span_list list = {0};
    bool is_good = true;
    for (size_t i = 0; i < builder->count && is_good; i++) {
        const struct ip_prefix *prefix = &builder->prefixes[i];
        const struct span span = span_of(prefix);
        if (prefix->addr.family == family)
            is_good = is_opened ? push_opened(&list, prefix) : push(&list, span.first, span.last);
    }
    join(&list);
    const size_t width = family == IP_V4 ? 4 : 16;
    uint8_t *bounds = is_good ? arena_alloc(arena, list.count, 2 * width) : NULL;
    *out = (struct ranges){.bounds = bounds, .count = list.count};
    for (size_t i = 0; i < list.count && bounds != NULL; i++) {
        bounds = put_number(list.items[i].first, width, bounds);
        bounds = put_number(list.items[i].last, width, bounds);
    }
    free(list.items);
    return bounds != NULL;
}

const struct ip_set *ip_set_builder_finish(struct ip_set_builder *builder, struct arena *arena)
{
    struct ip_set *set = arena_alloc(arena, 1, sizeof *set);
    bool is_good = set != NULL;
    for (size_t i = 0; i < FAMILY_COUNT && is_good; i++)
        is_good = compile(builder, arena, families[i], false, &set->held[i]) &&
                  compile(builder, arena, families[i], true, &set->opened[i]);
    if (is_good)
        set->has_public = builder->has_public;
    ip_set_builder_deinit(builder);
    return is_good ? set : NULL;
}

// ---- asking -------------------------------------------------------------------------------------

// ranges_have looks among the ranges of the address's own family.
static bool ranges_have(const struct ranges families_ranges[FAMILY_COUNT],
                        const struct ip_addr *addr)
{
    if (addr->family == IP_NONE)
        return false;
    const struct ranges *ranges = &families_ranges[addr->family == IP_V6];
    const size_t width = ip_addr_slice(addr).len;
    size_t low = 0; // every range in front of it ends below the address
    size_t high = ranges->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (memcmp(ranges->bounds + (2 * middle + 1) * width, addr->bytes, width) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < ranges->count && memcmp(ranges->bounds + 2 * low * width, addr->bytes, width) <= 0;
}

bool ip_set_holds(const struct ip_set *set, const struct ip_addr *addr, enum ip_class ip_class)
{
    return (set->has_public && ip_class == IP_CLASS_ORDINARY) || ranges_have(set->held, addr);
}

bool ip_set_opens(const struct ip_set *set, const struct ip_addr *addr, enum ip_class ip_class)
{
    switch (ip_class) {
    case IP_CLASS_ORDINARY:
        return ip_set_holds(set, addr, ip_class);
    case IP_CLASS_SPECIAL:
        return ranges_have(set->opened, addr);
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
    return set->held[0].count + set->held[1].count;
}

void ip_set_range(const struct ip_set *set, size_t index, struct ip_addr *first,
                  struct ip_addr *last)
{
    const bool is_v6 = index >= set->held[0].count;
    const struct ranges *held = &set->held[is_v6];
    const size_t at = is_v6 ? index - set->held[0].count : index;
    ASSERT(at < held->count);
    *first = (struct ip_addr){.family = (uint8_t)families[is_v6]};
    *last = *first;
    const size_t width = ip_addr_slice(first).len;
    const uint8_t *bounds = held->bounds + 2 * at * width;
    (void)bytes_copy(first->bytes, sizeof first->bytes, slice_of(bounds, width));
    (void)bytes_copy(last->bytes, sizeof last->bytes, slice_of(bounds + width, width));
}
