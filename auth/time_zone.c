// A search by halves.
#include "auth/time_zone.h"

enum { AROUND_S = 27 * 60 * 60 }; // no wall clock is as far from UTC

int32_t time_zone_ahead_s(const struct time_zone *zone, int64_t at_s, int64_t *out_until_s)
{
    size_t low = 0;
    size_t high = zone == NULL ? 0 : zone->count;
    const size_t count = high;
    while (low < high) { // the first change after `at_s`
        const size_t middle = low + (high - low) / 2;
        if (zone->changes[middle].at_s <= at_s)
            low = middle + 1;
        else
            high = middle;
    }
    *out_until_s = low < count ? zone->changes[low].at_s : INT64_MAX;
    if (zone == NULL)
        return 0;
    return low == 0 ? zone->first_ahead_s : zone->changes[low - 1].ahead_s;
}

enum wall_time time_zone_find(const struct time_zone *zone, int64_t wall_s, int64_t *out_at_s)
{
    size_t found = 0;
    int64_t since_s = wall_s - AROUND_S;
    while (since_s <= wall_s + AROUND_S) {
        int64_t until_s = 0;
        const int64_t at_s = wall_s - time_zone_ahead_s(zone, since_s, &until_s);
        if (at_s >= since_s && at_s < until_s) {
            found++;
            *out_at_s = at_s;
        }
        if (until_s == INT64_MAX)
            break;
        since_s = until_s;
    }
    return found == 1 ? WALL_ONCE : found == 0 ? WALL_NEVER : WALL_TWICE;
}
