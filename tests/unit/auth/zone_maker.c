// A type for each change; nothing is shared.
#include "tests/unit/auth/zone_maker.h"

static void put_u32(uint8_t *out, size_t *len, uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        out[(*len)++] = (uint8_t)(value >> shift);
}

static void put_text(uint8_t *out, size_t *len, struct slice text)
{
    ASSERT(bytes_copy(out + *len, ZONE_FILE_CAP - *len, text));
    *len += text.len;
}

static void put_header(uint8_t *out, size_t *len, uint32_t times, uint32_t types)
{
    const uint32_t counts[] = {0, 0, 0, times, types, 4};
    static const uint8_t reserved[15] = {0};
    put_text(out, len, SLICE_LITERAL("TZif2"));
    put_text(out, len, slice_of(reserved, sizeof reserved));
    for (size_t i = 0; i < 6; i++)
        put_u32(out, len, counts[i]);
}

static void put_type(uint8_t *out, size_t *len, int32_t ahead_s)
{
    put_u32(out, len, (uint32_t)ahead_s);
    out[(*len)++] = 0;
    out[(*len)++] = 0;
}

struct slice zone_make_file(int32_t first_ahead_s, const struct made_change *changes, size_t count,
                            const char *rule, uint8_t out[ZONE_FILE_CAP])
{
    size_t len = 0;
    ASSERT(count <= 16);
    put_header(out, &len, 0, 1);
    put_type(out, &len, 0);
    put_text(out, &len, SLICE_LITERAL("ABC\0"));
    put_header(out, &len, (uint32_t)count, (uint32_t)count + 1);
    for (size_t i = 0; i < count; i++) {
        put_u32(out, &len, (uint32_t)((uint64_t)changes[i].at_s >> 32));
        put_u32(out, &len, (uint32_t)changes[i].at_s);
    }
    for (size_t i = 0; i < count; i++)
        out[len++] = (uint8_t)(i + 1);
    put_type(out, &len, first_ahead_s);
    for (size_t i = 0; i < count; i++)
        put_type(out, &len, changes[i].ahead_s);
    put_text(out, &len, SLICE_LITERAL("ABC\0\n"));
    put_text(out, &len, slice_of_string(rule));
    put_text(out, &len, SLICE_LITERAL("\n"));
    return slice_of(out, len);
}

const struct time_zone *zone_make(struct arena *arena, int32_t ahead_s, const char *rule)
{
    uint8_t file[ZONE_FILE_CAP];
    struct errinfo info;
    struct time_zone *zone = arena_alloc(arena, 1, sizeof *zone);
    ASSERT(zone != NULL);
    ASSERT(tzif_parse(zone_make_file(ahead_s, NULL, 0, rule, file), arena, zone, &info) == ERR_OK);
    return zone;
}
