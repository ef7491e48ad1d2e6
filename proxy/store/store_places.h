// store_places: which server is tried next, and when. Pure.
//
// The places of the list are tried in order, from the one that served last. After a whole round without success there is a
// pause, from 100 ms, which doubles up to 2 s. It is a success when a connection has served for five seconds: a store that
// can be connected to, and is given up at once because of what it says, is tried again as seldom as one that cannot.
#pragma once

#include "proxy/store/store_settings.h"

enum { STORE_PAUSE_FIRST_MS = 100, STORE_PAUSE_LAST_MS = 2000, STORE_STEADY_MS = 5000 };

// Zeroed at first; the fields are private. Times are monotonic.
struct store_places {
    size_t current;
    size_t failed_count; // since the last success
    int64_t serves_ms;   // since when the current one serves; 0: it does not
};

// store_places_current gives the place to try now.
const struct target *store_places_current(const struct store_places *places,
                                          const struct store_settings *settings);

// store_places_fail notes that the current place is of no use now, goes on to the next one, and returns how many
// milliseconds to wait before it.
int64_t store_places_fail(struct store_places *places, const struct store_settings *settings,
                          int64_t now_ms);

// store_places_serve notes that the current place serves from now on.
void store_places_serve(struct store_places *places, int64_t now_ms);

// store_places_is_steady tells whether it has served for so long that the next fault is the first one.
bool store_places_is_steady(const struct store_places *places, int64_t now_ms);
