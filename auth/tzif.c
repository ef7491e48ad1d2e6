// In the order of RFC 9636 3:
//
//   1. A header and a block of 32-bit times: passed over.
//   2. A header and a block of 64-bit times: when the clock is set, to which of the types, and what these are.
//   3. A line: the rule for the time after that, which is worked out year by year.
#include "auth/tzif.h"

#include "auth/base/date.h"
#include "auth/posix_zone.h"

enum {
    HEADER_LEN = 44,
    COUNTS_AT = 20,
    TYPE_LEN = 6,
    TYPES_MAX = 256,
    CHANGES_MAX = 4096,
    FIRST_RULE_YEAR = 1970,
    AHEAD_MIN_S = -89999, // RFC 9636 3.2
    AHEAD_MAX_S = 93599,
};

// counts are those of a header.
struct counts {
    uint64_t is_ut;
    uint64_t is_standard;
    uint64_t leaps;
    uint64_t times;
    uint64_t types;
    uint64_t chars;
};

static uint32_t read_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static int64_t read_i64(const uint8_t *at)
{
    return (int64_t)((uint64_t)read_u32(at) << 32 | read_u32(at + 4));
}

// take_header reads a header of version 2 or later.
static bool take_header(struct slice *rest, struct counts *out)
{
    if (rest->len < HEADER_LEN || !slice_starts_with(*rest, SLICE_LITERAL("TZif")) ||
        rest->data[4] < '2')
        return false;
    const uint8_t *at = rest->data + COUNTS_AT;
    *out = (struct counts){.is_ut = read_u32(at),
                           .is_standard = read_u32(at + 4),
                           .leaps = read_u32(at + 8),
                           .times = read_u32(at + 12),
                           .types = read_u32(at + 16),
                           .chars = read_u32(at + 20)};
    *rest = slice_from(*rest, HEADER_LEN);
    return true;
}

// block_len gives the bytes after a header, whose times have `time_len` bytes. No sum of six 32-bit numbers overflows.
static uint64_t block_len(const struct counts *counts, uint64_t time_len)
{
    return counts->times * (time_len + 1) + counts->types * TYPE_LEN + counts->chars +
           counts->leaps * (time_len + 4) + counts->is_standard + counts->is_ut;
}

// block is the second one, cut into what counts of it.
struct block {
    struct counts counts;
    const uint8_t *times;
    const uint8_t *indexes;
    const uint8_t *types;
};

// take_block finds the second block; `*rest` is then the last line.
static bool take_block(struct slice *rest, struct block *out)
{
    struct counts first;
    if (!take_header(rest, &first) || block_len(&first, 4) > rest->len)
        return false;
    *rest = slice_from(*rest, block_len(&first, 4));
    if (!take_header(rest, &out->counts) || block_len(&out->counts, 8) > rest->len)
        return false;
    if (out->counts.types == 0 || out->counts.types > TYPES_MAX || out->counts.times > CHANGES_MAX)
        return false;
    out->times = rest->data;
    out->indexes = out->times + out->counts.times * 8;
    out->types = out->indexes + out->counts.times;
    *rest = slice_from(*rest, block_len(&out->counts, 8));
    return true;
}

// type_read gives what a type is ahead of UTC.
static bool type_read(const struct block *block, size_t index, int32_t *out)
{
    if (index >= block->counts.types)
        return false;
    const uint32_t value = read_u32(block->types + index * TYPE_LEN);
    *out = (int32_t)value;
    return *out >= AHEAD_MIN_S && *out <= AHEAD_MAX_S;
}

// take_rule reads the last line, which may be empty: then nothing changes any more.
static bool take_rule(struct slice rest, struct posix_zone *out)
{
    *out = (struct posix_zone){0};
    if (rest.len < 2 || rest.data[0] != '\n' || rest.data[rest.len - 1] != '\n')
        return false;
    const struct slice line = slice_of(rest.data + 1, rest.len - 2);
    return line.len == 0 || posix_zone_parse(line, out);
}

// add adds a change that comes after those that are there, or takes the place of the last one of the same time.
static void add(struct zone_change *changes, size_t *count, struct zone_change change)
{
    if (*count > 0 && changes[*count - 1].at_s > change.at_s)
        return;
    if (*count > 0 && changes[*count - 1].at_s == change.at_s)
        --*count;
    changes[(*count)++] = change;
}

// add_years adds what the rule says after the last change.
static void add_years(const struct posix_zone *rule, struct zone_change *changes, size_t *count)
{
    const int64_t last_s = *count == 0 ? 0 : changes[*count - 1].at_s;
    uint32_t year = date_year(last_s);
    if (year < FIRST_RULE_YEAR)
        year = FIRST_RULE_YEAR;
    for (; rule->has_summer && year <= TZIF_LAST_YEAR; year++) {
        struct zone_change both[2];
        posix_zone_changes(rule, year, both);
        for (size_t i = 0; i < 2; i++) {
            if (both[i].at_s > last_s)
                add(changes, count, both[i]);
        }
    }
}

enum err tzif_parse(struct slice bytes, struct arena *arena, struct time_zone *out,
                    struct errinfo *info)
{
    enum { RULE_CHANGES_MAX = 2 * (TZIF_LAST_YEAR - FIRST_RULE_YEAR + 1) };
    struct block block = {0};
    struct posix_zone rule;
    size_t count = 0;
    *out = (struct time_zone){0};
    if (bytes.len > TZIF_MAX_LEN || !take_block(&bytes, &block) || !take_rule(bytes, &rule) ||
        !type_read(&block, 0, &out->first_ahead_s))
        return errinfo_set(info, ERR_INPUT, "not a file of the time zone database (TZif 2)");
    if (block.counts.leaps > 0)
        return errinfo_set(info, ERR_INPUT,
                           "it counts leap seconds, which this machine's time has not");
    struct zone_change *changes =
        arena_alloc(arena, block.counts.times + RULE_CHANGES_MAX, sizeof *changes);
    if (changes == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory");
    for (; count < block.counts.times; count++) {
        changes[count].at_s = read_i64(block.times + count * 8);
        if (!type_read(&block, block.indexes[count], &changes[count].ahead_s) ||
            (count > 0 && changes[count].at_s <= changes[count - 1].at_s))
            return errinfo_set(info, ERR_INPUT, "its changes are not in order, or of no type");
    }
    add_years(&rule, changes, &count);
    out->changes = changes;
    out->count = count;
    return ERR_OK;
}
