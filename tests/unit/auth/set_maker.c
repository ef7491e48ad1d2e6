// Text to sets, one set a list.
#include "tests/unit/auth/set_maker.h"

static struct slice take(struct slice *rest)
{
    const size_t end = slice_find(*rest, ',');
    const struct slice out = slice_first(*rest, end);
    *rest = slice_from(*rest, end + 1);
    return out;
}

struct host_sets make_hosts(struct arena *arena, const char *patterns)
{
    struct host_set_builder builder = {0};
    struct slice rest = slice_of_string(patterns);
    while (rest.len > 0) {
        struct host_pattern pattern;
        struct errinfo info;
        ASSERT(host_pattern_parse(take(&rest), &pattern, &info) == ERR_OK);
        ASSERT(host_set_builder_add(&builder, &pattern) == ERR_OK);
    }
    const struct host_set **items = arena_alloc(arena, 1, sizeof *items);
    ASSERT(items != NULL);
    items[0] = host_set_builder_finish(&builder, arena);
    ASSERT(items[0] != NULL);
    return (struct host_sets){.items = items, .count = 1};
}

struct ip_sets make_addresses(struct arena *arena, const char *prefixes)
{
    struct ip_set_builder builder = {0};
    struct slice rest = slice_of_string(prefixes);
    while (rest.len > 0) {
        const struct slice text = take(&rest);
        struct ip_prefix prefix;
        struct errinfo info;
        if (slice_equal(text, SLICE_LITERAL("public"))) {
            builder.has_public = true;
            continue;
        }
        ASSERT(ip_prefix_parse(text, &prefix, &info) == ERR_OK);
        ASSERT(ip_set_builder_add(&builder, &prefix) == ERR_OK);
    }
    const struct ip_set **items = arena_alloc(arena, 1, sizeof *items);
    ASSERT(items != NULL);
    items[0] = ip_set_builder_finish(&builder, arena);
    ASSERT(items[0] != NULL);
    return (struct ip_sets){.items = items, .count = 1};
}
