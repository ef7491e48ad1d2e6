// Reads `CLASS ADDRESS/LENGTH NAME` lines. Bits are compared one by one here, on purpose not with
// the arithmetic of auth/ipaddr.c.
#include "tests/unit/auth/range_list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static enum ip_class parse_class(struct slice word)
{
    static const struct {
        const char *name;
        enum ip_class ip_class;
    } classes[] = {{"special", IP_CLASS_SPECIAL},
                   {"closed", IP_CLASS_CLOSED},
                   {"metadata", IP_CLASS_METADATA}};
    for (size_t i = 0; i < 3; i++) {
        if (slice_equal(word, slice_of_string(classes[i].name)))
            return classes[i].ip_class;
    }
    fail_msg("no such class: %.*s", (int)word.len, (const char *)word.data);
    return IP_CLASS_ORDINARY;
}

static void parse_row(struct slice line, struct range_row *out)
{
    const struct slice word = slice_first(line, slice_find(line, ' '));
    line = slice_from(line, word.len + 1);
    const struct slice range = slice_first(line, slice_find(line, ' '));
    const size_t slash = slice_find(range, '/');
    char digits[8];
    out->ip_class = parse_class(word);
    assert_int_equal(ERR_OK, ip_addr_parse(slice_first(range, slash), &out->prefix.addr));
    assert_true(string_copy(digits, sizeof digits, slice_from(range, slash + 1)));
    out->prefix.length = (uint8_t)strtoul(digits, NULL, 10);
    assert_true(string_copy(out->name, sizeof out->name, slice_from(line, range.len + 1)));
}

void range_list_load(struct range_list *list, const char *path)
{
    *list = (struct range_list){0};
    FILE *file = fopen(path, "r");
    if (file == NULL)
        fail_msg("%s cannot be opened", path);
    char line[256];
    while (fgets(line, sizeof line, file) != NULL) {
        const struct slice s = slice_of(line, strcspn(line, "\n"));
        if (s.len == 0 || s.data[0] == '#')
            continue;
        assert_in_range(list->count, 0, RANGE_LIST_MAX - 1);
        parse_row(s, &list->rows[list->count++]);
    }
    (void)fclose(file);
}

static unsigned bit_at(const struct ip_addr *addr, unsigned index)
{
    return ((unsigned)addr->bytes[index / 8] >> (7 - index % 8)) & 1U;
}

static bool range_holds(const struct ip_prefix *prefix, const struct ip_addr *addr)
{
    if (prefix->addr.family != addr->family)
        return false;
    for (unsigned i = 0; i < prefix->length; i++) {
        if (bit_at(&prefix->addr, i) != bit_at(addr, i))
            return false;
    }
    return true;
}

const struct range_row *range_list_find(const struct range_list *list, const struct ip_addr *addr)
{
    const struct range_row *best = NULL;
    for (size_t i = 0; i < list->count; i++) {
        const struct range_row *row = &list->rows[i];
        if (!range_holds(&row->prefix, addr))
            continue;
        if (row->ip_class != IP_CLASS_SPECIAL)
            return row;
        if (best == NULL || row->prefix.length > best->prefix.length)
            best = row;
    }
    return best;
}

// step moves `addr` by one up or down; false when that leaves the family's numbers.
static bool step(struct ip_addr *addr, bool is_up)
{
    for (unsigned i = addr->family == IP_V4 ? 4 : 16; i-- > 0;) {
        addr->bytes[i] = (uint8_t)(is_up ? addr->bytes[i] + 1 : addr->bytes[i] - 1);
        if (addr->bytes[i] != (is_up ? 0 : 0xFF))
            return true;
    }
    return false;
}

size_t range_edges(const struct ip_prefix *prefix, struct ip_addr out[RANGE_EDGES])
{
    const unsigned bits = prefix->addr.family == IP_V4 ? 32 : 128;
    struct ip_addr last = prefix->addr;
    struct ip_addr middle = prefix->addr;
    for (unsigned i = prefix->length; i < bits; i++) {
        const uint8_t bit = (uint8_t)(0x80 >> i % 8);
        last.bytes[i / 8] |= bit;
        if (i % 3 != 0)
            middle.bytes[i / 8] |= bit;
    }
    size_t count = 0;
    out[count++] = prefix->addr;
    out[count++] = middle;
    out[count++] = last;
    struct ip_addr before = prefix->addr;
    if (step(&before, false))
        out[count++] = before;
    struct ip_addr behind = last;
    if (step(&behind, true))
        out[count++] = behind;
    return count;
}
