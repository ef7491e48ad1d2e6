// An array of seven numbers and an array of names.
#include "proxy/fleet/fleet_beat.h"

#include "proxy/fleet/fleet_scripts.h"

enum { NUMBER_COUNT = 7 };

enum err fleet_beat_parse(const struct resp *answer, struct fleet_beat *out)
{
    int64_t numbers[NUMBER_COUNT] = {0};
    *out = (struct fleet_beat){0};
    if (answer->kind != RESP_ARRAY || answer->count != NUMBER_COUNT + 1)
        return ERR_INPUT;
    for (size_t i = 0; i < NUMBER_COUNT; i++) {
        if (!resp_read_integer(&answer->items[i], &numbers[i]) || numbers[i] < 0)
            return ERR_INPUT;
    }
    const struct resp *scarce = &answer->items[NUMBER_COUNT];
    if (scarce->kind != RESP_ARRAY || scarce->count > FLEET_SCARCE_MAX)
        return ERR_INPUT;
    for (size_t i = 0; i < scarce->count; i++) {
        if (scarce->items[i].kind != RESP_STRING)
            return ERR_INPUT;
    }
    if (numbers[1] > 1 || numbers[2] < 1 || numbers[2] > FLEET_MEMBERS_MAX)
        return ERR_INPUT;
    *out = (struct fleet_beat){.now_ms = numbers[0],
                               .was_known = numbers[1] == 1,
                               .members = (uint32_t)numbers[2],
                               .revision = numbers[3],
                               .orders = numbers[4],
                               .blocks = numbers[5],
                               .mended = numbers[6],
                               .scarce = scarce->items,
                               .scarce_count = scarce->count};
    return ERR_OK;
}

bool fleet_beat_names(const struct fleet_beat *beat, const char *account)
{
    for (size_t i = 0; i < beat->scarce_count; i++) {
        if (slice_equal(beat->scarce[i].text, slice_of_string(account)))
            return true;
    }
    return false;
}
