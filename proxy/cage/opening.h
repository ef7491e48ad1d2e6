// opening: the rules of files (ruleset.h) for places: what it takes to read one, and to read it again once somebody has put another one
// in its place, by a rename or by a link that leads elsewhere.
#pragma once

#include "proxy/cage/place.h"
#include "proxy/cage/ruleset.h"

struct opening {
    const struct ruleset *ruleset; // borrowed
    void (*on_written)(void *arg,
                       const char *path); // told of what can be written to; NULL: nobody is
    void *arg;                            // borrowed
    bool has_no_memory;                   // set where a rule could not be made
};

// opening_allow makes a rule for a path as it is. What is not there cannot be opened.
void opening_allow(struct opening *opening, const char *path, bool is_written);

// opening_allow_place makes all rules for a place; a place_fn.
void opening_allow_place(void *opening, const struct place *place);
