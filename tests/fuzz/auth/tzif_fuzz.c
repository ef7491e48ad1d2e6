// Fuzzes files of the time zone database. A zone that is read has its changes in order, no clock is a day and more from
// UTC, and what a wall clock shows once is found again.

#include "auth/tzif.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_at(const struct time_zone *zone, int64_t at_s)
{
    int64_t until_s = 0;
    int64_t found_s = 0;
    const int32_t ahead_s = time_zone_ahead_s(zone, at_s, &until_s);
    ASSERT(ahead_s > -26 * 3600 && ahead_s < 27 * 3600 && until_s > at_s);
    if (at_s < 0 || at_s > INT64_C(253402300799))
        return;
    if (time_zone_find(zone, at_s + ahead_s, &found_s) == WALL_ONCE)
        ASSERT(found_s == at_s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct time_zone zone;
    struct errinfo info = {.text = ""};
    struct arena *arena = arena_create();
    ASSERT(arena != NULL);
    const enum err err = tzif_parse(slice_of(data, size), arena, &zone, &info);
    ASSERT(err == ERR_OK || (err == ERR_INPUT && info.text[0] != '\0'));
    for (size_t i = 0; err == ERR_OK && i < zone.count; i++) {
        ASSERT(i == 0 || zone.changes[i - 1].at_s < zone.changes[i].at_s);
        if (i < 8 || i + 8 > zone.count) {
            if (zone.changes[i].at_s > INT64_MIN)
                check_at(&zone, zone.changes[i].at_s - 1);
            check_at(&zone, zone.changes[i].at_s);
        }
    }
    if (err == ERR_OK)
        check_at(&zone, 1800000000);
    arena_destroy(arena);
    return 0;
}
