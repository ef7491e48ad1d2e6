// An index, and how often in a row it was of no use.
#include "proxy/store/store_places.h"

const struct target *store_places_current(const struct store_places *places,
                                          const struct store_settings *settings)
{
    return &settings->places[places->current % settings->place_count];
}

int64_t store_places_fail(struct store_places *places, const struct store_settings *settings,
                          int64_t now_ms)
{
    if (store_places_is_steady(places, now_ms))
        places->failed_count = 0;
    places->serves_ms = 0;
    places->current = (places->current + 1) % settings->place_count;
    places->failed_count++;
    if (places->failed_count % settings->place_count != 0)
        return 0;
    int64_t pause_ms = STORE_PAUSE_FIRST_MS;
    for (size_t rounds = places->failed_count / settings->place_count;
         rounds > 1 && pause_ms < STORE_PAUSE_LAST_MS; rounds--)
        pause_ms *= 2;
    return pause_ms < STORE_PAUSE_LAST_MS ? pause_ms : STORE_PAUSE_LAST_MS;
}

void store_places_serve(struct store_places *places, int64_t now_ms)
{
    places->serves_ms = now_ms;
}

bool store_places_is_steady(const struct store_places *places, int64_t now_ms)
{
    return places->serves_ms != 0 && now_ms - places->serves_ms >= STORE_STEADY_MS;
}
