// Fuzzes host names and patterns: `pattern \n name`. One canonical form, which is a fixed point, and which a pattern made
// of the name itself matches. What a pattern matches a set of it matches too, alone and among others.

#include "auth/host_set.h"
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

// check_set asks sets with the pattern, one by one and through a table.
static void check_set(const struct host_pattern *pattern, const struct hostname *name, bool matches)
{
    for (size_t others = 0; others < 20; others += 10) {
        struct arena *arena = arena_create();
        struct host_set_builder builder = {0};
        ASSERT(arena != NULL && host_set_builder_add(&builder, pattern) == ERR_OK);
        for (size_t i = 0; i < others; i++) { // single digits, which no name is
            const struct host_pattern other = {.kind = HOST_PATTERN_EXACT,
                                               .name = {1, {(char)('0' + i)}}};
            ASSERT(host_set_builder_add(&builder, &other) == ERR_OK);
        }
        const struct host_set *set = host_set_builder_finish(&builder, arena);
        ASSERT(set != NULL && host_set_matches(set, name) == matches);
        arena_destroy(arena);
    }
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
    if (!is_name || !is_pattern)
        return 0;
    const bool matches = host_pattern_matches(&pattern, &name);
    check_set(&pattern, &name, matches);
    if (matches && pattern.star_count == 0)
        ASSERT(pattern.kind == HOST_PATTERN_ANY ||
               slice_ends_with(hostname_slice(&name), hostname_slice(&pattern.name)));
    return 0;
}
