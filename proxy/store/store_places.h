// store_places: which server is tried next, and when. Pure.
//
// The places of the list are tried in order, from the one that served last. After a whole round without success there is a
// pause, from 100 ms, which doubles up to 2 s.
#pragma once

#include "proxy/store/store_settings.h"

enum { STORE_PAUSE_FIRST_MS = 100, STORE_PAUSE_LAST_MS = 2000 };

// Zeroed at first; the fields are private.
struct store_places {
    size_t current;
    size_t failed_count; // since the last success
};

// store_places_current gives the place to try now.
const struct target *store_places_current(const struct store_places *places,
                                          const struct store_settings *settings);

// store_places_fail notes that the current place is of no use now, goes on to the next one, and returns how many
// milliseconds to wait before it.
int64_t store_places_fail(struct store_places *places, const struct store_settings *settings);

// store_places_succeed notes that the current place serves.
void store_places_succeed(struct store_places *places);
