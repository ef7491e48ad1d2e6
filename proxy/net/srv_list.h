// srv_list: the places of a service as DNS says them (RFC 2782), and the order in which one client tries them.
//
// Pure: chance is an argument. Bounded: the places with the best priorities are kept. Knows no messages and no time.
#pragma once

#include "auth/target.h"

enum { SRV_PLACES_MAX = 8 };

// srv_rank is what a record says of a place among the others.
struct srv_rank {
    uint16_t priority; // the lowest is tried first
    uint16_t weight;   // of one priority, how often it is the first one, compared to the others
};

struct srv_place {
    struct target target; // a name, as a record has no addresses
    struct srv_rank rank;
};

struct srv_list {
    size_t count;
    bool
        is_unavailable; // the target is `.`: the service is decidedly not available there; `count` is 0
    struct srv_place
        places[SRV_PLACES_MAX]; // sorted, so that equal lists are equal in any order of records
};

// srv_list_add adds a place, unless the list is full of better ones. Of a place that is said twice the better rank counts.
void srv_list_add(struct srv_list *list, const struct srv_place *place);

// srv_list_equal_places tells whether both have the same places, whatever their ranks.
bool srv_list_equal_places(const struct srv_list *a, const struct srv_list *b);

// srv_order writes the indexes of `count` places (at most SRV_PLACES_MAX) in the order in which they are to be tried: by
// priority, and within one by chance, according to the weights. `random` has a number for each place.
void srv_order(const struct srv_rank *ranks, size_t count, const uint32_t *random,
               uint8_t out[SRV_PLACES_MAX]);
